"""A heap by addresses: cells of equal size, what is in each, how much of that is in RAM and in use.

A cell is a page of 4 KiB, or as many more as keep the number of cells within CELLS_MOST.
"""
import collections
import dataclasses

from . import chunks
from .failure import Torn
from .heap import NONSENSE, Heap, stretches_of
from .process import PAGE, PRESENT

CELLS_MOST = 49152      # of a heap of 2 GiB, cells of 64 KiB
KINDS = {'s': 'slab', 'c': 'chunks', 'r': 'run', 'o': 'other', 'f': 'free', 'x': 'foreign', 'u': 'unread'}
ORDERS = 11
DIRTY, CLEAN = 0, 1     # states of a region's free blocks


@dataclasses.dataclass
class Block:
    """What a descriptor says: of a slab, a heap, a run or another object."""
    kind: str
    start: int
    nbytes: int
    tag: int
    size: int = 0       # of a slab's objects
    arena: int = 0
    capacity: int = 0
    out: int = 0
    resident: int = 0


def word(data, at):
    return int.from_bytes(data[at:at + 8], 'little')


def half(data, at):
    return int.from_bytes(data[at:at + 4], 'little')


class Grid:
    """Cells by their number, which is their address divided by their size."""

    def __init__(self, cell):
        self.cell = cell
        self.parts = collections.defaultdict(dict)  # by kind and size of objects: mapped, resident, used

    def split(self, start, end):
        """The parts of [start, end) in each cell."""
        while start < end:
            stop = min((start // self.cell + 1) * self.cell, end)
            yield start // self.cell, start, stop
            start = stop

    def add_pages(self, key, start, states, page):
        for number, a, b in self.split(start, start + len(states) * page):
            part = self.parts[number].setdefault(key, [0, 0, 0])
            part[0] += b - a
            part[1] += states.count(PRESENT, (a - start) // page, (b - start) // page) * page

    def add_used(self, key, start, end):
        for number, a, b in self.split(start, end):
            self.add_used_in(number, key, b - a)

    def add_used_in(self, number, key, nbytes):
        part = self.parts[number].get(key) if number in self.parts else None
        if part:
            part[2] += nbytes

    def rows(self):
        """Of each cell: number, kind and size of what most of it is, and in all mapped, resident and used.

        What changed while it was read may have been seen in two ways, and counts once.
        """
        for number in sorted(self.parts):
            parts = self.parts[number]
            kind, size = max(parts, key=lambda key: (parts[key][1], parts[key][0]))
            mapped, resident, used = (sum(part[i] for part in parts.values()) for i in range(3))
            mapped = min(mapped, self.cell)
            resident = min(resident, mapped)
            yield number, kind, size, mapped, resident, min(used, resident)


class MapHeap(Heap):
    """A heap that remembers where each thing lies."""

    def __init__(self, process, page, until):
        self.pieces = []        # tag, 0 of free pages; address; states by page
        self.blocks = {}        # by tag
        self.huge_objects = []  # address, bytes
        self.chunks_by_tag = {}
        self.chunk_count = 0
        self.free_chunks = collections.Counter()        # by the number of bits of their sizes
        self.free_chunk_bytes = collections.Counter()
        self.unread = 0
        super().__init__(process, page, until)
        self.data_segment = next(((m.start, m.end) for m in process.mappings() if m.path == '[heap]'), (0, 0))
        self.fill()

    # ---- What the walk finds.

    def add_window(self, first, tags, states, owned, stretches):
        super().add_window(first, tags, states, owned, stretches)
        shift = self.page.page_shift
        for tag, at, end in stretches_of(tags):
            if tag:
                self.pieces.append((tag, first + (at << shift), states[at:end]))
            elif owned is not None:
                for mine, a, b in stretches_of(owned[at:end]) if owned else [(1, 0, end - at)]:
                    if mine:
                        self.pieces.append((0, first + (at + a << shift), states[at + a:at + b]))

    def add_stretch(self, data, first, nbytes, resident, huge):
        before = len(huge)
        if not super().add_stretch(data, first, nbytes, resident, huge):
            return False
        if len(huge) > before:
            self.huge_objects.append(huge[-1])
        block = self.block_of(data, first, nbytes)
        if block:
            block.resident = resident
            self.blocks[first] = block
        return True

    def block_of(self, data, first, nbytes):
        """None of metadata and huge objects, which have no cells."""
        page, kind = self.page, data[self.page.tag_kind]

        if kind == page.kind_slab:
            arena = self.arenas[word(data, page.slab_owner)].number
            return Block('s', word(data, page.slab_base), nbytes, 0, half(data, page.slab_size), arena,
                         half(data, page.slab_capacity), half(data, page.slab_out))
        if kind == page.kind_heap:
            return Block('c', first, nbytes, 0, arena=self.arenas[word(data, page.heap_owner) - page.arena_chunks].number)
        if kind == page.kind_run:
            return Block('f' if data[page.run_kept] else 'r', first, nbytes, 0)
        return Block('o', first, nbytes, 0) if kind in (page.kind_early, page.kind_sampled) else None

    # ---- Cells.

    def fill(self):
        self.tell_tags()
        page = 1 << self.page.page_shift
        total, cell = sum(len(states) for _, _, states in self.pieces) * page, page
        total += self.data_segment[1] - self.data_segment[0]
        while cell * CELLS_MOST < total:
            cell *= 2
        self.grid = Grid(cell)
        for tag, start, states in self.pieces:
            block = self.blocks.get(tag)
            if block or not tag:
                key = (block.kind, block.size) if block else ('f', 0)
                self.grid.add_pages(key, start, states, page)
                if block and block.kind in 'ro':
                    self.add_touched(key, start, states, page)
        for block in self.blocks.values():
            if block.kind == 's':
                self.fill_slab(block)
            elif block.kind == 'c':
                self.fill_chunks(block)
        self.fill_foreign()

    def tell_tags(self):
        """Blocks by their tags, which are known by where their pages begin."""
        firsts, by_tag = self.blocks, {}
        for tag, start, _ in self.pieces:
            if tag and tag not in by_tag and start in firsts:
                by_tag[tag] = firsts[start]
                by_tag[tag].tag = tag
        self.blocks = by_tag

    def add_touched(self, key, start, states, page):
        """Objects of whole pages: what is in RAM is in use."""
        for state, a, b in stretches_of(states):
            if state == PRESENT:
                self.grid.add_used(key, start + a * page, start + b * page)

    def fill_slab(self, block):
        key, size = ('s', block.size), block.size
        if block.out == block.capacity:
            self.grid.add_used(key, block.start, block.start + block.capacity * size)
        elif block.out:
            bits = self.objects_out(block)
            for number, a, b in self.grid.split(block.start, block.start + block.nbytes):
                self.grid.add_used_in(number, key, bytes_between(bits, size, a - block.start, b - block.start))

    def objects_out(self, block):
        """A bit for each object that is out of its slab."""
        nbytes = (block.capacity + 63) // 64 * 8
        try:
            free = self.process.read(block.tag + self.page.slab_free, nbytes)
        except Torn:
            return 0
        return ~int.from_bytes(free, 'little') & (1 << block.capacity) - 1

    def see(self, rows):
        """Heaps are walked at once: those of busy programs come and go."""
        page = self.page
        for tag, data in rows.items():
            if data[page.tag_kind] == page.kind_heap:
                try:
                    self.chunks_by_tag[tag] = chunks.walk(self.process, page, self.bounds_of(tag, word(data, page.heap_base)),
                                                          self.until)
                except NONSENSE:
                    pass    # it is no heap any more

    def bounds_of(self, tag, base):
        """Where the heap that begins at base does so, and where it ends; read each time."""
        page = self.page

        def bounds():
            data = self.process.read(tag, page.heap_bytes)
            end = word(data, page.heap_end)
            if word(data, page.heap_base) != base or not base < end <= base + self.virt:
                raise Torn(f'a heap at {base:#x}')
            return base, end

        return bounds

    def fill_chunks(self, block):
        key, last = ('c', 0), block.start + block.nbytes
        found = self.chunks_by_tag.get(block.tag)
        if found is None or found.start != block.start:
            found = chunks.Chunks(block.start)
            found.unread.append((block.start, last))
        for start, end in found.in_use:
            self.grid.add_used(key, start, min(end, last))
        for start, end in found.unread:
            self.unread += end - start
            for number, a, b in self.grid.split(start, min(end, last)):
                part = self.grid.parts[number] if number in self.grid.parts else {}
                if key in part and b - a > part[key][0] // 2:
                    part['u', 0] = part.pop(key)
        self.chunk_count += found.count
        for start, end in found.free:
            bits = (end - start).bit_length() - 1
            self.free_chunks[bits] += 1
            self.free_chunk_bytes[bits] += end - start

    def fill_foreign(self):
        """What others have of the data segment."""
        start, end = self.data_segment
        states = self.process.states(start, end - start) if start else None
        if states is None:
            return
        mine = sorted((block.start, block.start + block.nbytes) for block in self.blocks.values()
                      if start <= block.start < end)
        at = start
        for first, last in [*mine, (end, end)]:
            if at < first:
                self.grid.add_pages(('x', 0), at, states[(at - start) // PAGE:(first - start) // PAGE], PAGE)
                self.foreign_is_used(at, first, states, start)
            at = max(at, last)

    def foreign_is_used(self, at, end, states, start):
        self.add_touched(('x', 0), at, states[(at - start) // PAGE:(end - start) // PAGE], PAGE)

    # ---- Blocks by order.

    def free_blocks_by_order(self):
        """Of each order: how many free blocks hold memory, and how many hold none."""
        npages = 1 << self.page.region_shift - self.page.page_shift
        counts = [[0, 0] for _ in range(ORDERS)]
        for record in self.regions.values():
            for state in (DIRTY, CLEAN):
                at = self.page.region_free + state * 2 * npages // 8
                bits, first = int.from_bytes(record[at:at + 2 * npages // 8], 'little'), 0
                for order in range(ORDERS):
                    count = npages >> order
                    counts[order][state] += ones(bits >> first & (1 << count) - 1)
                    first += count
        return counts

    def place_of(self, start, end):
        """What part of the address space that is, in words."""
        if start < self.data_segment[1] and end > self.data_segment[0]:
            return 'data segment'
        first = end - 1 >> self.page.region_shift << self.page.region_shift
        return 'zone' if first in self.regions else 'other'


def ones(bits):
    """How many bits are set; int.bit_count() is newer than Python 3.9."""
    return bin(bits).count('1')


def bytes_between(bits, size, start, end):
    """Bytes in [start, end), counted from a slab's base, of objects whose bits are set."""
    first, last = start // size, (end - 1) // size
    inside = ones(bits >> first & (1 << last - first + 1) - 1) * size
    if bits >> first & 1:
        inside -= start - first * size
    if bits >> last & 1:
        inside -= (last + 1) * size - end
    return inside


def document(found, account):
    """Of a MapHeap and its account: what `loam map -o FILE.json` writes."""
    data = dict(account)
    for name in ('rates', 'counters', 'look_seconds'):
        data.pop(name, None)
    states = [found.process.states(mem, nbytes) for mem, nbytes in found.huge_objects]
    data['loam_map'] = 1
    data['seconds'] = round(found.seconds, 3)
    data['unread'] = found.unread
    data['cell'] = found.grid.cell
    data['areas'] = areas(found)
    data['blocks'] = {'columns': ['start', 'nbytes', 'kind', 'size', 'in_use', 'capacity', 'resident', 'arena'],
                      'rows': [[b.start, b.nbytes, KINDS[b.kind], b.size, b.out, b.capacity, b.resident, b.arena]
                               for b in sorted(found.blocks.values(), key=lambda b: b.start)]}
    data['orders'] = orders(found)
    data['chunks'] = {'in_use': found.chunk_count,
                      'free': [{'size': 1 << bits, 'count': n, 'nbytes': found.free_chunk_bytes[bits]}
                               for bits, n in sorted(found.free_chunks.items())]}
    data['huge_objects'] = [[mem, nbytes, nbytes if s is None else min(s.count(PRESENT) * PAGE, nbytes)]
                            for (mem, nbytes), s in zip(found.huge_objects, states)]
    return data


def areas(found):
    """Cells side by side, as columns."""
    made, following, cell = [], None, found.grid.cell
    for number, kind, size, mapped, resident, used in found.grid.rows():
        place = found.place_of(number * cell, (number + 1) * cell)
        if number != following or made[-1]['place'] != place:
            made.append({'start': number * cell, 'place': place, 'kinds': '', 'size': [], 'mapped': [],
                         'resident': [], 'used': []})
        area = made[-1]
        area['kinds'] += kind
        for name, value in (('size', size), ('mapped', mapped), ('resident', resident), ('used', used)):
            area[name].append(value)
        following = number + 1
    return made


def orders(found):
    free, page = found.free_blocks_by_order(), 1 << found.page.page_shift
    rows = [{'order': order, 'nbytes': page << order, 'dirty': free[order][DIRTY], 'clean': free[order][CLEAN],
             'slabs': 0, 'heaps': 0} for order in range(ORDERS)]
    for block in found.blocks.values():
        order = (block.nbytes // page).bit_length() - 1
        name = {'s': 'slabs', 'c': 'heaps'}.get(block.kind)
        if name and order < ORDERS and block.nbytes == page << order and found.place_of(block.start, block.start + block.nbytes) == 'zone':
            rows[order][name] += 1
    return rows
