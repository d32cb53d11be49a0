"""test_ctl.py HOLDER STATIC: processes do what `loam ctl` asks them for, and say what they cannot.

STATIC is the same program, linked with libloam.a.
"""
import concurrent.futures
import contextlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from target import account, ctl, environment, look, page, target
from outside import ask
from outside.failure import Failure

HOLDER, STATIC, *CHOSEN = sys.argv[1:]
sys.argv[1:] = CHOSEN
MIB = 1 << 20
KEEP = {'LOAM_OPTIONS': 'retain_floor=64M'}     # what is freed stays
KEPT = 15 * MIB         # of what the holder drops, at least
KERNEL = 1 * MIB        # what else may come into RAM or leave it meanwhile


def rss(pid):
    """By its page tables: the kernel's count in /proc/PID/status may be off."""
    return int(re.search(r'^Rss: +(\d+) kB$', Path(f'/proc/{pid}/smaps_rollup').read_text(), re.M)[1]) << 10


def bytes_of(said):
    number, unit = re.search(r'([\d.]+)([KMG]?) given back', said).groups()
    return float(number) * {'': 1, 'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}[unit]


@contextlib.contextmanager
def calling(made):
    """One that rests calls now and then, until the command has its answer."""
    stop = threading.Event()

    def call():
        while not stop.wait(0.1):
            made.do('call')

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Trim(unittest.TestCase):
    def test_gives_back(self):
        for program, preloaded in ((HOLDER, True), (STATIC, False)):
            for mode in ('rest', 'hot'):
                with self.subTest(program=program, mode=mode), \
                        target(program, mode, preloaded=preloaded, **KEEP) as made:
                    made.do('drop')
                    self.trims(made, mode)

    def trims(self, made, mode):
        """One that rests is called while ctl waits; one whose calls are all hot answers by itself."""
        before = rss(made.pid)
        with calling(made) if mode == 'rest' else contextlib.nullcontext():
            said = ctl(made.pid, 'trim', '--wait', 30)
        self.assertGreater(bytes_of(said), KEPT, said)
        self.assertAlmostEqual(before - rss(made.pid), bytes_of(said), delta=KERNEL)
        heap = look(made.pid)['heap']
        self.assertLess(heap['free'], MIB)

    def test_nothing_to_give(self):
        with target(HOLDER, 'hot') as made:
            ctl(made.pid, 'trim', '--wait', 30)
            self.assertRegex(ctl(made.pid, 'trim'), r'^done: (there was nothing to give back|[\d.]+K given back); RSS is \S+$')

    def test_a_busy_program(self):
        """Eight threads at full speed: each request is answered, and the heap stays whole."""
        with target(HOLDER, 'busy') as made:
            for _ in range(20):
                self.assertIn('done: ', ctl(made.pid, 'trim', '--wait', 30))
            self.assertIsNone(made.process.poll())

    def test_the_hot_path_is_open_again(self):
        with target(HOLDER, 'hot') as made:
            watched = account.Watched(made.pid)
            self.addCleanup(watched.close)
            with ask.Asker(watched.process, watched.page) as asker:
                open_limit = asker.word(watched.page.fast_limit)
                self.assertEqual(open_limit, watched.page.fast_granules)
                for _ in range(10):
                    asker.ask('trim')
                self.assertEqual(asker.word(watched.page.fast_limit), open_limit)
                # Shut by one who then died, when nothing was asked: it heals.
                asker.write(watched.page.fast_limit, bytes(8))
                until = time.monotonic() + 90
                while asker.word(watched.page.fast_limit) != open_limit and time.monotonic() < until:
                    time.sleep(0.01)
                self.assertEqual(asker.word(watched.page.fast_limit), open_limit)

    def test_calls_that_are_watched_stay_so(self):
        for options, limit, counted in (('perturb=7', 0, 0), ('guard=100', 1, 0), ('prof=1M', 1, 1)):
            with self.subTest(options=options), target(HOLDER, 'hot', LOAM_OPTIONS=options) as made:
                ctl(made.pid, 'trim', '--wait', 30)
                watched = account.Watched(made.pid)
                self.addCleanup(watched.close)
                with ask.Asker(watched.process, watched.page) as asker:
                    self.assertEqual(asker.word(watched.page.fast_limit), limit)
                    self.assertEqual(asker.word(watched.page.fast_limit_counted), counted * watched.page.fast_granules)


class Late(unittest.TestCase):
    def test_one_that_rests(self):
        with target(HOLDER, **KEEP) as made:
            made.do('drop')
            before = rss(made.pid)
            said = ctl(made.pid, 'trim', '--wait', 0.2, status=3)
            self.assertRegex(said, r'^loam: process \d+ \(holder\S*\) has not allocated since: it will be done at its'
                                   r' next call of malloc$')
            self.assertLess(before - rss(made.pid), KERNEL)
            made.do('call')
            self.assertGreater(before - rss(made.pid), KEPT)
            with calling(made):
                self.assertIn('done: ', ctl(made.pid, 'trim', '--wait', 30))

    def test_a_thread_of_loams_own_answers(self):
        """With background=1 one that rests answers, too."""
        options = KEEP['LOAM_OPTIONS'] + ',background=1,decay_ms=100'
        with target(HOLDER, LOAM_OPTIONS=options) as made:
            made.do('drop')
            self.assertIn('done: ', ctl(made.pid, 'trim', '--wait', 30))
            self.assertLess(look(made.pid)['heap']['free'], MIB)

    def test_what_waits_is_not_replaced(self):
        with target(HOLDER) as made:
            ctl(made.pid, 'set', 'top_pad=1M', '--wait', 0.1, status=3)
            self.assertIn('was asked for top_pad=1M before', ctl(made.pid, 'set', 'top_pad=2M', '--wait', 0.1, status=1))
            with calling(made):
                self.assertRegex(ctl(made.pid, 'set', 'top_pad=1M', '--wait', 30), r'^done: top_pad=1M; it was (128K|1M)$')

    def test_a_child_is_not_asked(self):
        """What a fork finds asked for is done by the parent alone."""
        with subprocess.Popen([HOLDER, 'rest'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, env=environment(preloaded=True)) as made:
            made.stdout.readline()
            ctl(made.pid, 'set', 'stats=exit', '--wait', 0.1, status=3)
            made.stdin.write('fork\n')
            made.stdin.flush()
            self.assertEqual(made.stdout.readline(), 'done\n')
            time.sleep(0.1)
            made.stdin.write('call\n')
            said = made.communicate()[1]
        self.assertEqual(re.findall(r'^loam: \S+, process (\d+): ', said, re.M), [str(made.pid)], said)


class Set(unittest.TestCase):
    def test_options(self):
        with target(HOLDER, 'hot') as made:
            for setting, said in (('retain_floor=64M', 'retain_floor=64M; it was 2M'), ('Verbose', 'verbose=yes; it was no'),
                                  (' stats = exit ', 'stats=exit; it was never'), ('retain_floor=8M', 'retain_floor=8M; it was 64M')):
                self.assertEqual(ctl(made.pid, 'set', setting), f'done: {said}\n')

    def test_it_holds(self):
        with target(HOLDER, 'hot') as made:
            ctl(made.pid, 'set', 'retain_floor=64M')
            made.do('drop')
            self.assertGreater(look(made.pid)['heap']['free'], KEPT)
        with target(HOLDER, 'hot') as made:
            made.do('drop')
            self.assertLess(look(made.pid)['heap']['free'], KEPT)

    def test_what_is_none(self):
        with target(HOLDER, 'hot') as made:
            for setting, said in (
                    ('arenamax=3', "set: no option 'arenamax'; did you mean 'arena_max'?"),
                    ('narenas=3', "set: no option 'narenas', which is jemalloc's; here: arena_max"),
                    ('quux=3', "set: no option 'quux'; LOAM_OPTIONS=help names them all"),
                    (os.fsdecode(b'quux=\xff'), "set: no option 'quux'; LOAM_OPTIONS=help names them all"),
                    ('arena_max=many', 'set: arena_max=many is not a number from 0 to 65536; it stays 0'),
                    ('retain_floor', 'set: retain_floor= is not a size from 0 to 64G; it stays 2M'),
                    ('harden=3', 'set: harden holds from the start of a process on: start it with LOAM_OPTIONS')):
                self.assertEqual(ctl(made.pid, 'set', setting, status=1), f'loam: {said}\n')
            self.assertIn('longer than', ctl(made.pid, 'set', 'x' * 500, status=2))


class Refused(unittest.TestCase):
    def test_usage(self):
        for argv in ((), (1,), (1, 'quux'), (1, 'set'), (1, 'trim', 'x'), (1, 'trim', '--wait', 'x'), (1, 'trim', '--json')):
            self.assertIn('loam ctl --help', ctl(*argv, status=2))

    def test_no_process_or_not_on_loam(self):
        self.assertIn('there is no process 4194303', ctl(4194303, 'trim', status=1))
        with target(HOLDER, preloaded=False) as made:
            self.assertIn('does not run on loam', ctl(made.pid, 'trim', status=1))

    def fails_while_it_waits(self, do, pattern):
        with target(HOLDER) as made:
            watched = account.Watched(made.pid)
            self.addCleanup(watched.close)
            with ask.Asker(watched.process, watched.page) as asker:
                threading.Timer(0.3, do, [made]).start()
                with self.assertRaisesRegex(Failure, pattern):
                    asker.ask('trim', wait=60)

    def test_one_that_ends(self):
        self.fails_while_it_waits(lambda made: made.process.kill(), 'has ended')

    def test_one_that_becomes_another(self):
        self.fails_while_it_waits(lambda made: made.tell('exec /bin/cat'), 'has become another program')

    @unittest.skipUnless(os.geteuid() == 0, 'only root can make a program of rights')
    def test_rights_of_its_own(self):
        """A program that gains rights takes no requests, not even root's."""
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            program = Path(folder) / 'holder'
            shutil.copy(STATIC, program)
            program.chmod(0o755 | stat.S_ISUID)
            made = subprocess.Popen([program, 'rest'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                    user=pwd.getpwnam('nobody').pw_uid)
            made.stdout.readline()
            said = ctl(made.pid, 'trim', status=1)
            made.kill()
            made.communicate()
        self.assertIn('(AT_SECURE): it takes no requests', said)

    @unittest.skipUnless(os.geteuid() == 0, 'only root can be another user')
    def test_another_user(self):
        with target(HOLDER) as made:
            done = subprocess.run(['/usr/bin/python3', '-c', 'import os, sys; os.setuid(int(sys.argv[1])); '
                                   'sys.path.insert(0, sys.argv[2]); from outside import account; account.Watched(int(sys.argv[3]))',
                                   str(pwd.getpwnam('nobody').pw_uid), str(Path(ask.__file__).parents[1]), str(made.pid)],
                                  capture_output=True, text=True, check=False)
            self.assertIn('may not be looked at', done.stderr)


class Together(unittest.TestCase):
    def test_many_who_ask(self):
        """One after the other, each of its own setting: each gets its own answer."""
        with target(HOLDER, 'hot') as made, concurrent.futures.ThreadPoolExecutor(8) as pool:
            settings = [f'top_pad={128 + i}K' for i in range(16)]
            for setting, said in zip(settings, pool.map(lambda one: ctl(made.pid, 'set', one, '--wait', 30), settings)):
                self.assertRegex(said, rf'^done: {setting}; it was \d+K$')

    def test_words_that_are_damaged(self):
        """Whatever else is written there, the process goes on."""
        with target(HOLDER, 'hot') as made:
            watched = account.Watched(made.pid)
            self.addCleanup(watched.close)
            with ask.Asker(watched.process, watched.page) as asker:
                row = watched.page.requests + watched.page.requests_of
                for filler in (b'\xff', b'=', b'a'):
                    asker.write(row, filler * watched.page.request_bytes * len(page.REQUESTS))
                    time.sleep(0.1)
                asker.write(row, bytes(watched.page.request_bytes * len(page.REQUESTS)))
            self.assertIn('done: ', ctl(made.pid, 'trim', '--wait', 30))
            self.assertIsNone(made.process.poll())


if __name__ == '__main__':
    unittest.main()
