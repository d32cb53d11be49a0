"""A process as the kernel shows it: its memory, its mappings, and what it holds of RAM.

Memory is read through /proc/PID/mem, which belongs to one address space: when the process ends or
becomes another program, a read gives nothing, and never the bytes of another process.
"""
import bisect
import dataclasses
import errno
import functools
import os
import pwd

from .failure import Failure, Gone, Refused, Torn

ABSENT, PRESENT, SWAPPED = 0, 1, 2      # of a page
PAGE = os.sysconf('SC_PAGE_SIZE')

# The highest byte of an entry of /proc/PID/pagemap: bit 63 says present, bit 62 swapped.
STATES = bytes(PRESENT if byte & 0x80 else SWAPPED if byte & 0x40 else ABSENT for byte in range(256))

REFUSED = (errno.EACCES, errno.EPERM)
OF_KERNEL, EXITING = 0x200000, 0x4       # flags of a process
ENDED = (errno.ENOENT, errno.ESRCH)


@dataclasses.dataclass(frozen=True)
class Mapping:
    start: int
    end: int
    flags: str      # as "r-xp"
    offset: int
    file: tuple     # device and inode
    path: str       # '' of anonymous memory


def text_of(path):
    """A file of /proc as text; names of programs may hold any bytes."""
    with open(path, encoding='utf-8', errors='replace', newline='') as file:
        return file.read()


def lines_of(path):
    """Its lines: of the ends of lines that Python knows, names may hold all but the newline."""
    return text_of(path).rstrip('\n').split('\n')


def stat_fields(folder):
    """The fields behind the name in the `stat` of a process's folder, or of a thread's."""
    return text_of(f'{folder}/stat').rpartition(')')[2].split()


def name_of(pid):
    try:
        return printable(text_of(f'/proc/{pid}/comm').rstrip('\n'))
    except OSError:
        return '?'


def printable(text):
    return ''.join(c if c.isprintable() else '?' for c in text)


@functools.lru_cache(maxsize=None)
def user_name(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def why_refused(pid):
    """Why the kernel does not let this user look at a process."""
    try:
        owner = os.stat(f'/proc/{pid}').st_uid
    except OSError:
        owner = os.geteuid()
    try:
        scope = int(text_of('/proc/sys/kernel/yama/ptrace_scope'))
    except (OSError, ValueError):
        scope = 0   # the kernel has no such limit
    if scope >= 3:
        return f'kernel.yama.ptrace_scope is {scope}, with which the kernel refuses everybody until the next boot'
    if os.geteuid() == 0:
        return 'the kernel refuses root as well: a container needs CAP_SYS_PTRACE (--cap-add=SYS_PTRACE); or ask from its host'
    if owner != os.geteuid():
        return f'it is of user {user_name(owner)}: ask as that user, or as root'
    if scope:
        return f'kernel.yama.ptrace_scope is {scope}: ask as root'
    return 'it does not let itself be looked at (PR_SET_DUMPABLE, or rights of its own): ask as root'


def has_memory(folder):
    try:
        return bool(text_of(f'{folder}/maps'))
    except OSError:
        return False


def folder_of(pid):
    """The folder that shows a process's memory: that of a living thread if the first one has ended, else its own."""
    first = f'/proc/{pid}'
    try:
        if stat_fields(first)[0] != 'Z':
            return first
        return next(filter(has_memory, (f'{first}/task/{number}' for number in os.listdir(f'{first}/task'))), first)
    except (OSError, IndexError):
        return first


class Process:
    """An open process; close() it, or use it with `with`."""

    def __init__(self, pid):
        self.pid = pid
        self.memory = self.pagemap = -1
        self.name, self.folder = name_of(pid), folder_of(pid)
        try:
            self.uid = os.stat(f'/proc/{pid}').st_uid
            self.memory = os.open(f'{self.folder}/mem', os.O_RDONLY | os.O_CLOEXEC)
            self.read_mappings()
        except OSError as error:
            self.close()
            raise self.no_memory() if error.errno == errno.ESRCH else self.failure(error) from None
        try:
            self.pagemap = os.open(f'{self.folder}/pagemap', os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self.pagemap = -1   # the kernel was built without it

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for descriptor in (self.memory, self.pagemap):
            if descriptor >= 0:
                os.close(descriptor)
        self.memory = self.pagemap = -1

    def __str__(self):
        return f'process {self.pid} ({self.name})'

    def failure(self, error):
        if error.errno in ENDED and self.name == '?':
            return Failure(f'there is no process {self.pid}')
        if error.errno in ENDED:
            return self.gone()
        if error.errno in REFUSED:
            return Refused(f'{self} may not be looked at: {why_refused(self.pid)}')
        return Failure(f'{self} cannot be read: {os.strerror(error.errno)}')

    def no_memory(self):
        """What the kernel says where there is no address space."""
        if self.is_of_kernel():
            return Failure(f'{self} is of the kernel: it has no heap')
        return self.gone()

    def gone(self):
        there = os.path.exists(self.folder) and not self.is_dead()
        return Gone(f'{self} has become another program' if there else f'{self} has ended')

    def state_and_flags(self):
        """Its letter, and the kernel's flags of it."""
        fields = stat_fields(self.folder)
        return fields[0], int(fields[6])

    def is_of_kernel(self):
        """By its flags: a process that ends has no memory for a moment either."""
        try:
            return bool(self.state_and_flags()[1] & OF_KERNEL)
        except (OSError, IndexError, ValueError):
            return False

    def is_dead(self):
        """Or about to be: its memory goes first."""
        try:
            state, flags = self.state_and_flags()
        except (OSError, IndexError, ValueError):
            return True
        return state in 'ZX' or bool(flags & EXITING)

    # ---- Memory.

    def read_some(self, address, nbytes):
        """Up to nbytes, as many as are mapped from address on; raises Torn if none are."""
        try:
            read = os.pread(self.memory, nbytes, address)
        except (OverflowError, ValueError):
            raise Torn(f'address {address:#x}') from None
        except OSError as error:
            if error.errno in (errno.EIO, errno.EFAULT, errno.EINVAL):
                raise Torn(f'address {address:#x}') from None
            raise self.failure(error) from None
        if not read and nbytes:
            raise self.gone()
        return read

    def read(self, address, nbytes):
        """Exactly nbytes; raises Torn if not all are mapped."""
        read = self.read_some(address, nbytes)
        while len(read) < nbytes:
            read += self.read_some(address + len(read), nbytes - len(read))
        return read

    def states(self, address, nbytes):
        """A byte a page of the system: ABSENT, PRESENT or SWAPPED; None where nobody can tell."""
        if self.pagemap < 0:
            return None
        if not 0 <= address < 1 << 62:
            raise Torn(f'address {address:#x}')
        first, last = address // PAGE, (address + nbytes - 1) // PAGE
        parts = []
        while first <= last:
            try:
                part = os.pread(self.pagemap, min(last - first + 1, 1 << 17) * 8, first * 8)
            except OSError as error:
                raise self.failure(error) from None
            if not part and os.pread(self.pagemap, 8, 0):
                raise Torn(f'address {first * PAGE:#x}')
            if not part:
                raise self.gone()
            parts.append(part[7::8].translate(STATES))
            first += len(part) // 8
        return b''.join(parts)

    def read_there(self, address, nbytes):
        """As read(), but pages that hold no memory are zeroes, and are not touched."""
        states = self.states(address, nbytes)
        if states is None or len(states) == 1:
            return self.read(address, nbytes)
        result = bytearray(nbytes)
        page = 0
        while page < len(states):
            if states[page] == ABSENT:
                page += 1
                continue
            last = states.find(ABSENT, page)
            last = len(states) if last < 0 else last
            start = max(address, (address // PAGE + page) * PAGE)
            end = min(address + nbytes, (address // PAGE + last) * PAGE)
            result[start - address:end - address] = self.read(start, end - start)
            page = last
        return bytes(result)

    # ---- What the kernel says.

    def lines(self, name):
        try:
            return lines_of(f'{self.folder}/{name}')
        except OSError as error:
            raise self.failure(error) from None

    def mappings(self):
        try:
            return self.read_mappings()
        except OSError as error:
            raise self.failure(error) from None

    def read_mappings(self):
        found = []
        for line in filter(None, lines_of(f'{self.folder}/maps')):
            words = line.split(' ', 5)
            start, _, end = words[0].partition('-')
            found.append(Mapping(int(start, 16), int(end, 16), words[1], int(words[2], 16),
                                 (words[3], words[4]), ''.join(words[5:]).lstrip(' ')))
        return found

    def real_uid(self):
        """The user that started it, also where its files in /proc are root's."""
        for line in self.lines('status'):
            if line.startswith('Uid:'):
                return int(line.split()[1])
        return self.uid

    def kernel(self):
        """In bytes: what it holds of addresses, RAM and swap; and its faults so far."""
        status = dict(line.split(':', 1) for line in self.lines('status') if ':' in line)
        if 'VmRSS' not in status:
            raise self.gone()
        try:
            fields = stat_fields(f'/proc/{self.pid}')   # faults of all threads
        except OSError as error:
            raise self.failure(error) from None
        kib = {name: int(status.get(name, '0').split()[0]) * 1024
               for name in ('VmSize', 'VmRSS', 'RssAnon', 'RssFile', 'RssShmem', 'VmSwap')}
        return {'virt': kib['VmSize'], 'rss': kib['VmRSS'], 'anonymous': kib['RssAnon'],
                'files': kib['RssFile'], 'shared': kib['RssShmem'], 'swap': kib['VmSwap'],
                'minor_faults': int(fields[7]), 'major_faults': int(fields[9]),
                'threads': int(status['Threads'])}

    def most_resident(self):
        """The most bytes of RAM that it had."""
        for line in self.lines('status'):
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) * 1024
        raise self.gone()

    def program(self):
        """The path of what runs, as the kernel has it."""
        try:
            return printable(os.readlink(f'{self.folder}/exe'))
        except OSError as error:
            raise self.failure(error) from None

    def threads(self):
        """Names by number, the number being what the thread itself takes for it."""
        found = {}
        try:
            numbers = os.listdir(f'/proc/{self.pid}/task')
            inner = self.has_own_numbers()
        except OSError as error:
            raise self.failure(error) from None
        for number in numbers:
            try:
                own = self.own_number(number) if inner else int(number)
                found[own] = printable(text_of(f'/proc/{self.pid}/task/{number}/comm').rstrip('\n'))
            except OSError:
                continue    # it ended meanwhile
        return found

    def has_own_numbers(self):
        """Whether it is in a namespace where processes have other numbers than here."""
        return len(self.number_line(str(self.pid))) > 1

    def own_number(self, number):
        return int(self.number_line(number)[-1])

    def number_line(self, number):
        for line in lines_of(f'/proc/{self.pid}/task/{number}/status'):
            if line.startswith('NSpid:'):
                return line.split()[1:]
        return [number]


class Mapped:
    """What a process may read, and what it may write: a pointer to a variable must lie in that."""

    def __init__(self, mappings):
        self.readable = sorted((m.start, m.end) for m in mappings if m.flags.startswith('r'))
        self.writable = sorted((m.start, m.end) for m in mappings if m.flags.startswith('rw'))

    def has(self, address, to_write):
        """Whether a word lies there."""
        ranges = self.writable if to_write else self.readable
        i = bisect.bisect_right(ranges, (address, 1 << 64)) - 1
        return i >= 0 and ranges[i][0] <= address and address + 8 <= ranges[i][1]


def all_processes():
    """The numbers of the processes that this user may look at."""
    found = []
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        try:
            owner = os.stat(f'/proc/{name}').st_uid
        except OSError:
            continue
        if owner == os.geteuid() or os.geteuid() == 0:
            found.append(int(name))
    return sorted(found)
