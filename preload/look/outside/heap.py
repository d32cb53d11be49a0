"""The heap of a process, walked from outside by its page of figures.

Nothing is locked: the process goes on meanwhile.  What is followed lies in memory that is never
unmapped and keeps its type (pages/metadata.h): the ring of arenas and the list of caches only grow,
and a descriptor that was given back is found empty, or in use for other pages, and then left out.
Each step is bounded, and what makes no sense is either left out (a slab that changes just now) or
makes the whole walk begin again.
"""
import collections
import itertools
import struct
import time

from .failure import Torn
from .process import PAGE, PRESENT, SWAPPED

TRIES = 20
ARENAS_MOST, CACHES_MOST, LEAVES_MOST = 1 << 16, 1 << 20, 1 << 14
SECONDS_MOST = 30   # of a walk, and for each GiB in RAM:
SECONDS_OF_GIB = 4
GAP = 1024          # descriptors so near each other are read at once; unreadable pages are larger
THREAD = 0x3fffffff  # the bits of a mutex's word that are its holder's number
FILLS = 10          # steps of the histogram of slabs by the share of their objects in use


def class_size(sc):
    """As src/slab/classes.h has it; each slab's own size is compared with it."""
    shift = 0 if sc < 16 else sc // 8 - 1
    return ((sc if sc < 16 else sc % 8 + 8) + 1 << shift) * 16


class Slow(Torn):
    """There was no time for all of it."""


# What Python says where sizes and offsets contradict each other.
NONSENSE = (Torn, struct.error, ValueError, TypeError, IndexError, OverflowError, MemoryError)


def stretches_of(values):
    """Of equal neighbours: the value, and the first and the end of where they are."""
    at = 0
    for value, group in itertools.groupby(values):
        end = at + sum(1 for _ in group)
        yield value, at, end
        at = end


class Record:
    """Fields of a structure, read at once: Record(nbytes, name=(offset, format))."""

    def __init__(self, nbytes, **fields):
        rows = sorted(fields.items(), key=lambda row: row[1][0])
        text, at = '<', 0
        for _, (offset, form) in rows:
            text += f'{offset - at}x{form}'
            at = offset + struct.calcsize('<' + form)
        self.struct = struct.Struct(f'{text}{max(nbytes - at, 0)}x')
        self.row = collections.namedtuple('Row', [name for name, _ in rows])

    def unpack(self, data, at=0):
        return self.row._make(self.struct.unpack_from(data, at))


class Class:
    """The slabs of a size class, of one arena or of all; sizes in bytes."""

    def __init__(self, size):
        self.size = size
        self.slabs = self.nbytes = self.resident = self.capacity = 0
        self.out = 0            # objects out of slabs: with the program, in caches, in the depot
        self.cached = 0         # objects of these that are free, in caches and the depot
        self.empty_resident = 0     # in slabs without an object out
        self.fills = [0] * (FILLS + 1)

    def add(self, slab, resident):
        self.slabs += 1
        self.nbytes += slab.nbytes
        self.resident += resident
        self.capacity += slab.capacity
        self.out += slab.out
        if not slab.out:
            self.empty_resident += resident
        self.fills[-(-slab.out * FILLS // slab.capacity)] += 1

    @property
    def in_use(self):
        return max(self.out - self.cached, 0)

    @property
    def free(self):
        """Resident bytes that no object that is out has."""
        return max(self.resident - self.out * self.size, 0)


class Slab:
    def __init__(self, base, nbytes, owner, sc, capacity, out):
        self.base, self.nbytes, self.owner = base, nbytes, owner
        self.sc, self.capacity, self.out = sc, capacity, out


class Arena:
    def __init__(self, address, row):
        self.address, self.number = address, row.number
        self.chunks_system, self.chunks_in_use = row.system, min(row.in_use, row.system)
        self.chunks_allocated = row.small_hits + row.unsorted_hits + row.large_hits + row.remainder_hits \
            + row.top_hits
        self.purged, self.refills, self.objects = row.purged, row.refills, row.objects
        self.chunks_resident = 0
        self.classes = {}

    @property
    def chunks_free(self):
        return max(self.chunks_resident - self.chunks_in_use, 0)


class Cache:
    def __init__(self, address, thread, arena, objects):
        self.address, self.thread, self.arena = address, thread, arena
        self.objects = objects      # by class

    @property
    def nbytes(self):
        return sum(n * class_size(sc) for sc, n in self.objects.items())


def magazine_pieces(page, data):
    """Address and length, in objects, of what a magazine's array has: what it holds, and what leaves it."""
    last, end, none = (struct.unpack_from('<Q', data, at)[0]
                       for at in (page.magazine_last, page.magazine_end, page.magazine_none))
    capacity = struct.unpack_from('<H', data, page.magazine_capacity)[0]
    pieces = (none + 8, (last - none) // 8), (end + 8, (none - end) // 8 + capacity)
    return [(start, count) for start, count in pieces if 0 < count <= page.magazine_most]


class Pages:
    """Objects of whole pages."""

    def __init__(self):
        self.count = self.nbytes = self.resident = 0

    def add(self, nbytes, resident):
        self.count += 1
        self.nbytes += nbytes
        self.resident += resident


class Lists:
    """What is linked: arenas, caches, the depot's shelves."""

    def __init__(self, process, page, until):
        self.process, self.page = process, page
        self.until = until      # time.monotonic()

    def list_from(self, head, next_at, nbytes, most):
        """The members of a list that only grows: address and bytes."""
        address, = struct.unpack('<Q', self.process.read(head, 8))
        seen = set()
        while address and address not in seen and len(seen) < most:
            if time.monotonic() > self.until:
                raise Torn('a list that takes too long to read')
            seen.add(address)
            data = self.process.read(address, nbytes)
            yield address, data
            address, = struct.unpack_from('<Q', data, next_at)
        if address:
            raise Torn('a list without an end')

    def read_caches(self):
        page = self.page
        record = Record(page.cache_bytes, magazines=(page.cache_magazines, 'Q'), arena=(page.cache_arena, 'Q'),
                        thread=(page.cache_thread, 'I'))
        found = []
        for address, data in self.list_from(page.caches, page.cache_next, page.cache_bytes, CACHES_MOST):
            row = record.unpack(data)
            objects = self.read_magazines(row.magazines) if row.magazines else {}
            found.append(Cache(address, row.thread & THREAD, row.arena, objects))
        return found

    def read_magazines(self, address):
        """Objects by class."""
        page, step = self.page, self.page.magazine_bytes
        data = self.process.read(address + step, page.classes * step)   # the first is unused
        counts = {sc: sum(count for _, count in magazine_pieces(page, data[sc * step:(sc + 1) * step]))
                  for sc in range(page.classes)}
        return {sc: n for sc, n in counts.items() if n}

    def read_depot(self):
        page = self.page
        step, row = page.shelf_bytes, page.classes * page.shelf_bytes
        data = self.process.read(page.shelves, page.shards * row)
        counts = {sc: sum(struct.unpack_from('<I', data, at + page.shelf_objects)[0]
                          for at in range(sc * step, len(data), row))
                  for sc in range(page.classes)}
        return {sc: n for sc, n in counts.items() if n}


class PageMap(Lists):
    """The page map: the tags of all pages, by regions."""

    def __init__(self, process, page, until):
        super().__init__(process, page, until)
        self.metadata = Pages()
        self.regions = {}       # their bytes, by where they begin
        self.outside = 0        # bytes of loam's that no region has: the data segment, metadata
        self.swapped = 0

    def leaves(self):
        """Address of each leaf, and where its addresses begin."""
        page = self.page
        root = memoryview(self.process.read_there(page.pagemap + page.pagemap_root, page.root_leaves * 4)).cast('i')
        found = [(i, distance) for i, distance in enumerate(root) if distance]
        if len(found) > LEAVES_MOST:
            raise Torn(f'{len(found)} leaves')
        for i, distance in found:
            leaf = page.pagemap + (distance << page.leaf_unit_shift)
            number, = struct.unpack('<Q', self.process.read(leaf + page.leaf_number, 8))
            if number & page.root_leaves - 1 != i or number << page.leaf_shift >> 56:
                raise Torn(f'leaf {i} says that it is {number}')
            self.add_resident(self.metadata, leaf, page.leaf_bytes)
            self.outside += page.leaf_bytes
            yield leaf, number << page.leaf_shift

    def windows(self, leaf, start):
        """Of each region's window: address, tags, states by page, and which pages a region owns."""
        page, process = self.page, self.process
        ntables = 1 << page.leaf_shift - page.table_shift
        nwindows = 1 << page.table_shift - page.region_shift
        npages = 1 << page.region_shift - page.page_shift
        tables = struct.unpack(f'<{ntables}q', process.read(leaf + page.leaf_tables, ntables * 8))
        regions = struct.unpack(f'<{ntables * nwindows}Q',
                                process.read(leaf + page.leaf_regions, ntables * nwindows * 8))
        for i, distance in enumerate(tables):
            if not distance:
                continue
            if time.monotonic() > self.until:
                raise Slow('it was not read to its end in time')
            table = page.pagemap + page.pagemap_no_tags + distance
            data = process.read_there(table, nwindows * npages * 8)
            self.add_resident(self.metadata, table, len(data))
            self.outside += len(data)
            for k in range(nwindows):
                tags = data[k * npages * 8:(k + 1) * npages * 8]
                region = regions[i * nwindows + k]
                first = start + (i << page.table_shift) + (k << page.region_shift)
                if region or any(tags):
                    yield first, memoryview(tags).cast('Q'), self.states_by_page(first, npages), \
                        self.owned(region, first) if region else None

    def states_by_page(self, first, npages):
        """As Process.states(), a byte for each of loam's pages, where the system's are larger too."""
        states = self.process.states(first, npages << self.page.page_shift)
        if states is None:
            return bytes([PRESENT]) * npages
        times = PAGE >> self.page.page_shift
        return states if times == 1 else b''.join(bytes([state]) * times for state in states)

    def owned(self, region, first):
        """A byte for each page, 1: the region owns it; b'': all.  None: it is no region by now."""
        page = self.page
        record = self.process.read(region, page.region_bytes)
        if struct.unpack_from('<Q', record, page.region_base)[0] != first:
            return None
        self.regions[first] = record
        npages = 1 << page.region_shift - page.page_shift
        bits = record[page.region_owned:page.region_owned + npages // 8]
        if bits == b'\xff' * len(bits):
            return b''
        return bytes(bits[i // 8] >> i % 8 & 1 for i in range(npages))

    def add_resident(self, pages, mem, nbytes):
        states = self.process.states(mem, nbytes)
        resident = nbytes if states is None else min(states.count(PRESENT) * PAGE, nbytes)
        pages.add(nbytes, resident)
        self.swapped += 0 if states is None else states.count(SWAPPED) * PAGE


class Heap(PageMap):
    """One look.  Raises Torn where there is no sense in what is read, Gone when the process ends."""

    def __init__(self, process, page, until):
        super().__init__(process, page, until)
        self.runs, self.kept_runs, self.huge, self.special = Pages(), Pages(), Pages(), Pages()
        self.free_blocks = 0    # resident bytes
        self.left_out = 0       # descriptors that made no sense
        began = time.monotonic()
        self.virt = process.kernel()['virt']
        self.read_sums()
        self.arenas = self.read_arenas()
        self.caches = self.read_caches()
        self.depot = self.read_depot()
        self.classes = [Class(class_size(sc)) for sc in range(page.classes)]
        if class_size(page.classes - 1) != page.class_size_max:
            raise Torn('its size classes are not those of class_size() in heap.py')
        self.walk()
        self.take_cached()
        self.seconds = time.monotonic() - began

    # ---- Sums.

    def read_sums(self):
        page = self.page
        word = {name: struct.unpack('<Q', self.process.read(getattr(page, name), 8))[0]
                for name in ('live', 'most', 'retained', 'metadata', 'runs_made', 'lock_waits')}
        zone = self.process.read(page.zone_sizes, page.zone_sizes_bytes)
        huge = self.process.read(page.huge_sizes, page.huge_sizes_bytes)
        self.sums = word | {
            name: struct.unpack_from('<Q', data, getattr(page, name))[0]
            for data, names in ((zone, ('zone_mapped', 'zone_free_dirty', 'zone_purged')),
                                (huge, ('huge_sizes_count', 'huge_sizes_nbytes', 'huge_sizes_kept',
                                        'huge_sizes_made')))
            for name in names}

    # ---- Arenas, caches and the depot.

    def read_arenas(self):
        page = self.page
        counts = ('system', 'in_use', 'small_hits', 'unsorted_hits', 'large_hits', 'remainder_hits', 'top_hits',
                  'purged', 'refills', 'objects')
        record = Record(page.arena_bytes, number=(page.arena_number, 'I'),
                        **{name: (getattr(page, f'arena_{name}'), 'Q') for name in counts})
        found = {}
        for address, data in self.list_from(page.ring, page.arena_next, page.arena_bytes, ARENAS_MOST):
            row = record.unpack(data)
            if not 0 < row.number <= ARENAS_MOST:
                raise Torn(f'an arena of number {row.number}')
            found[address] = Arena(address, row)
        return found

    def take_cached(self):
        for objects in (*(cache.objects for cache in self.caches), self.depot):
            for sc, n in objects.items():
                self.classes[sc].cached += n
        for one in self.classes:
            one.cached = min(one.cached, one.out)

    # ---- Its pages.

    def walk(self):
        """All stretches of pages that have one owner, and the free ones, by regions."""
        stretches, huge, rows = collections.defaultdict(lambda: [None, 0, 0]), [], {}
        for leaf, start in self.leaves():
            for first, tags, states, owned in self.windows(leaf, start):
                self.add_window(first, tags, states, owned, stretches)
                new = self.descriptors(sorted(set(tags).difference(rows, (0,))))    # soon after the tags
                self.see(new)
                rows.update(new)
        for tag, (first, nbytes, resident) in stretches.items():
            data = rows.get(tag)
            if data is None or not self.add_stretch(data, first, nbytes, resident, huge):
                self.left_out += 1
        for mem, nbytes in huge:
            self.add_resident(self.huge, mem, nbytes)
        if self.left_out > 8 + len(stretches) // 20:
            raise Torn(f'{self.left_out} of {len(stretches)} descriptors make no sense')

    def see(self, rows):
        """Of new descriptors, bytes by address: what is to be read at once."""

    def add_window(self, first, tags, states, owned, stretches):
        """Sums up its pages by their tags: where they begin, bytes, resident bytes."""
        shift = self.page.page_shift
        for tag, at, end in stretches_of(tags):
            if tag:
                stretch = stretches[tag]
                if stretch[0] is None:
                    stretch[0] = first + (at << shift)
                stretch[1] += end - at << shift
                self.outside += 0 if owned is not None else end - at << shift
                stretch[2] += states.count(PRESENT, at, end) << shift
                self.swapped += states.count(SWAPPED, at, end) << shift
            elif owned is not None:
                here = states[at:end]
                present = here.count(PRESENT) if not owned else \
                    sum(mine and state == PRESENT for mine, state in zip(owned[at:end], here))
                self.free_blocks += present << shift

    def descriptors(self, tags):
        """Bytes by address; of those that cannot be read, nothing."""
        page = self.page
        most = max(page.slab_bytes, page.heap_bytes, page.run_bytes, page.huge_bytes)
        found, i = {}, 0
        while i < len(tags):
            k = i
            while k + 1 < len(tags) and tags[k + 1] - tags[k] <= GAP and tags[k + 1] - tags[i] < 1 << 20:
                k += 1
            try:
                data = self.process.read_some(tags[i], tags[k] - tags[i] + most)
            except Torn:
                data = b''
            for tag in tags[i:k + 1]:
                row = data[tag - tags[i]:tag - tags[i] + most]
                if len(row) > page.tag_kind:
                    found[tag] = row.ljust(most, b'\0')
            i = k + 1
        return found

    def add_stretch(self, data, first, nbytes, resident, huge):
        """Counts the pages of a descriptor; false where it makes no sense, or is for other pages by now."""
        page, kind = self.page, data[self.page.tag_kind]
        if kind == page.kind_slab:
            return self.add_slab(data, first, resident)
        if kind == page.kind_heap:
            owner, = struct.unpack_from('<Q', data, page.heap_owner)
            arena = self.arenas.get(owner - page.arena_chunks)
            if arena:
                arena.chunks_resident += resident
            return arena is not None
        if kind == page.kind_run:
            mem, = struct.unpack_from('<Q', data, page.run_mem)
            (self.kept_runs if data[page.run_kept] else self.runs).add(nbytes, resident)
            return mem == first or abs(mem - first) < 1 << page.region_shift
        if kind == page.kind_huge:
            mem, size, mapped = (struct.unpack_from('<Q', data, at)[0]
                                 for at in (page.huge_mem, page.huge_nbytes, page.huge_mapped))
            if mem != first or not 0 < size <= mapped <= self.virt:
                return False
            huge.append((mem, size))
        elif kind in (page.kind_early, page.kind_sampled):
            self.special.add(resident, resident)
        elif kind == page.kind_metadata:
            self.metadata.add(nbytes, resident)
        else:
            return False
        return True

    def add_slab(self, data, first, resident):
        page = self.page
        size, out, capacity = (struct.unpack_from('<I', data, at)[0]
                               for at in (page.slab_size, page.slab_out, page.slab_capacity))
        base, owner = (struct.unpack_from('<Q', data, at)[0] for at in (page.slab_base, page.slab_owner))
        sc, nbytes = data[page.slab_class], 1 << min(data[page.slab_order], 20) + page.page_shift
        arena = self.arenas.get(owner)
        if sc >= page.classes or size != self.classes[sc].size or not arena or not base <= first < base + nbytes \
                or not out <= capacity or not 0 < capacity * size <= nbytes:
            return False
        slab = Slab(base, nbytes, owner, sc, capacity, out)
        self.classes[sc].add(slab, resident)
        arena.classes.setdefault(sc, Class(size)).add(slab, resident)
        return True


def look(process, page, kind=Heap):
    """A Heap, or of a kind that is one; tried again where what was read makes no sense.  Raises Torn
    when it never does."""
    until = time.monotonic() + SECONDS_MOST + SECONDS_OF_GIB * (process.kernel().get('rss', 0) >> 30)
    for left in range(TRIES - 1, -1, -1):
        try:
            return kind(process, page, until)
        except NONSENSE as error:
            if not left or time.monotonic() > until:
                raise error if isinstance(error, Torn) else Torn(str(error)) from None
            time.sleep(0.01)
    return None
