"""One line that says what is going on in a heap."""

MIB = 1 << 20
LITTLE = 4 * MIB        # what nobody needs to look into
SHARE = 0.15            # nor what is less than that of what is held
MOST_OF = 0.9           # the classes that are named have so much of what is free in slabs
GROWS = 64 << 10        # a second

WHY = {
    'chunks': 'in chunk heaps, between chunks in use',
    'runs': 'in runs that arenas keep for the next request',
    'blocks': 'in blocks of pages, kept for reuse',
    'huge': 'in mappings of huge objects, kept for reuse',
}


def mib(nbytes):
    """Of whole MiB where that is exact enough."""
    value = nbytes / MIB
    return f'{value:,.0f}' if value >= 99.95 else f'{value:.1f}'


def largest_classes(classes):
    """The fewest classes that have most of what is free in slabs, in the order of their sizes."""
    total, found, some = sum(one['free_bytes'] for one in classes), [], 0
    for one in sorted(classes, key=lambda one: -one['free_bytes']):
        if some >= MOST_OF * total:
            break
        found.append(one)
        some += one['free_bytes']
    return sorted(found, key=lambda one: one['size'])


def about_slabs(classes):
    """How much is free there, and why."""
    named = largest_classes(classes)
    first, last = named[0]['size'], named[-1]['size']
    sizes = f'{first} bytes' if first == last else f'{first} to {last} bytes'
    free, empty = sum(one['free_bytes'] for one in named), sum(one['empty_bytes'] for one in named)
    if empty > free / 2:
        return f'{mib(free)} free in slabs of {sizes}, most of them empty and kept for reuse'
    return f'{mib(free)} free in slabs of {sizes}, whose pages survivors pin'


def tell(account):
    heap = account['heap']
    said = f"{mib(heap['held'])} MiB held for {mib(heap['live'])} live"
    floors = dict(heap['free_by_floor'])
    floor = max(floors, key=floors.get)
    least = max(LITTLE, SHARE * heap['held'])
    if heap['untouched'] > least:
        said += f" ({mib(heap['untouched'])} of it never touched, or swapped out)"
    parts = []
    if floors[floor] > least:
        parts.append(about_slabs(account['classes']) if floor == 'slabs'
                     else f'{mib(floors[floor])} free {WHY[floor]}')
    if heap['cached'] > least:
        parts.append(f"{mib(heap['cached'])} free in thread caches and the depot")
    if heap['metadata'] > least:
        parts.append(f"{mib(heap['metadata'])} are metadata")
    said += ': ' + ', '.join(parts) if parts else ': hardly anything is free'
    growth = account.get('rates', {}).get('live', 0)
    if abs(growth) > max(GROWS, heap['live'] / 1000):
        said += f"; live {'grows' if growth > 0 else 'shrinks'} by {mib(abs(growth))} MiB a second"
    elif heap['foreign']['anonymous'] > max(heap['held'], 16 * MIB):
        said += f"; {mib(heap['foreign']['anonymous'])} MiB are not loam's: stacks, mappings of others"
    return said + '.'
