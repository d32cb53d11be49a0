"""test_walk.py HOLDER: from top's VIRT and RES by way of pmap and smaps to `loam top`: the sums are one another's.

The kernel may be built without names of anonymous mappings; so loam's part of each is found by addresses, and by
names as well where there are any.
"""
import os
import re
import subprocess
import sys
import unittest

from target import KERNEL, account, cells, target
from outside.process import PRESENT

HOLDER, = sys.argv[1:]
sys.argv[1:] = []
KIB, MIB = 1 << 10, 1 << 20
ZEROES = 64 * KIB       # pages that were read before they were written: present, and in no RSS
PAGE = os.sysconf('SC_PAGE_SIZE')
HEAD = re.compile(r'([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)$')


class Part:
    """A mapping, as smaps has it; bytes."""

    def __init__(self, start, end, path):
        self.start, self.end, self.path, self.loams = start, end, path, 0
        self.figures = {}

    def __getattr__(self, name):
        return self.figures[name]


def smaps(pid):
    found = []
    with open(f'/proc/{pid}/smaps', encoding='utf-8') as file:
        for line in file:
            head = HEAD.match(line)
            if head:
                found.append(Part(int(head[1], 16), int(head[2], 16), head[4]))
            elif line.endswith(' kB\n'):
                name, kib, _ = line.split()
                found[-1].figures[name[:-1]] = int(kib) * KIB
    return [part for part in found if part.path != '[vsyscall]']    # counts in nothing


class Ranges(cells.MapHeap):
    """A look that remembers which resident bytes are loam's."""

    def __init__(self, process, page, until):
        self.ranges = []        # address, states of the system's pages
        super().__init__(process, page, until)

    def add_resident(self, pages, mem, nbytes):
        super().add_resident(pages, mem, nbytes)
        tagged = PAGE if pages is self.huge else 0      # the first page of a huge object is in a window as well
        self.ranges.append((mem + tagged, self.process.states(mem + tagged, nbytes - tagged)))

    def add_window(self, first, tags, states, owned, stretches):
        before = len(self.pieces)
        super().add_window(first, tags, states, owned, stretches)
        self.ranges += [(start, piece) for _, start, piece in self.pieces[before:]]


def give_to(parts, ranges):
    """Notes how many resident bytes of each mapping are loam's."""
    for start, states in ranges:
        for part in parts:
            first = max((part.start - start) // PAGE, 0)
            last = min((part.end - start) // PAGE, len(states))
            if first < last:
                part.loams += states.count(PRESENT, first, last) * PAGE


class Walk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.target = target(HOLDER)
        cls.made = cls.target.__enter__()
        cls.addClassCleanup(cls.target.__exit__, None, None, None)
        watched = account.Watched(cls.made.pid)
        cls.addClassCleanup(watched.close)
        found = watched.read(Ranges)
        cls.account = watched.tell(found)
        cls.heap, cls.kernel = cls.account['heap'], cls.account['kernel']
        cls.parts = smaps(cls.made.pid)
        give_to(cls.parts, found.ranges)

    def test_top_and_pmap(self):
        """VIRT and RES are pmap's totals."""
        said = subprocess.run(['pmap', '-x', str(self.made.pid)], capture_output=True, text=True, check=True).stdout
        virt, rss = map(int, re.search(r'^total kB +(\d+) +(\d+)', said, re.M).groups())
        shown = subprocess.run(['top', '-b', '-n', '1', '-p', str(self.made.pid), '-E', 'k', '-e', 'k'],
                               capture_output=True, text=True, check=True, env=os.environ | {'COLUMNS': '200'}).stdout
        columns = dict(zip(*(line.split() for line in shown.splitlines()[-2:])))
        self.assertEqual(int(columns['VIRT']) * KIB, self.kernel['virt'])
        self.assertEqual(int(columns['RES']) * KIB, self.kernel['rss'])
        self.assertAlmostEqual(virt * KIB, self.kernel['virt'], delta=8 * KIB)      # pmap may leave out [vsyscall] or not
        self.assertAlmostEqual(rss * KIB, self.kernel['rss'], delta=KERNEL)

    def test_pmap_and_smaps(self):
        """Its lines are smaps' mappings, whose anonymous bytes are RES without files."""
        self.assertEqual(sum(part.Size for part in self.parts), self.kernel['virt'])
        self.assertAlmostEqual(sum(part.Rss for part in self.parts), self.kernel['rss'], delta=KERNEL)
        self.assertAlmostEqual(sum(part.Anonymous for part in self.parts), self.kernel['anonymous'], delta=KERNEL)

    def test_smaps_and_loam_top(self):
        """loam's bytes of all mappings are `held`, in none more than it has; what is left is `foreign`."""
        for part in self.parts:
            self.assertLessEqual(part.loams, part.Anonymous + ZEROES, part.path)
        self.assertEqual(sum(part.loams for part in self.parts), self.heap['held'])
        self.assertGreater(self.heap['held'], 28 * MIB)
        left = sum(part.Anonymous - part.loams for part in self.parts)
        self.assertAlmostEqual(left, self.heap['foreign']['anonymous'], delta=KERNEL)

    def test_where_it_lies(self):
        """In anonymous mappings and the data segment alone; the mappings are loam's but for little."""
        mine = [part for part in self.parts if part.loams]
        for part in mine:
            self.assertTrue(part.path == '[heap]' or not part.path or part.path.startswith('[anon'), part.path)
        self.assertLess(sum(part.Anonymous - part.loams for part in mine), MIB)

    def test_names(self):
        """Where the kernel has names, each mapping with loam's names is loam's."""
        for part in self.parts:
            if part.path.startswith('[anon:loam'):
                self.assertLess(part.Anonymous - part.loams, MIB, part.path)


if __name__ == '__main__':
    unittest.main()
