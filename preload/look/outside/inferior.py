"""A process as gdb shows it: one that it has stopped, or a core dump.  To be imported by gdb alone."""
import re

import gdb

from . import page as pages
from .failure import Failure, Torn
from .process import PAGE, Mapping

# Of `info files`: from, to, and which section that is; of a core dump also its segments, as load1.
SECTION = re.compile(r'^\s*0x([0-9a-f]+) - 0x([0-9a-f]+) is (\S+)', re.M)
# Of `info proc mappings`: start, end, size, offset, perhaps rights, and a file.
MAPPED = re.compile(r'^\s*0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+(?:([r-][w-][x-]\S)\b\s*)?(.*)$',
                    re.M)
NO_RIGHTS = 'r-xp'      # a core dump does not tell them


class Inferior:
    """What process.Process is, as far as a heap is read."""

    def __init__(self):
        self.inferior = gdb.selected_inferior()
        if not self.inferior.threads():
            raise Failure('there is no process: run one, attach to one, or open a core dump')
        self.pid, self.sections = self.inferior.pid, None

    def __str__(self):
        return f'process {self.pid}'

    # ---- Memory.

    def part(self, address, nbytes):
        try:
            return bytes(self.inferior.read_memory(address, nbytes))
        except (gdb.MemoryError, OverflowError, ValueError):
            return b''
        except gdb.error as error:
            raise Failure(f'{self} cannot be read: {error}') from None

    def read_some(self, address, nbytes):
        if not 0 <= address < 1 << 64:
            raise Torn(f'address {address:#x}')
        read = self.part(address, nbytes)
        return read or self.up_to_a_gap(address, nbytes)

    def up_to_a_gap(self, address, nbytes):
        parts, at, end = [], address, address + nbytes
        while at < end:
            parts.append(self.part(at, min(PAGE - at % PAGE, end - at)))
            if not parts[-1]:
                break
            at += len(parts[-1])
        read = b''.join(parts)
        if not read and nbytes:
            raise Torn(f'address {address:#x}')
        return read

    def read(self, address, nbytes):
        read = self.read_some(address, nbytes)
        if len(read) < nbytes:
            raise Torn(f'address {address + len(read):#x}')
        return read

    read_there = read

    def states(self, _address, _nbytes):
        """gdb tells nothing of what is in RAM."""

    # ---- What gdb says of it.

    def printed_sections(self):
        if self.sections is None:
            self.sections = [(int(m[1], 16), m[3]) for m in SECTION.finditer(printed('info files'))]
        return self.sections

    def mappings(self):
        return [Mapping(int(m[1], 16), int(m[2], 16), m[4] or NO_RIGHTS, int(m[3], 16), (m[5], ''), m[5])
                for m in MAPPED.finditer(printed('info proc mappings'))]

    def kernel(self):
        """The bound of what it can have mapped."""
        return {'virt': 1 << 48}

    def has(self, address, _to_write):
        """Whether a word can be read there (page.Page.wrong)."""
        return len(self.part(address, 8)) == 8

    def page(self):
        """Its page of figures."""
        try:
            found = pages.best_page(self, self.addresses(), self)
        except Torn as torn:
            raise pages.damaged(self, f'{torn} cannot be read') from None
        if not found:
            raise Failure(f'{self} does not run on loam: start it by `loam run`, or link it with loam')
        return found

    def addresses(self):
        """Where pages of figures should be: by the notes' sections, where the files are there and have such; else
        by the first bytes of each file, or segment of the core dump."""
        found = set()
        for start, name in self.printed_sections():
            if name == '.note.loam':
                found.add(start + distance_in_note(self, start))
        if not found:
            starts = [m.start for m in self.mappings() if m.path and not m.offset]
            starts += [start for start, name in self.printed_sections() if name.startswith('load')]
            for start in starts:
                distance = pages.distance_of_page(self, start)
                if distance is not None:
                    found.add(start + distance)
        return sorted(found)


def distance_in_note(process, start):
    data = process.read(start, 24)
    for name, kind, at, size in pages.notes(data):
        if (name, kind) == pages.NOTE and size == 4:
            return at + int.from_bytes(data[at:at + 4], 'little', signed=True)
    raise pages.damaged(process, f'the note at {start:#x} is not loam\'s')


def printed(command):
    try:
        return gdb.execute(command, to_string=True)
    except gdb.error:
        return ''       # gdb knows no such thing of this target
