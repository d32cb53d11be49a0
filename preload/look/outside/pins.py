"""What live objects pin: the free bytes of pages in RAM that cannot go back while an object lies on them.

The free bytes of a page are shared by the objects in use on it, by how much of the page each has.  So all shares
together are the free bytes of all pages that something pins, and what samples of a profile have, each times the
objects that it stands for, is right on average.  Free objects in thread caches count as free.

A process that goes on may free an object or cut a chunk meanwhile; what makes no sense has no share.
"""
import bisect
import struct
import time

from . import chunks, places
from .heap import NONSENSE, SECONDS_MOST
from .process import PRESENT

SAMPLE = struct.Struct('<7Q')       # struct sample: next, mem, site, asked, given, weight, time
SAMPLES_MOST = 1 << 24


def overlap(start, end, first, last):
    return max(min(end, last) - max(start, first), 0)


class SlabPages:
    """Of one slab."""

    def __init__(self, at, tag):
        self.at, self.tag, self.row = at, tag, at.slab(tag)
        nbytes = (self.row.capacity + 63) // 64 * 8
        self.free = int.from_bytes(at.process.read(tag + at.page.slab_free, nbytes), 'little')
        self.start, self.end = self.row.base, self.row.base + self.row.capacity * self.row.size

    def bounds(self, mem):
        start = mem - (mem - self.start) % self.row.size
        return (start, start + self.row.size) if self.is_in_use(start) else None

    def is_in_use(self, start):
        number = (start - self.start) // self.row.size
        return not self.free >> number & 1 and self.at.key_at(start) != self.at.mark(start)

    def used(self, first, last):
        size = self.row.size
        starts = range(first - (first - self.start) % size, last, size)
        return sum(overlap(start, start + size, first, last) for start in starts if self.is_in_use(start))


class HeapPages:
    """Of one heap of chunks."""

    def __init__(self, at, tag, until):
        row, _ = at.heap_of(tag)
        self.at, self.start, self.end = at, row.base, row.end
        found = chunks.walk(at.process, at.page, lambda: (row.base, row.end), until)
        self.free = sorted(found.free + found.unread)   # of what could not be read nobody knows

    def bounds(self, mem):
        page, start = self.at.page, mem - 16
        word = self.at.word(start + chunks.HEADER)
        size = word & (1 << page.chunk_word_bits) - 1 & ~page.chunk_flags
        return (start, start + size) if word & page.chunk_in_use else None

    def used(self, first, last):
        free, i = 0, max(bisect.bisect_right(self.free, (first,)) - 1, 0)
        while i < len(self.free) and self.free[i][0] < last:
            free += overlap(*self.free[i], first, last)
            i += 1
        return last - first - free


class Pins:
    def __init__(self, process, page):
        self.process, self.page = process, page
        self.places, self.until = places.Places(process, page), time.monotonic() + SECONDS_MOST
        self.owners, self.pages = {}, {}

    def owner(self, mem):
        """What the object's pages are of; None: of nothing that objects share."""
        tag, kind, _ = self.places.tag_at(mem)
        if tag not in self.owners:
            self.owners[tag] = SlabPages(self.places, tag) if kind == self.page.kind_slab else \
                HeapPages(self.places, tag, self.until) if kind == self.page.kind_heap else None
        return self.owners[tag]

    def used(self, owner, first, last):
        if first not in self.pages:
            states = self.process.states(first, last - first)
            self.pages[first] = owner.used(first, last) if states is None or states[0] == PRESENT else last - first
        return self.pages[first]

    def share(self, mem):
        """Bytes that the object at mem pins."""
        owner = self.owner(mem)
        bounds = owner and owner.bounds(mem)
        if not bounds:
            return 0
        start, end = bounds
        nbytes, size = 0, 1 << self.page.page_shift
        for page in {start // size * size, (end - 1) // size * size}:       # it has those between alone
            first, last = max(page, owner.start), min(page + size, owner.end)
            used, own = self.used(owner, first, last), overlap(start, end, first, last)
            nbytes += (last - first - used) * own / max(used, own) if own else 0
        return nbytes

    def samples(self, heads):
        """Address, site and weight of each sample."""
        left = SAMPLES_MOST
        for at in struct.unpack(f'<{self.page.sample_heads}Q', self.process.read(heads, self.page.sample_heads * 8)):
            while at and left:
                left -= 1
                try:
                    at, mem, site, _, _, weight, _ = SAMPLE.unpack(self.process.read(at, SAMPLE.size))
                except NONSENSE:
                    break
                yield mem, site, weight


def add(process, page, heads, sites, unit):
    """Adds to the sums of sites, by their addresses, what their samples pin; weights are in 1 / unit."""
    pins = Pins(process, page)
    for mem, site, weight in pins.samples(heads):
        if site not in sites:
            continue
        try:
            share = pins.share(mem)
        except NONSENSE:
            continue
        sites[site].add_pinned(weight / unit, share)
