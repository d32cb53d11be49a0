"""The page of figures (src/observe/figures.h): found in a process's memory, and read.

The lists below are those of figures.h for LAYOUT; tests/look compares them.
"""
import struct

from .counters import ROWS
from .failure import Failure, Torn, Unreadable
from .process import Mapped

LAYOUT = 10
MAGIC = b'loamfigs'
NOTE = (b'loam\0', 1)

OBJECTS = '''
    pagemap ring caches shelves zone_sizes huge_sizes live most retained metadata runs_made
    runs_now runs_pages_now lock_waits
    fast_limit fast_limit_counted requests
    samples
    mark_secret chunk_secret fence_secret run_secret
'''.split()
READ_ONLY = ('mark_secret', 'chunk_secret', 'fence_secret', 'run_secret')     # from the program's start on

NUMBERS = '''
    page_shift region_shift leaf_shift leaf_unit_shift table_shift root_leaves classes class_size_max
    kind_slab kind_heap kind_run kind_huge kind_early kind_metadata kind_sampled
    pagemap_root pagemap_no_tags leaf_bytes leaf_tables leaf_regions leaf_number
    region_bytes region_base region_owned region_free tag_kind
    slab_bytes slab_size slab_out slab_base slab_owner slab_capacity slab_touched slab_class slab_order
    slab_free
    heap_bytes heap_owner heap_base heap_end chunk_least chunk_end chunk_word_bits chunk_flags chunk_in_use
    chunk_prev_in_use run_bytes run_mem run_npages run_usable run_kept
    huge_bytes huge_mem huge_nbytes huge_mapped
    arena_bytes arena_number arena_next arena_chunks arena_system arena_in_use arena_small_hits
    arena_unsorted_hits arena_large_hits arena_remainder_hits arena_top_hits arena_purged arena_refills
    arena_objects arena_slabs slabs_bytes slabs_out cache_bytes cache_magazines cache_arena cache_next cache_thread cache_ticks
    magazine_bytes magazine_last magazine_end magazine_none magazine_capacity magazine_most shelf_bytes shards
    shelf_objects
    zone_sizes_bytes zone_mapped zone_free_dirty zone_purged
    huge_sizes_bytes huge_sizes_count huge_sizes_nbytes huge_sizes_kept huge_sizes_made
    fast_granules requests_refused requests_of request_bytes request_asked request_answered request_failed
    request_given request_result request_text request_text_bytes
    samples_bytes sample_heads sample_bytes site_bytes site_lives site_frames
    slot_bytes slot_mem slot_size slot_in_use slot_allocated slot_freed stack_most
'''.split()

REQUESTS = 'trim set profile'.split()       # the kinds of src/cache/requests.h

HEAD = struct.Struct('<8sII16sQ')       # magic, layout, nbytes, version, self: the same in every layout
BODY = struct.Struct(f'<Q{len(OBJECTS)}Q{len(NUMBERS)}I')    # counters, objects, numbers
FIELDS = struct.Struct(f'<{len(ROWS)}I')
ALIGNED = 8
NBYTES = (HEAD.size + BODY.size + len(MAGIC) + ALIGNED - 1) // ALIGNED * ALIGNED

ELF = struct.Struct('<4sBB10xHHIQQQIHHHHHH')
SEGMENT = struct.Struct('<IIQQQQQQ')
PT_LOAD, PT_NOTE = 1, 4
SEGMENTS_MOST, NOTES_MOST = 256, 1 << 16    # bytes of notes; what has more is no program of ours
RELOCATED_FROM = 1 << 32    # a lower pointer in a page of figures that lies above is not relocated yet


class Page:
    """Objects and numbers as attributes; version is loam's."""

    def __init__(self, address, version, objects, numbers, counters):
        self.address, self.version, self.counters = address, version, counters
        self.__dict__.update(zip(OBJECTS, objects))
        self.__dict__.update(zip(NUMBERS, numbers))

    def wrong(self, memory):
        """What cannot be so, or None."""
        for name in OBJECTS:
            if getattr(self, name) % 4 or not memory.has(getattr(self, name), name not in READ_ONLY):
                return f'{name} is at {getattr(self, name):#x}'
        limits = {'page_shift': (12, 12), 'region_shift': (16, 30), 'table_shift': (20, 30),
                  'leaf_shift': (24, 40), 'leaf_unit_shift': (1, 40), 'root_leaves': (1, 1 << 20),
                  'classes': (1, 254), 'class_size_max': (16, 1 << 20), 'magazine_most': (1, 1 << 16),
                  'chunk_least': (16, 1 << 12)}
        for name in NUMBERS:
            least, most = limits.get(name, (0, 1 << 21))
            if not least <= getattr(self, name) <= most:
                return f'{name} is {getattr(self, name)}'
        for prefix in ('leaf', 'region', 'slab', 'heap', 'run', 'huge', 'arena', 'cache', 'magazine', 'shelf',
                       'request', 'slot'):
            nbytes = getattr(self, f'{prefix}_bytes')
            for name in NUMBERS:
                if name.startswith(prefix + '_') and not name.endswith(('_shift', '_sizes', '_most', '_leaves')) \
                        and not name.startswith('huge_sizes') and getattr(self, name) > nbytes:
                    return f'{name} is {getattr(self, name)}'
        sources = {'ARENA': self.arena_bytes, 'SLABS': self.slabs_bytes, 'ZONE': self.zone_sizes_bytes,
                   'HUGE': self.huge_sizes_bytes}
        for row, field in zip(ROWS, self.counters):
            offset, size = field & 0xffffff, field >> 24
            if offset >= len(OBJECTS) if row.source not in sources else size not in (4, 8) or \
                    offset + size > sources[row.source]:
                return f'{row.name} is at {field:#x}'
        return None


def notes(data):
    """Owner, type, offset and size of each note's contents."""
    at = 0
    while at + 12 <= len(data):
        name_size, size, kind = struct.unpack_from('<III', data, at)
        name_at, at = at + 12, at + 12 + (name_size + 3) // 4 * 4
        yield data[name_at:name_at + name_size], kind, at, size
        at += (size + 3) // 4 * 4


def distance_of_page(process, start):
    """From a mapping of the first bytes of an ELF file to its page of figures; None: it has none."""
    try:
        head = process.read_some(start, ELF.size)
        if len(head) < ELF.size or not head.startswith(b'\x7fELF\x02\x01'):
            return None
        fields = ELF.unpack(head)
        offset, entry, count = fields[7], fields[11], fields[12]
        if entry != SEGMENT.size or count > SEGMENTS_MOST or offset > NOTES_MOST:
            return None
        table = process.read(start + offset, count * entry)
        segments = list(SEGMENT.iter_unpack(table))
        first = next((s[3] for s in segments if s[0] == PT_LOAD), 0)
        for kind, _, _, address, _, size, _, _ in segments:
            if kind != PT_NOTE or size > NOTES_MOST or size > 1 << 62:
                continue
            at = start + address - first
            data = process.read(at, size)
            for name, note, place, length in notes(data):
                if (name, note) == NOTE and length == 4 and place + 4 <= size:
                    return at - start + place + struct.unpack_from('<i', data, place)[0]
    except Torn:
        pass
    return None


class Finder:
    """Remembers which files hold loam, for one look at many processes; not for longer, since files are written over."""

    def __init__(self):
        self.distances = {}

    def addresses(self, process, mappings):
        """Where pages of figures should be."""
        runs, uid = {m.file for m in mappings if 'x' in m.flags}, process.real_uid()
        for m in mappings:
            if m.offset or not m.path or m.path.startswith('[') or m.flags[0] != 'r' or m.file not in runs:
                continue
            # By user: a process may have overwritten what it maps, and must not hide those of others.
            key = uid, m.file, m.path
            if key not in self.distances:
                self.distances[key] = distance_of_page(process, m.start)
            if self.distances[key] is not None:
                yield m.start + self.distances[key]

    def find(self, process):
        """The page of figures.  Of two loams in one process, that which holds more."""
        mappings = process.mappings()
        found = best_page(process, self.addresses(process, mappings), Mapped(mappings))
        if not found:
            raise no_loam(process, mappings)
        return found


def best_page(process, addresses, memory):
    """Of several loams in one process that which holds more; None: there is none."""
    found, wrong = [], None
    for address in addresses:
        try:
            found.append(read_page(process, address, memory))
        except Failure as failure:
            wrong = failure
    if wrong and not found:
        raise wrong
    return max(found, key=lambda page: size_at(process, page.live), default=None)


def size_at(process, address):
    return struct.unpack('<Q', process.read(address, 8))[0]


def no_loam(process, mappings):
    if not mappings:
        return process.no_memory()
    return Failure(f'{process} does not run on loam: start it by `loam run`, or link it with loam')


def damaged(process, what):
    return Unreadable(f'the page of figures of {process} is damaged: {what}')


def read_page(process, address, memory):
    try:
        magic, layout, nbytes, version, own = HEAD.unpack(process.read(address, HEAD.size))
        if magic != MAGIC:
            raise damaged(process, 'it does not begin as one')
        version = version.rstrip(b'\0').decode('ascii', 'replace')
        if layout != LAYOUT:
            raise Unreadable(f'{process} runs on loam {version}, whose figures have layout {layout}, and this loam'
                          f' reads layout {LAYOUT}: use the `loam top` of that version', f'layout {layout}')
        if nbytes != NBYTES:
            raise damaged(process, f'it says that it has {nbytes} bytes')
        if own < RELOCATED_FROM <= address:
            raise Failure(f'{process} has just been started, and loam in it is not ready: look again')
        if own != address:
            raise damaged(process, f'it says that it lies at {own:#x}, and lies at {address:#x}')
        data = process.read(address, nbytes)
        values = BODY.unpack_from(data, HEAD.size)
        fields = FIELDS.unpack(process.read(values[0], FIELDS.size))
    except Torn as torn:
        raise damaged(process, f'{torn} cannot be read') from None
    page = Page(address, version, values[1:len(OBJECTS) + 1], values[len(OBJECTS) + 1:], fields)
    end = HEAD.size + BODY.size
    wrong = 'it does not end as one' if data[end:end + len(MAGIC)] != MAGIC else page.wrong(memory)
    if wrong:
        raise damaged(process, wrong)
    return page
