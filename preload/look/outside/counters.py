"""The counters of a process (src/observe/counter_rows.def), read from outside, and as text.

It walks arenas and thread caches, no blocks: in milliseconds, however large the heap is.
"""
import collections
import struct

Row = collections.namedtuple('Row', 'name kind unit source help')

# As in counter_rows.def, without the fields: the page says where these are.  tests/look compares them.
ROWS = [Row(*line.split(None, 4)) for line in '''
live_bytes GAUGE BYTES SUM Bytes that the program holds.
cached_bytes GAUGE BYTES SUM Free bytes in thread caches and the depot.
free_bytes GAUGE BYTES SUM Free bytes elsewhere, but for clean free blocks.
retained_bytes GAUGE BYTES WORD Free bytes that count for giving memory back.
most_live_bytes GAUGE BYTES WORD The most bytes at a time in blocks handed out.
metadata_bytes GAUGE BYTES WORD Bytes mapped for loam's own use.
arenas GAUGE NUMBER SUM Arenas.
caches GAUGE NUMBER SUM Thread caches, those of threads that ended too.
cached_objects GAUGE NUMBER SUM Free objects in thread caches and the depot.
slabs GAUGE NUMBER SUM Slabs.
slab_bytes GAUGE BYTES SLABS Bytes of blocks that are slabs.
slab_objects GAUGE NUMBER SUM Objects of slabs that the program holds.
slab_object_bytes GAUGE BYTES SUM Bytes of objects of slabs that the program holds.
heap_bytes GAUGE BYTES ARENA Bytes of chunk heaps.
chunk_bytes GAUGE BYTES ARENA Bytes of chunks in use, with headers.
free_chunks GAUGE NUMBER ARENA Free chunks in bins.
runs GAUGE NUMBER SUM Runs of pages that the program holds.
run_bytes GAUGE BYTES SUM Bytes of runs that the program holds.
kept_runs GAUGE NUMBER ARENA Freed runs that arenas keep.
kept_run_bytes GAUGE PAGES ARENA Bytes of freed runs that arenas keep.
huge_objects GAUGE NUMBER HUGE Huge objects that the program holds.
huge_bytes GAUGE BYTES HUGE Bytes of huge objects.
kept_huge_bytes GAUGE BYTES HUGE Bytes of kept mappings of huge objects.
most_huge_objects GAUGE NUMBER HUGE The most huge objects at a time.
most_huge_bytes GAUGE BYTES HUGE The most bytes of huge objects at a time.
regions GAUGE NUMBER ZONE Regions of page frames.
region_bytes GAUGE BYTES ZONE Bytes of regions.
dirty_block_bytes GAUGE BYTES ZONE Bytes of free blocks that may be in RAM.
clean_block_bytes GAUGE BYTES ZONE Bytes of free blocks that are not in RAM.
promotions TOTAL NUMBER ARENA Size classes that slabs began to serve.
demotions TOTAL NUMBER ARENA Size classes that slabs ceased to serve.
refills TOTAL NUMBER ARENA Refills of thread caches from slabs.
refilled_objects TOTAL NUMBER ARENA Objects taken in refills.
slabs_made TOTAL NUMBER SLABS Slabs made.
slabs_given_back TOTAL NUMBER SLABS Slabs given back.
small_hits TOTAL NUMBER ARENA Chunks from small bins.
unsorted_hits TOTAL NUMBER ARENA Chunks from the unsorted bin.
large_hits TOTAL NUMBER ARENA Chunks from larger bins.
remainder_hits TOTAL NUMBER ARENA Chunks from the last remainder.
top_hits TOTAL NUMBER ARENA Chunks from top.
chunk_splits TOTAL NUMBER ARENA Chunks that were split.
chunk_merges TOTAL NUMBER ARENA Chunks that were merged.
top_grown_brk TOTAL NUMBER ARENA Times top grew by brk.
top_grown_block TOTAL NUMBER ARENA Times top became a new block.
top_trims TOTAL NUMBER ARENA Times top shrank.
heap_purged_bytes TOTAL BYTES ARENA Bytes of chunk heaps given back.
blocks_taken TOTAL NUMBER ZONE Blocks of page frames handed out.
block_splits TOTAL NUMBER ZONE Blocks that were split.
block_merges TOTAL NUMBER ZONE Blocks that were merged.
block_purged_bytes TOTAL BYTES ZONE Bytes of free blocks given back.
runs_made TOTAL NUMBER WORD Runs made.
huge_made TOTAL NUMBER HUGE Huge objects made.
lock_waits TOTAL NUMBER WORD Times a thread waited for a lock.
'''.strip().splitlines()]


def field_of(data, field):
    return struct.unpack_from('<I' if field >> 24 == 4 else '<Q', data, field & 0xffffff)[0]


class Sums:
    """As counters_collect() of src/observe/counters.c."""

    def __init__(self, lists, class_size, objects):
        self.lists, self.process, self.page = lists, lists.process, lists.page
        self.class_size, self.objects = class_size, objects
        self.of = {row.name: 0 for row in ROWS}
        self.out, self.cached = [0] * self.page.classes, [0] * self.page.classes

    def collect(self, arenas_most):
        page = self.page
        self.add_words()
        self.add_from('ZONE', self.process.read(page.zone_sizes, page.zone_sizes_bytes))
        self.add_from('HUGE', self.process.read(page.huge_sizes, page.huge_sizes_bytes))
        self.add_arenas(arenas_most)
        self.add_caches()
        self.sum_up()
        return self.of

    def add_from(self, source, data):
        for row, field in zip(ROWS, self.page.counters):
            if row.source == source:
                self.of[row.name] += field_of(data, field) << (self.page.page_shift if row.unit == 'PAGES' else 0)

    def add_words(self):
        for row, number in zip(ROWS, self.page.counters):
            if row.source == 'WORD':
                self.of[row.name] = self.word(getattr(self.page, self.objects[number]))

    def word(self, address):
        return struct.unpack('<Q', self.process.read(address, 8))[0]

    def add_arenas(self, most):
        page = self.page
        for _, data in self.lists.list_from(page.ring, page.arena_next, page.arena_bytes, most):
            self.of['arenas'] += 1
            self.add_from('ARENA', data)
            slabs, = struct.unpack_from('<Q', data, page.arena_slabs)
            if slabs:
                self.add_slabs(self.process.read(slabs, page.slabs_bytes))

    def add_slabs(self, data):
        self.add_from('SLABS', data)
        for sc, out in enumerate(struct.unpack_from(f'<{self.page.classes}Q', data, self.page.slabs_out)):
            self.out[sc] += out

    def add_caches(self):
        caches = self.lists.read_caches()
        self.of['caches'] = len(caches)
        for objects in (*(cache.objects for cache in caches), self.lists.read_depot()):
            for sc, n in objects.items():
                self.cached[sc] += n

    def sum_up(self):
        of, shift = self.of, self.page.page_shift
        out_bytes = 0
        for sc, out in enumerate(self.out):
            size, cached = self.class_size(sc), min(self.cached[sc], out)
            out_bytes += out * size
            of['cached_objects'] += cached
            of['cached_bytes'] += cached * size
            of['slab_objects'] += out - cached
            of['slab_object_bytes'] += (out - cached) * size
        of['slabs'] = max(of['slabs_made'] - of['slabs_given_back'], 0)
        of['runs'] = max(self.word(self.page.runs_now) - of['kept_runs'], 0)
        of['run_bytes'] = max((self.word(self.page.runs_pages_now) << shift) - of['kept_run_bytes'], 0)
        of['live_bytes'] = of['chunk_bytes'] + of['slab_object_bytes'] + of['run_bytes'] + of['huge_bytes']
        of['free_bytes'] = max(of['heap_bytes'] - of['chunk_bytes'], 0) + max(of['slab_bytes'] - out_bytes, 0) \
            + of['kept_run_bytes'] + of['dirty_block_bytes'] + of['kept_huge_bytes']


# ---- As text.

def mib(nbytes):
    """As stats=exit prints it: cut off behind the first decimal."""
    return f'{nbytes >> 20}.{(nbytes & (1 << 20) - 1) * 10 >> 20}'


# The lines of stats=exit (src/api/stats.c).
LINES = (
    'arena: {arenas} arenas; {promotions} classes promoted, {demotions} demoted',
    'slab: {refilled_objects} objects taken in {refills} refills; {slabs_made} slabs made, {slabs_given_back} given'
    ' back; now {slabs} slabs of {slab_bytes} bytes, {slab_objects} objects of {slab_object_bytes} bytes out',
    'heap: hits: {small_hits} small bin, {unsorted_hits} unsorted, {large_hits} large bin, {remainder_hits} last'
    ' remainder, {top_hits} top; {chunk_splits} splits, {chunk_merges} merges',
    'top: grown {top_grown_brk} times by brk, {top_grown_block} by block; {top_trims} trims, {heap_purged_bytes} bytes'
    ' purged; now {heap_bytes} bytes of heaps, {chunk_bytes} in use',
    'pages: {regions} regions of {region_bytes} bytes; {blocks_taken} blocks taken, {block_splits} splits,'
    ' {block_merges} merges, {block_purged_bytes} bytes purged; free: {dirty_block_bytes} dirty, {clean_block_bytes}'
    ' clean',
    'objects of pages: {runs_made} runs made, now {runs} of {run_bytes} bytes; {huge_made} huge made, now'
    ' {huge_objects} of {huge_bytes} bytes, {kept_huge_bytes} kept; metadata {metadata_bytes} bytes',
)


def lines(program, pid, found, rss, most):
    """What stats=exit prints."""
    first = f'{program}, process {pid}: {mib(found["live_bytes"])} MiB in use,' \
            f' {mib(found["free_bytes"] + found["cached_bytes"])} free and kept,' \
            f' {mib(found["metadata_bytes"])} metadata; the process holds {mib(rss)} MiB (RSS), at most {mib(most)}'
    return [f'loam: {line}' for line in (first, *(line.format(**found) for line in LINES))]


def escaped(label):
    return label.replace('\\', r'\\').replace('"', r'\"').replace('\n', r'\n')


UNREADABLE = 'processes on loam whose figures are damaged, or of a layout that this version does not read'


def sample(name, labels, value):
    text = ','.join(f'{key}="{escaped(word)}"' for key, word in labels.items())
    return f'{name}{{{text}}} {value}'


def metrics(rows, classic, unreadable=()):
    """Metrics of several processes: rows are their labels, a dictionary, and their counters; unreadable has the labels of
    those that have none.

    classic: the text format that Prometheus's node_exporter reads; else OpenMetrics 1.0.
    """
    said = []
    for row in ROWS:
        name = f'loam_{row.name}'
        total = '_total' if row.kind == 'TOTAL' else ''
        family = name + (total if classic else '')
        said.append(f'# HELP {family} {row.help}')
        said.append(f'# TYPE {family} {"counter" if total else "gauge"}')
        if not classic and row.unit != 'NUMBER':
            said.append(f'# UNIT {family} bytes')
        said += [sample(name + total, labels, found[row.name]) for labels, found in rows]
    said += [f'# HELP loam_processes_unreadable {UNREADABLE}', '# TYPE loam_processes_unreadable gauge']
    said += [sample('loam_processes_unreadable', labels, 1) for labels in unreadable]
    return '\n'.join(said + ([] if classic else ['# EOF'])) + '\n'
