"""An account as tables, and as plain text."""

MIB = 1 << 20


def size(nbytes):
    """Three to four digits and a unit."""
    if nbytes < 1024:
        return f'{nbytes:.0f}'
    for unit in 'KMGT':
        nbytes /= 1024
        if nbytes < 1023.5 or unit == 'T':
            return f'{nbytes:.0f}{unit}' if nbytes >= 99.95 else f'{nbytes:.1f}{unit}'
    return ''


def count(n):
    return f'{n:,.0f}'


def several(n, noun):
    """`1 thread`, `2 threads`."""
    return f'{n:,.0f} {noun}' + ('' if f'{n:.0f}' == '1' else 's')


def share(value):
    return f'{value:.1f}'


class Column:
    def __init__(self, key, title, form, left=False):
        self.key, self.title, self.form, self.left = key, title, form, left

    def cell(self, row):
        return self.form(row[self.key])


CLASSES = [Column('size', 'SIZE', count), Column('slabs', 'SLABS', count), Column('pages', 'PAGES', count),
           Column('resident', 'RES', size), Column('in_use', 'IN USE', count), Column('live', 'LIVE', size),
           Column('cached', 'CACHED', count), Column('free', 'FREE', count), Column('free_bytes', 'WASTE', size),
           Column('percent', '%USE', share)]
ARENAS = [Column('number', 'ARENA', count), Column('live', 'LIVE', size), Column('free_bytes', 'FREE', size),
          Column('slabs', 'SLABS', count), Column('slab_resident', 'SLAB RES', size),
          Column('slab_live', 'SLAB LIVE', size), Column('chunk_resident', 'CHUNK RES', size),
          Column('chunk_live', 'CHUNK LIVE', size), Column('percent', '%USE', share)]
THREADS = [Column('thread', 'THREAD', str), Column('cached', 'CACHED', size), Column('objects', 'OBJECTS', count),
           Column('arena', 'ARENA', count), Column('name', 'NAME', str, left=True)]
HELD = [Column('size', 'SIZE', count), Column('objects', 'OBJECTS', count)]
FILLS = [Column('fill', 'IN USE', str), Column('slabs', 'SLABS', count)]
PROCESSES = [Column('pid', 'PID', str), Column('user', 'USER', str, left=True), Column('rss', 'RSS', size),
             Column('held', 'HELD', size), Column('live', 'LIVE', size), Column('free', 'FREE', size),
             Column('cached', 'CACHED', size), Column('percent', '%USE', share),
             Column('threads', 'THREADS', count), Column('name', 'NAME', str, left=True)]


def of_process(account):
    """The row of the list of processes."""
    heap, kernel = account['heap'], account['kernel']
    return {'pid': account['pid'], 'user': account['user'], 'rss': kernel['rss'], 'held': heap['held'],
            'live': heap['live'], 'free': heap['free'], 'cached': heap['cached'], 'threads': kernel['threads'],
            'percent': round(100 * heap['live_in_ram'] / heap['held'], 1) if heap['held'] else 0.0,
            'name': account['name'], 'words': account['words']}


def table(columns, rows):
    """Lines, the first of them the titles."""
    cells = [[column.title for column in columns], *([column.cell(row) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return ['  '.join(cell.ljust(width) if column.left else cell.rjust(width)
                      for cell, width, column in zip(line, widths, columns)).rstrip() for line in cells]


def summary(account):
    """What the kernel says, beside what it is made of."""
    kernel, heap = account['kernel'], account['heap']
    floors, foreign = heap['free_by_floor'], heap['foreign']
    free = ', '.join(f'{name} {size(nbytes)}' for name, nbytes in floors.items() if nbytes)
    in_ram = heap.get('in_ram_by_floor', heap['live_by_floor'])     # a map of an older loam has the latter alone
    live = ', '.join(f'{name} {size(nbytes)}' for name, nbytes in in_ram.items() if nbytes)
    rows = [('live', heap['live_in_ram'], live),
            ('cached', heap['cached'], 'free, in thread caches and the depot'), ('free', heap['free'], free),
            ('metadata', heap['metadata'], f"of {size(heap['metadata_mapped'])} mapped"),
            ('foreign', sum(foreign.values()), f"files {size(foreign['files'])}, shared {size(foreign['shared'])},"
             f" stacks and others' memory {size(foreign['anonymous'])}")]
    if heap['untouched']:
        rows[0] = (*rows[0][:2], f"{live}; {size(heap['untouched'])} more are not in RAM".removeprefix('; '))
    lines = [f"VIRT {size(kernel['virt'])} ({size(heap['mapped'])} of it loam's)   RSS {size(kernel['rss'])}   SWAP {size(kernel['swap'])}"
             f"   faults {count(kernel['minor_faults'])} minor, {count(kernel['major_faults'])} major"]
    lines += [f'  {name:<9}{size(nbytes):>8}  {what}'.rstrip() for name, nbytes, what in rows]
    return lines


def rates(account):
    found = account['rates']
    if not found:
        return []
    return [f"a second: {count(found['objects'])} objects in {count(found['refills'])} refills,"
            f" {count(found['chunks'])} chunks, {count(found['runs'])} runs, {count(found['huge'])} huge;"
            f" {size(max(found['purged'], 0))} purged, {count(found['lock_waits'])} waits for locks,"
            f" {count(found['minor_faults'])} faults"]


def title(account):
    return (f"{account['name']} ({account['pid']}) of {account['user']}, loam {account['loam']},"
            f" {several(account['kernel']['threads'], 'thread')}, {several(len(account['arenas']), 'arena')}")


def whole(account):
    """All of it, for where there is no terminal."""
    classes = sorted(account['classes'], key=lambda row: -row['resident'])
    arenas = sorted(account['arenas'], key=lambda row: -(row['live'] + row['free_bytes']))
    blocks = [[title(account), account['words']], summary(account) + rates(account),
              table(CLASSES, classes), table(ARENAS, arenas), table(THREADS, account['threads'])]
    return '\n\n'.join('\n'.join(block) for block in blocks)


def readable(accounts):
    """The rows of a list of processes, and a line for each that cannot be read."""
    rows = [of_process(one) for one in accounts if 'heap' in one]
    return rows, [f"{one['pid']}  {one['name']} is not shown: {one['unreadable']}" for one in accounts if 'heap' not in one]


def processes(accounts):
    rows, unreadable = readable(accounts)
    if not accounts:
        return 'no process that this user may look at runs on loam'
    lines = table(PROCESSES, sorted(rows, key=lambda row: -row['rss'])) if rows else []
    return '\n'.join(lines + unreadable)
