"""test_top.py HOLDER STATIC: what `loam top` says of processes, and how it ends where it cannot.

STATIC is the same program, linked with libloam.a.
"""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path
from unittest import mock

from target import KERNEL, ROOT, TOP, Refused, account, is_first_of_root, look, page, target, top
from outside import screen, text, words

HOLDER, STATIC, *CHOSEN = sys.argv[1:]
sys.argv[1:] = CHOSEN
MIB = 1 << 20
SMALL = SMALL_CLASS = 96
BESIDE = 128 << 10      # libc's own blocks, headers of chunks, ends of heaps
LOOKS = 100


def small_class(found):
    return next(one for one in found['classes'] if one['size'] == SMALL_CLASS)


class Figures(unittest.TestCase):
    def test_of_a_program_at_rest(self):
        for program, preloaded in ((HOLDER, True), (STATIC, False)):
            with self.subTest(program=program), target(program, preloaded=preloaded) as made:
                found = look(made.pid)
                heap, small = found['heap'], small_class(found)
                self.assertTrue(made.held <= heap['live'] <= made.held + BESIDE, (made.held, heap['live']))
                self.assertEqual(found['huge'], {'count': 1, 'nbytes': made.huge})
                # The first of a class, before it is promoted, are chunks.
                self.assertTrue(made.small - 64 <= small['in_use'] <= made.small + 8, (made.small, small))
                self.assertGreater(small['free_bytes'] + small['cached'] * SMALL_CLASS, 6 * made.small * SMALL)
                self.assertEqual(found['left_out'], 0)
                self.assertEqual(sum(small['fills']), small['slabs'])
                self.assertRegex(found['words'], rf'free in slabs of {SMALL_CLASS} bytes, whose pages survivors pin')

    def adds_up(self, found):
        heap, kernel = found['heap'], found['kernel']
        self.assertEqual(heap['held'],
                         heap['live_in_ram'] + heap['cached'] + heap['free'] + heap['metadata'])
        self.assertEqual(heap['live'], heap['live_in_ram'] + heap['untouched'])
        self.assertAlmostEqual(heap['held'] + sum(heap['foreign'].values()), kernel['rss'], delta=KERNEL)
        self.assertTrue(heap['held'] <= heap['mapped'] <= kernel['virt'], found)
        self.assertEqual(heap['free'], sum(heap['free_by_floor'].values()))
        self.assertEqual(heap['live'], sum(heap['live_by_floor'].values()))
        self.assertEqual(heap['live_in_ram'], sum(heap['in_ram_by_floor'].values()))
        by_class = sum(one['live'] for one in found['classes'])
        self.assertEqual(heap['live_by_floor']['slabs'], by_class)
        by_arena = sum(one['live'] for one in found['arenas'])
        self.assertEqual(by_arena, heap['live_by_floor']['slabs'] + heap['live_by_floor']['chunks'] + heap['cached'])

    def test_they_add_up(self):
        with target(HOLDER) as made:
            self.adds_up(look(made.pid))

    def test_what_is_not_touched(self):
        code = 'import mmap, ctypes, sys; c = ctypes.CDLL(None); c.malloc.restype = ctypes.c_void_p\n' \
               'c.malloc(ctypes.c_size_t(100 << 20)); [c.malloc(ctypes.c_size_t(30000)) for i in range(500)]\n' \
               'print(1, flush=True); sys.stdin.read()'
        with subprocess.Popen(['/usr/bin/python3', '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=os.environ | {'LD_PRELOAD': os.environ['LOAM_SO']}) as made:
            made.stdout.readline()
            found = look(made.pid)
            made.stdin.close()
        self.adds_up(found)
        self.assertAlmostEqual(found['heap']['untouched'], 100 * MIB + 500 * 30000, delta=4 * MIB)
        self.assertIn('of it never touched', found['words'])
        heap = found['heap']    # what stands behind `live` adds up to it
        line = next(line for line in text.summary(found) if line.startswith('  live'))
        self.assertRegex(line, rf' {re.escape(text.size(heap["live_in_ram"]))}  slabs .*; 1\d\dM more are not in RAM$')
        self.assertNotIn(f'huge {text.size(heap["live_by_floor"]["huge"])}', line)
        for one in found['classes']:    # of what is in RAM no more than all is in use
            self.assertLessEqual(one['percent'], 100, one)

    def test_a_busy_program(self):
        """Eight threads at full speed: no look fails, and what they hold is seen, within what is on its way."""
        with target(HOLDER, 'busy') as made:
            watched = account.Watched(made.pid)
            self.addCleanup(watched.close)
            worst, first = 0, watched.look()
            for _ in range(LOOKS):
                found = watched.look()
                self.adds_up(found)
                worst = max(worst, abs(found['heap']['live'] - made.held))
            print(f'{LOOKS} looks, {made.held} bytes held: seen within {worst}')
            self.assertLessEqual(worst, made.held / 20)
            names = {row['name'] for row in found['threads']}
            self.assertLessEqual({f'churn-{i}' for i in range(1, 9)}, names)
            for name, count in found['counters'].items():
                self.assertGreaterEqual(count, first['counters'][name], name)
            self.assertEqual(found['rates'].keys(), {*found['counters'], 'live'})


class Words(unittest.TestCase):
    HEAP = {'held': 100 * MIB, 'live': 90 * MIB, 'untouched': 0, 'cached': 0, 'free': 10 * MIB, 'metadata': MIB,
            'free_by_floor': {'slabs': 10 * MIB, 'chunks': 0, 'runs': 0, 'blocks': 0, 'huge': 0},
            'foreign': {'anonymous': 0}}

    def say(self, classes=(), rates=None, **heap):
        return words.tell({'heap': self.HEAP | heap, 'classes': list(classes), 'rates': rates or {}})

    def test_nothing_to_see(self):
        self.assertEqual(self.say(), '100 MiB held for 90.0 live: hardly anything is free.')

    def test_survivors(self):
        classes = [{'size': size, 'free_bytes': nbytes * MIB, 'empty_bytes': 0}
                   for size, nbytes in ((16, 10), (64, 120), (80, 130), (96, 130), (4096, 10))]
        said = self.say(classes, held=612 * MIB, live=190 * MIB,
                        free_by_floor=self.HEAP['free_by_floor'] | {'slabs': 400 * MIB})
        self.assertEqual(said, '612 MiB held for 190 live: 380 free in slabs of 64 to 96 bytes,'
                               ' whose pages survivors pin.')

    def test_empty_slabs(self):
        classes = [{'size': 64, 'free_bytes': 50 * MIB, 'empty_bytes': 40 * MIB}]
        said = self.say(classes, free_by_floor=self.HEAP['free_by_floor'] | {'slabs': 50 * MIB})
        self.assertIn('50.0 free in slabs of 64 bytes, most of them empty and kept for reuse', said)

    def test_each_floor(self):
        for floor, part in words.WHY.items():
            self.assertIn(f'60.0 free {part}',
                          self.say(free_by_floor=self.HEAP['free_by_floor'] | {floor: 60 * MIB}))

    def test_growth(self):
        self.assertIn('live grows by 3.0 MiB a second', self.say(rates={'live': 3 * MIB}))
        self.assertIn('live shrinks by 3.0 MiB a second', self.say(rates={'live': -3 * MIB}))


class Command(Refused, unittest.TestCase):
    run_command = staticmethod(top)

    def test_plain_text(self):
        with target(HOLDER) as made:
            for said in (top(made.pid, '--once'), top(made.pid)):      # no terminal
                lines = said.splitlines()
                self.assertRegex(lines[0], rf'^holder\S* \({made.pid}\) of \S+, loam [\d.]+, 1 thread, 1 arena$')
                self.assertRegex(lines[1], r'^[\d.]+ MiB held for [\d.]+ live: .*\.$')
                for pattern in (r'^VIRT \S+ \(\S+ of it loam.s\) +RSS \S+', r'^  live ', r'^  foreign ', r'^SIZE  SLABS', r'^ARENA ',
                                r'^THREAD '):
                    self.assertRegex(said, re.compile(pattern, re.M))

    def test_all_processes(self):
        with target(HOLDER) as made, target(STATIC, preloaded=False) as static:
            rows = top('--once')
            for pid in (made.pid, static.pid):
                self.assertRegex(rows, re.compile(rf'^ *{pid} ', re.M))
            found = {one['pid']: one for one in json.loads(top('--json'))}
            self.assertEqual(found[made.pid]['name'], Path(HOLDER).name[:15])
            self.assertTrue(found[static.pid]['heap']['live'] >= static.held)

    def test_by_name(self):
        with tempfile.TemporaryDirectory() as folder:
            program = shutil.copy(HOLDER, Path(folder) / 'one-of-a-name')
            with target(program) as made:
                self.assertIn(f'({made.pid})', top('one-of-a-name', '--once'))
                with target(program) as other:
                    said = top('one-of-a-name', '--once', status=1)
                    self.assertIn('2 processes are called one-of-a-name: name one by its number', said)
                    self.assertIn(str(other.pid), said)

    def test_refusals(self):
        self.refused('there is no process no-such-name that', 'no-such-name')
        self.refused('there is no process \u00b2 that', '\u00b2')
        self.refused(r'unrecognized arguments: --bad \(loam top --help', '--bad', status=2)
        for word in ('0', 'x', 'nan'):
            self.refused(f"argument --interval: '{word}' is not a number of seconds from 0.1 to 3600", '--interval', word,
                         status=2)

    def test_another_layout(self):
        with target(HOLDER) as made:
            watched = account.Watched(made.pid)
            address = watched.page.address
            watched.close()
            made.poke(address + 8, struct.pack('<I', 77))
            self.refused(rf'process {made.pid} \(holder\S*\) runs on loam [\d.]+, whose figures have layout 77,', made.pid)
            made.poke(address + 8, struct.pack('<I', page.LAYOUT))
            made.poke(address, b'x')
            self.refused(r'the page of figures of process .* is damaged', made.pid)

    def test_of_another_user(self):
        """As nobody, of a process of root's; as another user, of the first process."""
        if os.geteuid() != 0:
            if not is_first_of_root():
                self.skipTest('process 1 is not of root')
            self.refused('process 1 .* may not be looked at: it is of user root', 1)
            return
        with tempfile.TemporaryDirectory() as folder, target(HOLDER) as made:
            os.chmod(folder, 0o755)
            shutil.copytree(ROOT / 'preload/look', Path(folder) / 'look')
            command = ['/usr/bin/python3', f'{folder}/look/top']
            done = subprocess.run([*command, str(made.pid)], user=65534, cwd='/', capture_output=True, text=True)
            self.assertEqual(done.returncode, 1, done)
            self.assertRegex(done.stderr, rf'^loam: process {made.pid} \(holder.*\) may not be looked at:'
                                          r' it is of user root: ask as that user, or as root\n$')
            done = subprocess.run([*command, '--once'], user=65534, cwd='/', capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ''))


class Terminal:
    """`loam top` in a terminal of its own."""

    def __init__(self, *argv, term='xterm', lines=40, columns=130, **more):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execve(TOP, [TOP, *map(str, argv)], os.environ | {'TERM': term} | more)
        self.resize(lines, columns)

    def resize(self, lines, columns):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack('HHHH', lines, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def press(self, keys):
        os.write(self.terminal, keys.encode())

    def shows(self, *patterns, seconds=90):
        """Waits until all of these were drawn since the last call."""
        seen, until = '', time.monotonic() + seconds
        while not all(re.search(pattern, seen) for pattern in patterns):
            left = until - time.monotonic()
            assert left > 0 and select.select([self.terminal], [], [], left)[0], f'{patterns} not in {seen!r}'
            try:
                seen += re.sub(r'\x1b[\[(][\d;?]*[A-Za-z]', ' ', os.read(self.terminal, 1 << 16).decode())
            except OSError:
                raise AssertionError(f'it ended: {seen}') from None
        return seen

    def end(self):
        """What it said last, and its exit status."""
        said = b''
        while True:
            try:
                part = os.read(self.terminal, 1 << 16)
            except OSError:
                break
            if not part:
                break
            said += part
        os.close(self.terminal)
        return said.decode(), os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Colours(unittest.TestCase):
    def test_what_is_little_is_no_alarm(self):
        shown = mock.Mock(has_colours=True)
        with mock.patch('curses.color_pair', side_effect=lambda pair: pair):
            for row, pair in (({'percent': 3, 'free_bytes': 40 * MIB}, screen.RED), ({'percent': 3, 'free_bytes': 4000}, 0),
                              ({'percent': 50, 'free_bytes': 40 * MIB}, screen.RED + 1), ({'percent': 90, 'free_bytes': 40 * MIB}, 0),
                              ({'percent': 3, 'free': 40 * MIB}, screen.RED), ({'cached': 3}, 0)):
                self.assertEqual(screen.Screen.style_of(shown, row), pair, row)


class Keys(unittest.TestCase):
    def test_one_that_comes_while_processes_are_looked_at_counts(self):
        shown = mock.Mock(pressed=[])
        shown.window.getch.side_effect = [ord('\r'), -1, ord('s')]
        for n in range(2):
            screen.Screen.tell_progress(shown, n, 2)
        self.assertEqual([screen.Screen.next_key(shown, 1) for _ in range(2)], [ord('\r'), ord('s')])


class Lists(unittest.TestCase):
    def test_a_library_that_is_written_over_between_two_looks(self):
        """Where its page of figures lies is not remembered."""
        shown = mock.Mock(watched=None)
        for _ in range(2):
            screen.Screen.look(shown)
        first, second = (call.args[0] for call in shown.all_accounts.call_args_list)
        self.assertIsNot(first, second)


class Live(unittest.TestCase):
    def test_a_process(self):
        for term in ('xterm', 'vt100'):
            with self.subTest(term=term), target(HOLDER, 'busy') as made:
                terminal = Terminal(made.pid, '--interval', '0.2', term=term)
                terminal.shows('loam top: holder', 'held for', 'VIRT', 'metadata', 'size classes', 'WASTE', 'a second:')
                terminal.press('a')
                terminal.shows('arenas, by', 'CHUNK')
                terminal.press('\r')
                terminal.shows('size classes of arena')
                terminal.press('\x1b')
                terminal.press('t')
                terminal.shows('threads, by', r'churn-\d')
                terminal.press('>r<')
                terminal.shows('rising')
                terminal.press('c')
                terminal.shows('size classes, by RES')
                terminal.press('\n')
                terminal.shows('by the share of their objects')
                terminal.press('h')
                terminal.shows('look more often')
                terminal.press(' ')
                terminal.resize(5, 20)
                terminal.resize(1, 1)
                terminal.resize(30, 100)
                terminal.shows('loam top')
                terminal.press('q')
                self.assertEqual(terminal.end()[1], 0)

    def test_terminals_that_cannot(self):
        with target(HOLDER) as made:
            said, status = Terminal(made.pid, term='no-such-terminal').end()
            self.assertRegex(said, r'^loam: this terminal cannot show it .*: use --once\r\n$')
            self.assertEqual(status, 1)
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, 'curses.py').write_text("raise ModuleNotFoundError(name='_curses')\n")
                for argv in ((made.pid,), ()):
                    said, status = Terminal(*argv, PYTHONPATH=folder).end()
                    self.assertEqual(said, 'loam: the live view needs module _curses of Python: install it, or use --once\r\n')
                    self.assertEqual(status, 1)
            said, status = Terminal(made.pid, term='dumb').end()
            self.assertRegex(said, r'^holder.*\r\n.* held for ')
            self.assertEqual(status, 0)

    def test_the_list(self):
        with target(HOLDER) as made:
            terminal = Terminal('--interval', '0.5')
            terminal.shows('processes on loam', 'PID', str(made.pid))
            for _ in range(20):     # the first of the list may be another test's, and end meanwhile
                terminal.press('\r')
                if 'size classes, by RES' in terminal.shows(r'size classes, by RES|process \d+ \(|no process \d+'):
                    break
            else:
                self.fail('no process could be looked into')
            terminal.press('\x1b')
            terminal.shows('processes on loam')
            terminal.press('q')
            self.assertEqual(terminal.end()[1], 0)

    def test_it_ends_meanwhile(self):
        with target(HOLDER) as made:
            terminal = Terminal(made.pid, '--interval', '0.2')
            terminal.shows('held for')
            made.process.kill()
            made.process.wait()
            said, status = terminal.end()
            self.assertRegex(said, rf'loam: process {made.pid} \(holder\S*\) has ended\r\n$')
            self.assertEqual(status, 1)

    def test_exec(self):
        """Of a program on loam to another one on loam: the view goes on."""
        with target(HOLDER) as made:
            terminal = Terminal(made.pid, '--interval', '0.2')
            terminal.shows('loam top: holder')
            made.tell('exec /bin/cat')
            terminal.shows('cat')
            terminal.press('q')
            self.assertEqual(terminal.end()[1], 0)


if __name__ == '__main__':
    unittest.main()
