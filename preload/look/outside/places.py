"""What lies at an address, what its neighbours are, and where the objects of a size class are: for a
process that stands still, or a core dump.

Only what the answer needs is read: the tag of the address's page, its descriptor, and of an object
that is free the thread caches.  A chunk is found by a walk over its heap, in which each header's
checksum is looked at, so the first overwritten one is seen.
"""
import dataclasses
import struct

from . import chunks, heap
from .failure import Failure, Torn
from .heap import Record, class_size

MASK = (1 << 64) - 1
GUARD = 4096                # bytes of the page behind an object, with harden=3
SAMPLES_MOST = 1 << 22      # of one chain
DAMAGE = (Torn, struct.error)


def mix64(x):
    """As src/base/bits.h has it."""
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & MASK
    x = (x ^ x >> 27) * 0x94d049bb133111eb & MASK
    return x ^ x >> 31


@dataclasses.dataclass
class Place:
    """A block of loam's that is in use or free as a whole."""
    kind: str           # 'object', 'chunk', 'run', 'huge object', 'early object', 'sampled object'
    start: int
    usable: int         # bytes
    end: int            # where the next one may begin, or its header
    state: str          # 'in use', 'free', ...
    arena: int = 0      # its number; 0: of none
    notes: list = dataclasses.field(default_factory=list)
    stacks: list = dataclasses.field(default_factory=list)      # heading, return addresses
    first: int = 0      # where its memory begins, if that is not start

    @property
    def is_in_use(self):
        return self.state == 'in use'


@dataclasses.dataclass
class Outside:
    """Not a block: why."""
    why: str
    is_loams: bool = False


class Places(heap.Lists):
    """process: what reads memory, as process.Process does."""

    def __init__(self, process, page):
        super().__init__(process, page, float('inf'))
        self.secret = {name: self.word(getattr(page, name + '_secret')) for name in ('mark', 'chunk', 'fence', 'run')}
        self.cached = {}    # by class: who has which free object
        self.kinds = self.records()

    # ---- Words.

    def word(self, address):
        return struct.unpack('<Q', self.process.read(address, 8))[0]

    def records(self):
        """Of each kind that tags pages."""
        page = self.page
        return {
            page.kind_slab: Record(page.slab_bytes, size=(page.slab_size, 'I'), out=(page.slab_out, 'I'),
                                   base=(page.slab_base, 'Q'), owner=(page.slab_owner, 'Q'),
                                   capacity=(page.slab_capacity, 'I'), sc=(page.slab_class, 'B'),
                                   order=(page.slab_order, 'B')),
            page.kind_heap: Record(page.heap_bytes, owner=(page.heap_owner, 'Q'), base=(page.heap_base, 'Q'),
                                   end=(page.heap_end, 'Q')),
            page.kind_run: Record(page.run_bytes, mem=(page.run_mem, 'Q'), npages=(page.run_npages, 'Q'),
                                  usable=(page.run_usable, 'I'), kept=(page.run_kept, 'B')),
            page.kind_huge: Record(page.huge_bytes, mem=(page.huge_mem, 'Q'), size=(page.huge_nbytes, 'Q'),
                                   mapped=(page.huge_mapped, 'Q')),
            page.kind_sampled: Record(page.slot_bytes, mem=(page.slot_mem, 'Q'), size=(page.slot_size, 'Q'),
                                      in_use=(page.slot_in_use, 'B')),
        }

    def descriptor(self, tag, kind):
        record = self.kinds[kind]
        return record.unpack(self.process.read(tag, record.struct.size))

    # ---- The page map.

    def tag_at(self, address):
        """The tag of the address's page, its kind, and whether a region has the page; 0, 0: no tag."""
        page = self.page
        index = address >> page.leaf_shift & page.root_leaves - 1
        distance, = struct.unpack('<i', self.process.read(page.pagemap + page.pagemap_root + 4 * index, 4))
        if not distance:
            return 0, 0, False
        leaf = page.pagemap + (distance << page.leaf_unit_shift)
        if self.word(leaf + page.leaf_number) != address >> page.leaf_shift:
            return 0, 0, False
        table = address >> page.table_shift & (1 << page.leaf_shift - page.table_shift) - 1
        window = address >> page.region_shift & (1 << page.leaf_shift - page.region_shift) - 1
        region = self.word(leaf + page.leaf_regions + 8 * window)
        distance = self.word(leaf + page.leaf_tables + 8 * table)
        if not distance:
            return 0, 0, bool(region)
        number = address >> page.page_shift & (1 << page.table_shift - page.page_shift) - 1
        tag = self.word(page.pagemap + page.pagemap_no_tags + distance + 8 * number & MASK)
        kind = self.process.read(tag + page.tag_kind, 1)[0] if tag else 0
        return tag, kind, bool(region)

    def arena_number(self, arena):
        number, = struct.unpack('<I', self.process.read(arena + self.page.arena_number, 4))
        if not 0 < number <= heap.ARENAS_MOST:
            raise Torn(f'an arena at {arena:#x}')
        return number

    # ---- What is there.

    def what(self, address):
        """A Place, or Outside."""
        if not 0 < address < 1 << 64:
            return Outside('is no address')
        page = self.page
        try:
            tag, kind, in_region = self.tag_at(address)
            if kind == page.kind_slab:
                return self.object_at(tag, address)
            if kind == page.kind_heap:
                return self.chunk_at(tag, address)
            if kind == page.kind_run:
                return self.run_at(tag)
            if kind == page.kind_sampled:
                return self.sampled_at(tag, address)
            if kind == page.kind_early:
                return Outside("is in memory that loam handed out before it had started, or in a signal handler: it"
                               ' is never reused', True)
            if kind == page.kind_metadata:
                return Outside("is in memory of loam's own: its descriptors and caches", True)
            huge = tag if kind == page.kind_huge else self.huge_around(address)
            if huge:
                return self.huge_at(huge, address)
        except DAMAGE as error:
            raise Failure(f'the heap of {self.process} is damaged: {error}') from None
        if tag:
            raise Failure(f'the heap of {self.process} is damaged: the page of {address:#x} is tagged with {tag:#x},'
                          f' which is of no kind ({kind})')
        if in_region:
            return Outside('is in a free page of loam, or one that it reserved', True)
        return Outside("is not loam's")

    def object_at(self, tag, address):
        row = self.slab(tag)
        if address >= row.base + row.capacity * row.size:
            return Outside(f'is behind the last object of the slab of {row.size} bytes an object at {row.base:#x}', True)
        return self.object_of(tag, row, (address - row.base) // row.size)

    def slab(self, tag):
        page, row = self.page, self.descriptor(tag, self.page.kind_slab)
        if row.sc >= page.classes or row.size != class_size(row.sc) or row.out > row.capacity or row.order > 20 \
                or not 0 < row.capacity * row.size <= 1 << row.order + page.page_shift:
            raise Torn(f'the descriptor of a slab at {tag:#x} contradicts itself')
        return row

    def object_of(self, tag, row, i):
        start = row.base + i * row.size
        free = self.word(tag + self.page.slab_free + i // 64 * 8) >> i % 64 & 1
        usable, state, notes = row.size, 'free', []
        if not free:
            usable, state, notes = self.held(start, row.size, lambda: self.key_at(start) == self.mark(start), row.sc)
        notes += [f'object {i} of {row.capacity} in the slab at {row.base:#x}, of which {row.out} are out',
                  f'size class: {row.size} bytes']
        return self.sampled(Place('object', start, usable, start + row.size, state, self.arena_number(row.owner), notes))

    def held(self, start, usable, is_marked, sc=None):
        """Usable bytes, state and notes of what is out of its slab, or of a chunk and so on in use."""
        if is_marked():
            place = self.caches_of(sc).get(start, 'in the depot or waiting to be freed') if sc is not None \
                else 'waiting to be freed'
            return usable, f'free, {place}', []
        if not self.secret['fence']:
            return usable, 'in use', []
        key = mix64(start ^ self.secret['fence'])
        for room in (usable, usable - GUARD):
            if room < 16:
                continue
            said = self.word(start + room - 8)
            if said == key ^ MASK:
                return room, 'free, in quarantine', []
            if said ^ key <= room - 16:
                return said ^ key, 'in use', [f'{room} bytes with its fence']
        return usable, 'in use', ['its trailer is not as loam wrote it: something was written behind it']

    def mark(self, start):
        return self.secret['mark'] ^ start

    def key_at(self, start):
        return self.word(start + 8)

    def caches_of(self, sc):
        """Which thread's cache has which object of a class."""
        if sc not in self.cached:
            page, found = self.page, {}
            record = Record(page.cache_bytes, magazines=(page.cache_magazines, 'Q'), thread=(page.cache_thread, 'I'))
            for _, data in self.list_from(page.caches, page.cache_next, page.cache_bytes, heap.CACHES_MOST):
                row = record.unpack(data)
                if not row.magazines:
                    continue
                magazine = row.magazines + (sc + 1) * page.magazine_bytes
                thread = row.thread & heap.THREAD
                name = f'in the cache of thread {thread}' if thread else 'in the cache of a thread that has ended'
                data = self.process.read(magazine, page.magazine_bytes)
                for piece, count in heap.magazine_pieces(page, data):
                    for start in struct.unpack(f'<{count}Q', self.process.read(piece, count * 8)):
                        found[start] = name
            self.cached[sc] = found
        return self.cached[sc]

    def heap_of(self, tag):
        row = self.descriptor(tag, self.page.kind_heap)
        if not row.base < row.end or row.base % 4096:
            raise Torn(f'the descriptor of a heap at {tag:#x} contradicts itself')
        return row, self.arena_number(row.owner - self.page.arena_chunks)

    def chunk_at(self, tag, address):
        row, arena = self.heap_of(tag)
        for chunk in chunks.each(self.process, self.page, row.base, row.end, self.secret['chunk']):
            if address < chunk.start + chunk.size + 16:
                break
        else:
            return Outside(f'is the end of the chunk heap at {row.base:#x}', True)
        if address < chunk.start + 16:
            return Outside(f'is in the header of the first chunk of the chunk heap at {row.base:#x}', True)
        return self.place_of(chunk, row, arena)

    def place_of(self, chunk, row, arena):
        start, usable, state, notes = chunk.start + 16, chunk.size - 8, 'free', []
        if chunk.in_use:
            usable, state, notes = self.held(start, usable, lambda: self.key_at(start) == self.mark(start) ^ MASK)
        notes.append(f'a chunk of {chunk.size} bytes, with its header, in the chunk heap at {row.base:#x} to {row.end:#x}')
        return self.sampled(Place('chunk', start, usable, start + chunk.size, state, arena, notes))

    def run_at(self, tag):
        row = self.descriptor(tag, self.page.kind_run)
        nbytes = row.npages << self.page.page_shift
        lead = row.mem % 4096
        usable, state, notes = row.usable if lead else nbytes, 'free, kept for the next run', []
        if lead % 16 or not 0 < nbytes <= 1 << self.page.region_shift or lead and lead + usable + 8 > nbytes:
            raise Torn(f'the descriptor of a run at {tag:#x} contradicts itself')
        if not row.kept:
            held = usable
            usable, state, notes = self.held(row.mem, held, lambda: self.key_at(row.mem) == self.mark(row.mem) ^ MASK)
            if lead:
                notes += self.fences(row.mem, held)
        return self.sampled(Place('run', row.mem, usable, row.mem - lead + nbytes, state, 0, [*notes, f'{row.npages} pages'],
                                  first=row.mem - lead))

    def fences(self, mem, usable):
        """Notes on the words right before and behind a run's object (src/pages/run.h)."""
        return [f'the word {where} it is not as loam wrote it: something was written there'
                for where, at in (('before', mem - 8), ('behind', mem + usable))
                if self.word(at) != self.secret['run'] ^ mem << 8 & MASK]

    def huge_at(self, tag, address):
        row = self.descriptor(tag, self.page.kind_huge)
        if row.mem % 4096 or not 0 < row.size <= row.mapped:
            raise Torn(f'the descriptor of a huge object at {tag:#x} contradicts itself')
        usable, state, notes = self.held(row.mem, row.size, lambda: self.key_at(row.mem) == self.mark(row.mem) ^ MASK)
        if not row.mem <= address < row.mem + row.size:
            return Outside(f'is behind the huge object at {row.mem:#x}', True)
        return self.sampled(Place('huge object', row.mem, usable, row.mem + row.size, state, 0,
                                  [*notes, f'a mapping of {row.mapped} bytes']))

    def huge_around(self, address):
        """The descriptor of the huge object that has the address, whose first page alone is tagged; 0: none."""
        for tag, _, kind in self.tags():
            if kind == self.page.kind_huge:
                row = self.descriptor(tag, kind)
                if row.mem <= address < row.mem + row.size:
                    return tag
        return 0

    def sampled_at(self, tag, address):
        row = self.descriptor(tag, self.page.kind_sampled)
        if not row.mem:
            return Outside('is in a slot for sampled objects (option guard) that was never used', True)
        stacks = [(f'{what} by thread {thread:#x}:', frames) for what, at in
                  (('allocated', self.page.slot_allocated), ('freed', self.page.slot_freed))
                  for thread, frames in [self.stack(tag + at)] if thread]
        notes = [] if row.mem <= address < row.mem + row.size else [f'{address:#x} itself is outside of it']
        return Place('sampled object', row.mem, row.size, row.mem + row.size, 'in use' if row.in_use else 'free', 0,
                     notes, stacks)

    def stack(self, address):
        """Of struct stack: the thread, 0 if none was noted, and return addresses."""
        thread, count = struct.unpack('<QI', self.process.read(address, 12))
        if count > self.page.stack_most:
            raise Torn(f'a stack of {count} frames')
        return thread, struct.unpack(f'<{count}Q', self.process.read(address + 16, 8 * count))

    # ---- Samples of a profile (struct samples, while it goes on).

    def sampled(self, place):
        """The place, with the stack that allocated it where a profile sampled it."""
        page = self.page
        heads, _, _, _, _, stopped = struct.unpack('<6Q', self.process.read(page.samples, 48))
        if not heads or stopped or not place.is_in_use:
            return place
        head = (place.start >> page.page_shift) * 0x9e3779b97f4a7c15 & MASK
        at = self.word(heads + (head >> 65 - page.sample_heads.bit_length()) * 8)
        for _ in range(SAMPLES_MOST):
            if not at:
                break
            following, mem, site, asked = struct.unpack('<4Q', self.process.read(at, 32))
            if mem == place.start:
                place.notes.append(f'{asked} bytes were asked for')
                place.stacks.append(('allocated (sampled by prof):', self.trail(site)))
                break
            at = following
        return place

    def trail(self, site):
        """The return addresses of a site, which end its structure."""
        page = self.page
        at = site + page.site_bytes - 8 * (page.site_frames + 1)
        depth = self.word(at)
        if depth > page.site_frames:
            raise Torn(f'a stack of {depth} frames')
        return struct.unpack(f'<{depth}Q', self.process.read(at + 8, 8 * depth))

    # ---- Neighbours.

    def neighbours(self, address):
        """The places before, at and behind; what is none is an Outside."""
        at = self.what(address)
        if isinstance(at, Outside):
            return None, at, None
        return self.beside(at, (at.first or at.start) - 1), at, self.beside(at, at.end)

    def beside(self, place, address):
        if place.kind == 'chunk' and address < place.start:
            address -= 16       # its header is part of the chunk before
        elif place.kind == 'chunk':
            address += 16
        found = self.what(address)
        return found if isinstance(found, Outside) or found.start != place.start else Outside('is the same', True)

    # ---- Everything of a kind.

    def tags(self):
        """Each descriptor that pages are tagged with: its address, the first page's, its kind."""
        page, seen = self.page, set()
        walk = heap.PageMap(self.process, page, float('inf'))
        for leaf, start in walk.leaves():
            for first, tags, _, _ in walk.windows(leaf, start):
                for tag, at, _ in heap.stretches_of(tags):
                    if tag and tag not in seen:
                        seen.add(tag)
                        yield tag, first + (at << page.page_shift), self.process.read(tag + page.tag_kind, 1)[0]

    def class_of(self, nbytes):
        """The number of the class that serves so many bytes."""
        for sc in range(self.page.classes):
            if class_size(sc) >= nbytes > 0:
                return sc
        raise Failure(f'there is no size class of {nbytes} bytes: they end at {self.page.class_size_max}')

    def slabs_of(self, sc):
        """Descriptor and address of each slab of a class, by address."""
        found = [(row.base, tag, row) for tag, _, kind in self.tags() if kind == self.page.kind_slab
                 for row in [self.slab(tag)] if row.sc == sc]
        return [(tag, row) for _, tag, row in sorted(found)]

    def objects_of(self, sc):
        """Address and state of each object of a class's slabs: 'in use', 'cached' or 'free'."""
        for tag, row in self.slabs_of(sc):
            bits = int.from_bytes(self.process.read(tag + self.page.slab_free, (row.capacity + 63) // 64 * 8), 'little')
            for i in range(row.capacity):
                start = row.base + i * row.size
                if bits >> i & 1:
                    yield start, 'free'
                    continue
                state = self.held(start, row.size, lambda: self.key_at(start) == self.mark(start), sc)[1]
                yield start, 'in use' if state == 'in use' else 'cached'

    def blocks_of(self, kinds):
        """The Place of each huge object, run or chunk."""
        page = self.page
        for tag, first, kind in self.tags():
            if kind == page.kind_huge and 'huge' in kinds:
                yield self.huge_at(tag, first)
            elif kind == page.kind_run and 'runs' in kinds:
                yield self.run_at(tag)
            elif kind == page.kind_heap and 'chunks' in kinds:
                row, arena = self.heap_of(tag)
                for chunk in chunks.each(self.process, page, row.base, row.end, self.secret['chunk']):
                    yield self.place_of(chunk, row, arena)
