"""test_page.py HOLDER STATIC [OTHER_STATIC...]: the page of figures is found, and what is read of it is so.

STATIC are the same program with libloam.a, linked in several ways.
"""
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from target import ROOT, Noisy, account, counters, ends_in_noise, page, target
from outside.failure import Failure

HOLDER, *STATIC = sys.argv[1:]
sys.argv[1:] = []
HEADER = (ROOT / 'src/observe/figures.h').read_text()
REQUESTS = (ROOT / 'src/cache/requests.h').read_text()

# What lives beside what the program counts: libc's own blocks, headers of chunks, and ends of heaps.
BESIDE = 128 << 10

NOISES = 60


def opened(pid):
    return account.Watched(pid)


class Lists(unittest.TestCase):
    def test_the_reader_has_the_lists_of_figures_h(self):
        self.assertEqual(re.findall(r'^\tOBJECT\((\w+),', HEADER, re.M), page.OBJECTS)
        self.assertEqual(re.findall(r'^\tNUMBER\((\w+),', HEADER, re.M), page.NUMBERS)
        self.assertEqual(re.findall(r'^\tREQUEST\((\w+)\)', REQUESTS, re.M), page.REQUESTS)
        self.assertEqual(int(re.search(r'FIGURES_LAYOUT (\d+)', HEADER)[1]), page.LAYOUT)

    def test_a_layout_has_one_list(self):
        """Whoever changes the lists raises the layout, and notes here what the new one has."""
        self.assertEqual((page.LAYOUT, len(page.OBJECTS), len(page.NUMBERS), len(counters.ROWS)), (10, 22, 120, 53))


class Found(unittest.TestCase):
    def agree(self, made):
        watched = opened(made.pid)
        self.addCleanup(watched.close)
        found = watched.look()['heap']
        self.assertTrue(made.held <= found['live'] <= made.held + BESIDE, (made.held, found))
        self.assertTrue(abs(found['live'] - made.info) <= BESIDE, (made.info, found))

    def test_preloaded(self):
        with target(HOLDER) as made:
            self.agree(made)

    def test_linked_statically(self):
        for program in STATIC:
            with self.subTest(program=program), target(program, preloaded=False) as made:
                self.agree(made)

    def test_files_that_are_gone_or_replaced(self):
        with tempfile.TemporaryDirectory() as folder:
            library, program = Path(folder) / 'libloam.so', Path(folder) / 'holder'
            shutil.copy(os.environ['LOAM_SO'], library)
            shutil.copy(STATIC[0], program)
            with target(HOLDER, preloaded=False, LD_PRELOAD=str(library)) as made, \
                    target(program, preloaded=False) as static:
                library.unlink()
                program.unlink()
                library.write_text('something else')
                self.agree(made)
                self.agree(static)

    def test_files_without_sections(self):
        with tempfile.TemporaryDirectory() as folder:
            for which, source in (('libloam.so', os.environ['LOAM_SO']), ('holder', STATIC[0])):
                copy = Path(folder) / which
                subprocess.run(['strip', '--strip-all', source, '-o', copy], check=True)
                data = bytearray(copy.read_bytes())
                data[40:48] = bytes(8)       # e_shoff
                data[60:64] = bytes(4)       # e_shnum, e_shstrndx
                copy.write_bytes(data)
                copy.chmod(0o755)
            with target(HOLDER, preloaded=False, LD_PRELOAD=f'{folder}/libloam.so') as made:
                self.agree(made)
            with target(f'{folder}/holder', preloaded=False) as made:
                self.agree(made)

    def test_a_library_that_is_only_read(self):
        """Mapped as a file is, not to run: nothing of it is taken for a heap."""
        code = f'import mmap, sys; f = open({os.environ["LOAM_SO"]!r}, "rb")\n' \
               'm = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); print(1, flush=True); sys.stdin.read()'
        with subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
            reader.stdout.readline()
            with self.assertRaisesRegex(Failure, 'does not run on loam'):
                opened(reader.pid)
            reader.stdin.close()


class Damaged(unittest.TestCase):
    def refused(self, change, pattern):
        with target(HOLDER) as made:
            watched = opened(made.pid)
            address = watched.page.address
            watched.close()
            change(made, address)
            with self.assertRaisesRegex(Failure, pattern):
                opened(made.pid).look()

    def test_another_layout(self):
        self.refused(lambda made, at: made.poke(at + 8, struct.pack('<I', 77)),
                     f'layout 77, and this loam reads layout {page.LAYOUT}')

    def test_each_part_of_it(self):
        offset = page.HEAD.size
        for what, at, data in (('magic', 0, b'x'), ('size', 12, b'\1\0'), ('self', 32, b'\1'),
                               ('counters', offset, b'\xff' * 8), ('an object', offset + 16, b'\xff' * 8),
                               ('a number', offset + 8 + 8 * len(page.OBJECTS) + 5 * 4, b'\xff' * 4),
                               ('the end', page.HEAD.size + page.BODY.size, b'x')):
            with self.subTest(what=what):
                self.refused(lambda made, where, at=at, data=data: made.poke(where + at, data), 'is damaged')

    def test_any_byte_of_it(self):
        """Whatever a byte of it is, a look ends, by a Failure or not."""
        with target(HOLDER) as made:
            watched = opened(made.pid)
            address = watched.page.address
            whole = watched.process.read(address, page.NBYTES)
            watched.close()
            for at in range(0, page.NBYTES, 13):
                made.poke(address + at, bytes([whole[at] ^ 0x11 ^ at & 0xff or 0x80]))
                try:
                    opened(made.pid).look()
                except Failure:
                    pass
                made.poke(address + at, whole[at:at + 1])
            opened(made.pid).look()

    def test_what_it_leads_to(self):
        """Damaged lists and descriptors: a Failure, never a hang."""
        with target(HOLDER) as made:
            watched = opened(made.pid)
            for name in ('ring', 'caches'):
                first = struct.unpack('<Q', watched.process.read(getattr(watched.page, name), 8))[0]
                step = watched.page.arena_next if name == 'ring' else watched.page.cache_next
                for value in (first, 8, 0x7fffffffffff, (1 << 64) - 1):
                    with self.subTest(name=name, value=value):
                        was = watched.process.read(first + step, 8)
                        made.poke(first + step, struct.pack('<Q', value))
                        with self.assertRaisesRegex(Failure, 'makes no sense'):
                            watched.look()
                        made.poke(first + step, was)
            watched.look()
            watched.close()


class Nonsense(unittest.TestCase):
    def test_whatever_is_read(self):
        """A look ends soon, by a Failure or not; one in ten has no noise."""
        with target(HOLDER, 'busy') as made:
            def noise(seed):
                noisy = Noisy(made.pid, seed, rate=random.Random(seed).choice((100, 10000, 1000000)))
                noisy.is_noisy = seed % 10 != 0
                return noisy
            ends = ends_in_noise(account.Watched.look, map(noise, range(NOISES)))
        self.assertEqual(len(ends), 2)


class Ended(unittest.TestCase):
    def test_killed(self):
        with target(HOLDER) as made:
            watched = opened(made.pid)
            made.process.kill()
            made.process.wait()
            with self.assertRaisesRegex(Failure, 'has ended'):
                watched.look()
            watched.close()

    def test_a_zombie(self):
        with target(HOLDER) as made:
            watched = opened(made.pid)
            made.tell('die')
            os.waitid(os.P_PID, made.pid, os.WEXITED | os.WNOWAIT)
            with self.assertRaisesRegex(Failure, 'has ended'):
                watched.look()
            with self.assertRaisesRegex(Failure, 'has ended'):
                opened(made.pid)
            watched.close()

    def test_exec(self):
        with target(HOLDER) as made:
            watched = opened(made.pid)
            made.tell('exec /bin/cat')
            made.tell('here')
            self.assertEqual(made.process.stdout.readline(), 'here\n')
            with self.assertRaisesRegex(Failure, 'has become another program'):
                watched.look()
            opened(made.pid).close()     # cat runs on loam, too
            watched.close()


if __name__ == '__main__':
    unittest.main()
