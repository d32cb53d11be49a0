"""The chunks of a heap (src/heap/chunk.h), walked from its base to its end, from outside.

The owner goes on meanwhile, so a header may be half of one chunk and half of another.  Each is
compared with what the one before says; where they contradict, memory is read again, and what makes
no sense then is left as unread, up to where chunks follow each other again.  The checksums are
looked at by each() alone.
"""
import collections
import struct
import time

from .failure import Torn

TRIES = 3
CHAIN = 8           # headers
PAUSE = 0.002
PART_LEAST, PART_MOST = 1 << 12, 1 << 20     # bytes read at once: few where chunks are large
MANY = 32           # chunks of a part, by which the next is larger
HEADER, HEADER_END = 8, 16      # of a chunk
CHECKSUM = 0x9e3779b97f4a7c15   # SPREAD of src/base/bits.h

header = struct.Struct('<Q').unpack_from


class Chunks:
    """Of one heap: stretches in use, free chunks, and what could not be read; address and end."""

    def __init__(self, start):
        self.start = start
        self.in_use, self.free, self.unread = [], [], []
        self.count = 0      # chunks in use

    def add(self, start, end, is_free):
        if is_free:
            self.free.append((start, end))
        elif self.in_use and self.in_use[-1][1] == start:
            self.in_use[-1] = self.in_use[-1][0], end
        elif start < end:
            self.in_use.append((start, end))


class Walk:
    """Goes on where it was, with memory that is read again."""

    def __init__(self, process, page, bounds):
        self.process, self.page, self.bounds = process, page, bounds
        self.at, self.end = bounds()
        self.found, self.prev_in_use, self.part = Chunks(self.at), True, PART_LEAST
        self.sizes = (1 << page.chunk_word_bits) - 1 & ~page.chunk_flags

    def read(self, nbytes):
        return self.process.read_there(self.at, min(self.end - self.at, nbytes))

    def step(self):
        """Walks what one read has; raises Torn at a header that makes no sense."""
        page, sizes = self.page, self.sizes
        start, last, data = self.at, self.end - page.chunk_end, self.read(self.part)
        at, known, prev_in_use = start, start + len(data) - HEADER_END, self.prev_in_use
        stretch, count, seen, is_torn = start, 0, 0, False
        while at < last and at <= known:
            word, = header(data, at - start + HEADER)
            size = word & sizes
            is_torn = size < page.chunk_least or at + size > last or bool(word & page.chunk_prev_in_use) != prev_in_use
            if is_torn:
                break
            prev_in_use = bool(word & page.chunk_in_use)
            if prev_in_use:
                count += 1
            else:
                self.found.add(stretch, at, False)
                self.found.add(at, at + size, True)
                stretch = at + size
            at, seen = at + size, seen + 1
        self.found.add(stretch, at, False)
        self.found.count += count
        self.part = min(self.part * 4, PART_MOST) if seen >= MANY else max(self.part // 2, PART_LEAST)
        self.at, self.prev_in_use = at, prev_in_use
        if is_torn:
            raise Torn(f'a chunk at {at:#x}')

    def skip(self):
        """Goes on at the next place where chunks follow each other, and leaves what is before as unread."""
        start, data = self.at, self.read(PART_MOST)
        for at in range(start + 16, start + len(data) - HEADER_END, 16):
            if self.begins_chain(data, start, at):
                self.prev_in_use = bool(header(data, at - start + HEADER)[0] & self.page.chunk_prev_in_use)
                break
        else:
            at = start + len(data) if start + len(data) < self.end else self.end
            at -= at % 16
        self.found.unread.append((start, at))
        self.at = at

    def begins_chain(self, data, start, at):
        """Whether so many headers from there on agree that they can hardly be anything else."""
        page, prev = self.page, None
        for _ in range(CHAIN):
            if at == self.end - page.chunk_end:
                return prev is not None
            if at - start + HEADER_END > len(data):
                word, = header(self.process.read_there(at + HEADER, 8))
            else:
                word, = header(data, at - start + HEADER)
            size = word & self.sizes
            if size < page.chunk_least or at + size > self.end - page.chunk_end:
                return False
            if prev is not None and bool(word & page.chunk_prev_in_use) != prev:
                return False
            prev = bool(word & page.chunk_in_use)
            at += size
        return True

    def run(self, until):
        left = TRIES
        while self.at < self.end - self.page.chunk_end:
            before = self.at
            if time.monotonic() > until:
                self.found.unread.append((self.at, self.end))
                return self.found
            try:
                self.step()
                left = TRIES
            except Torn:
                left = TRIES if self.at > before else left - 1
                if left:
                    time.sleep(PAUSE)
                    self.end = max(self.bounds()[1], self.at)
                else:
                    self.skip()
                    left = TRIES
        self.found.add(self.at, self.end, False)    # the heap's end
        return self.found


def walk(process, page, bounds, until):
    """The Chunks between what bounds() says; it is asked again where they change."""
    return Walk(process, page, bounds).run(until)


# ---- Of a process that stands still.

Chunk = collections.namedtuple('Chunk', 'start size in_use')


def each(process, page, base, end, secret):
    """Every chunk between, top included; raises Torn at the first header that loam did not write."""
    at, last, prev_in_use = base, end - page.chunk_end, True
    words, data, start = (1 << page.chunk_word_bits) - 1, b'', base
    while at < last:
        if at + HEADER_END > start + len(data):
            start, data = at, process.read(at, min(end - at, PART_MOST))
        whole, = header(data, at - start + HEADER)
        word = whole & words
        size, checksum = word & ~page.chunk_flags, (word ^ at ^ secret) * CHECKSUM & (1 << 64) - 1
        if (whole ^ checksum) >> page.chunk_word_bits or size < page.chunk_least or at + size > last \
                or bool(word & page.chunk_prev_in_use) != prev_in_use:
            raise Torn(f'the header at {at + HEADER:#x} was overwritten')
        prev_in_use = bool(word & page.chunk_in_use)
        yield Chunk(at, size, prev_in_use)
        at += size
