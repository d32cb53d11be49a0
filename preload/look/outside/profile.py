"""Heap profiles: read from a running process (src/observe/samples.h), or from the file that option prof
leaves at exit (src/observe/profile_file.h).
"""
import dataclasses
import re
import struct

from . import pins
from .failure import Failure, Torn
from .process import Mapping

ONE = 1 << 16           # POISSON_ONE of src/observe/poisson.h
SITES_MOST = 1 << 22
CHUNK = 1 << 16         # what is read at once, since sites lie side by side

SAMPLES = struct.Struct('<14Q')     # struct samples
RATE, RATE_MOST = 512 << 10, 64 << 30     # bytes; PROFILE_RATE_MOST of src/observe/profile.h


@dataclasses.dataclass
class Sum:
    objects: int = 0
    asked: int = 0      # bytes
    given: int = 0

    def __iadd__(self, other):
        self.objects += other.objects
        self.asked += other.asked
        self.given += other.given
        return self


@dataclasses.dataclass
class Site:
    frames: tuple       # return addresses, the innermost first
    live: Sum
    allocated: Sum
    peak: Sum
    lives: tuple        # objects that were freed, by age: below 10 ms, 100 ms, and so on
    pinned: Sum = dataclasses.field(default_factory=Sum)    # free bytes, and the objects that pin them (pins.py)

    def add_pinned(self, objects, share):
        nbytes = round(objects * share)
        self.pinned += Sum(objects if share else 0, nbytes, nbytes)


FRAMES_MOST = 40    # TRAIL_MOST of src/observe/samples.h
CUT = '(callers not noted)'


# What to show of a site, by name.
SHOWN = {'live': 'in use', 'allocated': 'allocated so far', 'peak': 'in use at the peak',
         'pinned': 'free, in pages that objects in use pin'}


@dataclasses.dataclass
class Profile:
    of: str             # the process or file
    rate: int           # bytes; 0: not known
    samples: int
    lost: int
    seconds: int
    mappings: list
    sites: list
    has_pinned: bool = False

    def total(self, shown):
        total = Sum()
        for site in self.sites:
            total += getattr(site, shown)
        return total


# ---- From a process.

class Chunks:
    """Memory of a process, read in chunks; what was read once stays as it was."""

    def __init__(self, process):
        self.process, self.chunks = process, {}

    def read(self, address, nbytes):
        start = address // CHUNK * CHUNK
        if address + nbytes > start + CHUNK:
            return self.process.read(address, nbytes)
        if start not in self.chunks:
            try:
                self.chunks[start] = self.process.read(start, CHUNK)
            except Torn:
                self.chunks[start] = b''    # a part of it is not mapped
        chunk = self.chunks[start]
        return chunk[address - start:address - start + nbytes] if chunk else self.process.read(address, nbytes)


def site_struct(page):
    made = struct.Struct(f'<4Q9QQ{page.site_lives}QQ{page.site_frames}Q')
    if made.size != page.site_bytes:
        raise Failure(f'sites of {page.site_bytes} bytes are none of this version')
    return made


def site_of(page, fields, peaks):
    sums = [Sum(objects / ONE, asked, given) for objects, asked, given in
            (fields[at:at + 3] for at in (4, 7, 10))]
    lives = fields[14:14 + page.site_lives]
    depth, frames = fields[14 + page.site_lives], fields[15 + page.site_lives:]
    if depth > page.site_frames:
        raise Torn(f'a stack of {depth} frames')
    allocated, live, peak = sums
    return Site(frames[:depth], live, allocated, peak if fields[13] == peaks else live,
                tuple(one / ONE for one in lives))


def read_process(process, page, pinned=False):
    """With what objects pin, if that is wanted: it takes a look at the page of each sample."""
    try:
        fields = SAMPLES.unpack(process.read(page.samples, SAMPLES.size))
        heads, _, at, rate, _, stopped, taken, _, lost = fields[:9]
        if page.samples_bytes != SAMPLES.size or not heads:
            raise Failure(f'{process} is not profiled: begin it by `loam prof {process.pid} start`, or start the'
                          ' process with LOAM_OPTIONS=prof')
        peaks, chunks, layout, sites, left = fields[13], Chunks(process), site_struct(page), {}, SITES_MOST
        while at:
            left -= 1
            if not left or at % 8:
                raise Torn(f'a site at {at:#x}')
            row = layout.unpack(chunks.read(at, layout.size))
            if row[3]:      # else it is of an earlier profile
                sites[at] = site_of(page, row, peaks)
            at = row[0]
        if pinned:
            pins.add(process, page, heads, sites, ONE)
    except Torn as torn:
        raise Failure(f'the profile of {process} is damaged: {torn}') from None
    return Profile(str(process) + (', profiled until it was stopped' if stopped else ''), rate, taken, lost, 0,
                   process.mappings(), list(sites.values()), pinned)


# ---- From a file.

SUMS = r'\s*(\d+):\s*(\d+)\s*\[\s*(\d+):\s*(\d+)\]\s*@'
BEGIN = 'heap profile:'
HEAD = re.compile(BEGIN + SUMS + r'\s*(\S+)')
STACK = re.compile(SUMS + r'((?:\s+0x[0-9a-f]+)*)\s*$')
MORE = re.compile(r'# peak (\d+): (\d+) given (\d+) (\d+) (\d+) lives((?: \d+)*)(?: pinned (\d+): (\d+))?$')
ABOUT = re.compile(r'# loam (\S+) prof=(\d+) samples (\d+) lost (\d+) after (\d+) seconds')
MAPPING = re.compile(r'([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) (\S+) (\d+)\s*(.*)')


def add_line(found, line):
    """One line above those of the mappings; False: it is none of a profile."""
    stack, more, about = STACK.match(line), MORE.match(line), ABOUT.match(line)
    if stack:
        objects, asked, all_objects, all_asked = map(int, stack.groups()[:4])
        frames = tuple(int(word, 16) for word in stack[5].split())
        found.sites.append(Site(frames, Sum(objects, asked, asked), Sum(all_objects, all_asked, all_asked),
                                Sum(), ()))
    elif more and found.sites:
        site = found.sites[-1]
        site.peak = Sum(int(more[1]), int(more[2]), int(more[4]))
        site.live.given, site.allocated.given = int(more[3]), int(more[5])
        site.lives = tuple(map(int, more[6].split()))
        if more[7]:
            site.pinned, found.has_pinned = Sum(int(more[7]), int(more[8]), int(more[8])), True
    elif about:
        found.rate, found.samples, found.lost, found.seconds = map(int, about.groups()[1:])
    else:
        return not line.strip() or line.startswith('#')
    return True


def add_mapping(found, line):
    m = MAPPING.match(line)
    if m:
        found.mappings.append(Mapping(int(m[1], 16), int(m[2], 16), m[3], int(m[4], 16), (m[5], m[6]), m[7]))


def read_file(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            begin = file.read(len(BEGIN))   # another file of the name may be large
            lines = (begin + file.read() if begin == BEGIN else begin).split('\n')
    except OSError as error:
        raise Failure(f'{path} cannot be read: {error.strerror}') from None
    if not HEAD.match(lines[0]):
        raise Failure(f'{path} is no heap profile: it does not begin as one')
    found, in_mappings = Profile(str(path), 0, 0, 0, 0, [], []), False
    for number, line in enumerate(lines[1:], 2):
        if line.startswith('MAPPED_LIBRARIES:'):
            in_mappings = True
        elif in_mappings:
            add_mapping(found, line)
        elif not add_line(found, line):
            raise Failure(f'{path} is damaged: line {number} is none of a heap profile')
    if not in_mappings:
        raise Failure(f'{path} is damaged: it ends before the mappings')
    return found


# ---- To a file.

def maps_line(m):
    return f'{m.start:x}-{m.end:x} {m.flags} {m.offset:08x} {m.file[0]} {m.file[1]} {m.path}'.rstrip()


def as_text(profile):
    """The same form; what is there in all is the sum of the rows, in each of which objects are rounded."""
    def sums(sites):
        def both(what):
            sums = [getattr(site, what) for site in sites]
            return f'{sum(round(one.objects) for one in sums)}: {sum(one.asked for one in sums)}'
        return f'{both("live")} [{both("allocated")}] @'
    lines = [f'heap profile: {sums(profile.sites)} heapprofile',
             f'# loam - prof={profile.rate} samples {profile.samples} lost {profile.lost}'
             f' after {profile.seconds} seconds']
    for site in profile.sites:
        lines.append(' '.join([sums([site]), *(f'{frame:#x}' for frame in site.frames)]))
        lines.append(f'# peak {round(site.peak.objects)}: {site.peak.asked} given {site.live.given}'
                     f' {site.peak.given} {site.allocated.given} lives'
                     + ''.join(f' {round(one)}' for one in site.lives)
                     + (f' pinned {round(site.pinned.objects)}: {site.pinned.asked}' if profile.has_pinned else ''))
    lines += ['', 'MAPPED_LIBRARIES:', *map(maps_line, profile.mappings)]
    return '\n'.join(lines) + '\n'
