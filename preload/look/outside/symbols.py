"""Names of code: by addr2line (binutils), which knows functions, inlined ones too, and lines."""
import bisect
import collections
import dataclasses
import os
import shutil
import struct
import subprocess

from .page import ELF, PT_LOAD, SEGMENT, SEGMENTS_MOST


@dataclasses.dataclass(frozen=True)
class Line:
    function: str
    file: str = ''      # of the source
    number: int = 0
    known: bool = True  # False: function is no more than a place in a file


def segments(path):
    """Offset, address and size in the file of each part that is loaded; () where it is no ELF file."""
    try:
        with open(path, 'rb') as file:
            head = file.read(ELF.size)
            if len(head) < ELF.size or not head.startswith(b'\x7fELF\x02\x01'):
                return ()
            fields = ELF.unpack(head)
            offset, entry, count = fields[7], fields[11], fields[12]
            if entry != SEGMENT.size or count > SEGMENTS_MOST:
                return ()
            file.seek(offset)
            table = file.read(entry * count)
    except (OSError, ValueError):
        return ()
    return [(s[2], s[3], s[5]) for s in SEGMENT.iter_unpack(table[:len(table) // entry * entry])
            if s[0] == PT_LOAD]


# The instructions that a signal handler returns to, on x86-64 and aarch64: SIGRETURN of src/unwind/registers.h.
SIGRETURN = bytes.fromhex('48c7c00f0000000f05'), bytes.fromhex('681180d2010000d4')

SECTION = struct.Struct('<IIQQQQIIQQ')
SYMBOL = struct.Struct('<IBBHQQ')
SYMTAB, DYNSYM, FUNCTIONS = 2, 11, (2, 10)      # types of sections and of symbols


def exported(path):
    """Starts and ends of the functions that a file exports; None where it has a table of all symbols."""
    found = []
    try:
        with open(path, 'rb') as file:
            fields = ELF.unpack(file.read(ELF.size))
            file.seek(fields[8])
            sections = list(SECTION.iter_unpack(file.read(SECTION.size * fields[15])))
            if any(section[1] == SYMTAB for section in sections):
                return None
            for section in sections:
                if section[1] == DYNSYM:
                    file.seek(section[4])
                    data = file.read(section[5] // SYMBOL.size * SYMBOL.size)
                    found += [(s[4], s[4] + s[5]) for s in SYMBOL.iter_unpack(data) if s[1] & 15 in FUNCTIONS]
    except (OSError, ValueError, struct.error, MemoryError):
        pass
    return sorted(found)


def bytes_at(path, offset, nbytes):
    """Bytes of a file; none where it cannot be read."""
    try:
        with open(path, 'rb', buffering=0) as file:
            file.seek(offset)
            return file.read(nbytes)
    except (OSError, ValueError):
        return b''


def is_inside(functions, at):
    i = bisect.bisect_right(functions, (at, 1 << 64)) - 1
    return i >= 0 and at < functions[i][1]


def lines_of(output):
    """What addr2line -a -f -i printed: a list of lines for each address, the innermost first."""
    found, current = {}, None
    words = iter(output.splitlines())
    for word in words:
        if word.startswith('0x'):
            current = found.setdefault(int(word, 16), [])
            continue
        place = next(words, '??:0').partition(' (discriminator')[0]
        file, _, number = place.rpartition(':')
        if word != '??' and current is not None:
            current.append(Line(word, '' if file.startswith('?') else file, int(number) if number.isdigit() else 0))
    return found


class Symbols:
    """Of the code in mappings; root is where the process sees its files."""

    def __init__(self, mappings, pid=None):
        self.mappings = sorted((m for m in mappings), key=lambda m: m.start)
        self.starts = [m.start for m in self.mappings]
        self.pid = pid
        self.found = {}     # lines by address
        self.signals = {}   # is_of_signal() by return address

    def mapping(self, address):
        i = bisect.bisect_right(self.starts, address) - 1
        return self.mappings[i] if i >= 0 and address < self.mappings[i].end else None

    def file_of(self, mapping):
        """A path by which the mapped file can be read, though it be deleted or seen elsewhere; None: there is none."""
        path = mapping.path.removesuffix(' (deleted)')
        if self.pid is None:
            return path
        there = f'/proc/{self.pid}/map_files/{mapping.start:x}-{mapping.end:x}'
        if os.access(there, os.R_OK):
            return there
        if self.is_program(mapping):
            return f'/proc/{self.pid}/exe'
        if path != mapping.path:
            return None     # what bears its name now is another file
        there = f'/proc/{self.pid}/root{path}'
        return there if os.access(there, os.R_OK) else path

    def is_program(self, mapping):
        exe = f'/proc/{self.pid}/exe'
        try:
            return os.readlink(exe) == mapping.path and os.access(exe, os.R_OK)
        except OSError:
            return False

    def place(self, address):
        """What can always be said."""
        mapping = self.mapping(address)
        if not mapping:
            return Line(f'{address:#x}', known=False)
        if not mapping.path.startswith('/'):
            return Line(f'{mapping.path or "[anonymous]"}', known=False)
        return Line(f'{os.path.basename(mapping.path)}+{address - mapping.start + mapping.offset:#x}', known=False)

    def code(self, frames):
        """An address within the instruction that each frame executed: its call, which ends at the return address,
        or behind a signal handler the one that was interrupted, which begins there."""
        found, in_call = [], True
        for frame in frames:
            found.append(frame - 1 if in_call else frame)
            in_call = not self.is_of_signal(frame)
            if not in_call:
                self.found[found[-1]] = [Line('(signal handler)', known=False)]
        return found

    def is_of_signal(self, frame):
        """Whether a signal handler returns to that address."""
        if frame not in self.signals:
            mapping = self.mapping(frame)
            path = self.file_of(mapping) if mapping and mapping.path.startswith('/') else None
            self.signals[frame] = path is not None and \
                bytes_at(path, frame - mapping.start + mapping.offset, len(SIGRETURN[0])).startswith(SIGRETURN)
        return self.signals[frame]

    def look_up(self, addresses):
        """Finds the lines of many addresses at once."""
        by_file = collections.defaultdict(list)
        for address in set(addresses) - set(self.found):
            mapping = self.mapping(address)
            self.found[address] = [self.place(address)]
            if mapping and mapping.path.startswith('/'):
                by_file[mapping.path].append((address, mapping))
        if shutil.which('addr2line'):
            for wanted in by_file.values():
                self.ask(wanted)

    def ask(self, wanted):
        path = self.file_of(wanted[0][1])
        if path is None:
            return
        parts = segments(path)
        inside = {}
        for address, mapping in wanted:
            offset = address - mapping.start + mapping.offset
            for start, at, nbytes in parts:
                if start <= offset < start + nbytes:
                    inside[address] = offset - start + at
        if not inside:
            return
        done = subprocess.run(['addr2line', '-a', '-f', '-i', '-C', '-e', path], check=False, text=True,
                              input='\n'.join(f'{at:#x}' for at in inside.values()), stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, errors='replace')
        lines, functions = lines_of(done.stdout), exported(path)
        for address, at in inside.items():
            # Of a stripped file addr2line names the exported function before, though it ends before.
            if lines.get(at) and (lines[at][0].file or functions is None or is_inside(functions, at)):
                self.found[address] = lines[at]

    def lines(self, address):
        """The functions at an address, the innermost first: several where some are inlined."""
        if address not in self.found:
            self.look_up([address])
        return self.found[address]
