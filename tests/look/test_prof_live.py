"""test_prof_live.py STEPPED STATIC: heap profiles that begin and end in a process that runs.

STEPPED does what it is told, line by line; STATIC is the same, linked with libloam.a as a static-pie program.  How
far a figure may be off is said in test_prof.py.
"""
import collections
import contextlib
import gzip
import math
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

from target import ROOT, account, command, environment, look, page
from outside import ask

STEPPED, STATIC, *CHOSEN = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), *sys.argv[3:]
sys.argv[1:] = CHOSEN
PROF = ROOT / 'preload/look/prof'
MIB = 1 << 20
RATE = 16 << 10
WAIT = 60


def prof(*argv, status=0):
    return command(PROF, *argv, status=status)


class Stepped:
    """Runs lines of STEPPED's."""

    def __init__(self, program=STEPPED, preloaded=True, **env):
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen([program], cwd=self.folder.name, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, env=environment(preloaded, **env))
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.folder.cleanup()

    def do(self, *words):
        """What it printed before "done"."""
        self.process.stdin.write(' '.join(map(str, words)) + '\n')
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        while not said.endswith('done\n'):
            assert said, 'it ended'
            said += self.process.stdout.readline()
        return said[:-len('done\n')]

    @contextlib.contextmanager
    def calling(self):
        stop = threading.Event()

        def call():
            while not stop.is_set():
                self.do('call')
                stop.wait(0.01)

        thread = threading.Thread(target=call)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def prof(self, *argv, pid=None, status=0):
        """start or stop, which it answers in its next call."""
        with self.calling():
            return prof(pid or self.pid, *argv, '--wait', WAIT, status=status)

    def files(self):
        return os.listdir(self.folder.name)


def by_function(pid, shown='live'):
    """Bytes by function, counted once a stack."""
    sums = collections.Counter()
    for line in prof(pid, '--format', 'folded', '--show', shown).splitlines():
        names, _, nbytes = line.rpartition(' ')
        for name in set(names.split(';')):
            sums[name] += int(nbytes)
    return sums


class Case(unittest.TestCase):
    def agree(self, found, known, rate=RATE):
        for name, true in known.items():
            self.assertLessEqual(abs(found[name] - true), 5 * math.sqrt(true * rate), (name, found[name], true))


class Turns(Case):
    def test_from_the_middle_on(self):
        """What was there before is in no figure, and its free neither."""
        for program, preloaded in ((STEPPED, True), (STATIC, False)):
            with self.subTest(program=program), Stepped(program, preloaded) as made:
                made.do('hold', 'alpha', 24 * MIB)
                self.assertIn('about one sample in 16.0K', made.prof('start', '16K'))
                made.do('hold', 'beta', 24 * MIB)
                made.do('hold', 'gamma_', 12 * MIB)
                made.do('hold', 'delta', 48 * MIB)
                made.do('free', 'delta')
                made.do('free', 'alpha')
                live, allocated = by_function(made.pid), by_function(made.pid, 'allocated')
                self.agree(live, {'beta': 24 * MIB, 'gamma_': 12 * MIB, 'main': 36 * MIB, 'alpha': 0, 'delta': 0})
                self.agree(allocated, {'beta': 24 * MIB, 'gamma_': 12 * MIB, 'delta': 48 * MIB, 'alpha': 0})

    def test_stopped_it_stays_as_it_is(self):
        with Stepped() as made:
            made.prof('start', '16K')
            made.do('hold', 'beta', 24 * MIB)
            self.assertRegex(made.prof('stop'), r'^done: the profile has [\d,]+ samples')
            before = prof(made.pid, '--format', 'folded')
            made.do('free', 'beta')
            made.do('hold', 'delta', 16 * MIB)
            self.assertEqual(prof(made.pid, '--format', 'folded'), before)
            self.assertIn('until it was stopped', prof(made.pid))
            self.agree(by_function(made.pid), {'beta': 24 * MIB, 'delta': 0})

    def test_another_one_begins_anew(self):
        """At another rate: what threads counted down to a sample of the first one is not counted on."""
        with Stepped() as made:
            made.prof('start', '64G')
            made.do('hold', 'alpha', MIB)
            made.do('hold', 'beta', MIB)
            made.prof('stop')
            made.do('hold', 'gamma_', MIB)
            made.prof('start', '16K')
            for name in ('alpha', 'beta', 'gamma_'):
                made.do('free', name)
            made.do('hold', 'delta', 16 * MIB)
            self.agree(by_function(made.pid), {'delta': 16 * MIB, 'alpha': 0, 'beta': 0, 'gamma_': 0})
            made.prof('stop')
            made.prof('start')
            self.assertRegex(prof(made.pid), r': 0 in use, 0 objects; \d samples, one in 512K\n')

    def test_beside_options(self):
        """Guarded objects and a trace have their own switches of the fast path."""
        for options in ('guard=1000', 'record=trace', 'guard=1000,record=trace', 'harden=2', 'prof=1M'):
            with self.subTest(options=options), Stepped(LOAM_OPTIONS=options) as made:
                made.do('hold', 'alpha', 4 * MIB)
                if 'prof' in options:
                    self.assertIn('stop it first', made.prof('start', status=1))
                    made.prof('stop')
                made.prof('start', '16K')
                made.do('hold', 'beta', 16 * MIB)
                made.do('free', 'alpha')
                self.agree(by_function(made.pid), {'beta': 16 * MIB, 'alpha': 0})
                made.prof('stop')
                made.do('free', 'beta')
                self.agree(by_function(made.pid), {'beta': 16 * MIB})

    def test_the_hot_path_is_open_again(self):
        with Stepped() as made:
            made.prof('start')
            made.prof('stop')
            made.do('call')
            watched = account.Watched(made.pid)
            self.addCleanup(watched.close)
            with ask.Asker(watched.process, watched.page) as asker:
                self.assertEqual(asker.word(watched.page.fast_limit), watched.page.fast_granules)

    def test_no_file_is_left_that_nobody_asked_for(self):
        for env, files in (({}, []), ({'LOAM_OPTIONS': 'prof_file=mine'}, ['mine.{}.heap'])):
            with self.subTest(env=env), Stepped(**env) as made:
                made.prof('start', '16K')
                made.do('hold', 'beta', MIB)
                made.process.communicate('')
                self.assertEqual(made.files(), [name.format(made.pid) for name in files])


class UnderLoad(Case):
    def test_threads_and_a_dynamic_linker_at_work(self):
        """Started and stopped again and again: shares are right each time, and the program goes on."""
        with Stepped() as made:
            made.do('busy', 4)
            for _ in range(5):
                prof(made.pid, 'start', '64K', '--wait', WAIT)
                self.share(made)
                prof(made.pid, 'stop', '--wait', WAIT)
            self.assertIsNone(made.process.poll())
            made.do('call')

    def share(self, made):
        allocated = by_function(made.pid, 'allocated')
        while allocated['alpha'] < 64 * MIB:
            made.do('call')
            allocated = by_function(made.pid, 'allocated')
        alpha, beta = allocated['alpha'], allocated['beta']
        # A turn of each thread may have been seen in part, and a look takes a moment.
        self.assertLessEqual(abs(beta - alpha / 3), 5 * math.sqrt(2 * beta * (64 << 10)) + 8 * MIB, allocated)

    def test_a_fork(self):
        """The child has what its parent had, and ends it for itself alone."""
        with Stepped() as made:
            made.prof('start', '16K')
            made.do('hold', 'beta', 16 * MIB)
            child = int(made.do('fork'))
            made.do('hold', 'delta', 16 * MIB)
            made.prof('stop', pid=child)
            made.do('free', 'beta')
            self.agree(by_function(child), {'beta': 16 * MIB, 'delta': 16 * MIB})
            made.prof('start', '16K', pid=child)
            made.do('hold', 'gamma_', 8 * MIB)
            self.agree(by_function(child), {'beta': 0, 'delta': 0, 'gamma_': 8 * MIB})
            made.process.stdin.write('end\n')
            made.process.stdin.flush()
            self.assertEqual(made.process.stdout.readline(), 'done\n')  # the parent's, behind its fork
            self.agree(by_function(made.pid), {'beta': 16 * MIB, 'delta': 0, 'gamma_': 0})
            made.do('free', 'beta')
            self.agree(by_function(made.pid), {'beta': 0})


class Pinned(Case):
    """Few survivors of alpha pin their pages; delta fills its own."""

    def hold(self, made, nbytes, of):
        """One of so many objects of alpha's is kept."""
        made.prof('start', '1K')
        made.do('hold', 'alpha', nbytes)
        made.do('hold', 'delta', nbytes)
        made.do('thin', 'alpha', of)

    def pins(self, made, pinned):
        found = by_function(made.pid, 'pinned')
        # Some 200 samples or more of about equal shares: more than five deviations.
        self.assertLess(abs(found['alpha'] - pinned), 0.4 * pinned, (found, pinned))
        self.assertLess(found['delta'], pinned / 10, found)

    def test_slabs(self):
        with Stepped() as made:
            self.hold(made, 16 * MIB, 40)
            one = next(row for row in look(made.pid)['classes'] if row['size'] == 96)
            self.assertGreater(one['free_bytes'], 8 * MIB)
            self.pins(made, one['free_bytes'] - one['empty_bytes'])
            self.assertRegex(prof(made.pid, '--show', 'pinned'), r'[\d,]+ objects that pin [34]\.\dK;')
            self.in_files(made)

    def test_the_file_that_is_left_at_exit(self):
        """In slabs and, of what is never hot, in the chunk heap; as the reader from outside says it before."""
        for options in ('prof=1K', 'prof=1K,promote_after=65535'):
            with self.subTest(options=options), Stepped(LOAM_OPTIONS=options) as made:
                made.do('hold', 'alpha', 4 * MIB)
                made.do('hold', 'delta', 4 * MIB)
                made.do('thin', 'alpha', 20)
                live = by_function(made.pid, 'pinned')
                self.assertGreater(live['alpha'], MIB)
                made.process.communicate('')
                left = by_function(Path(made.folder.name) / f'loam.{made.pid}.heap', 'pinned')
                for name in ('alpha', 'main'):
                    self.assertLess(abs(left[name] - live[name]), live[name] / 50 + 8192, (name, left, live))

    def in_files(self, made):
        heap, packed = (Path(made.folder.name) / name for name in ('a.heap', 'a.pb.gz'))
        prof(made.pid, '-o', heap)
        prof(made.pid, '-o', packed)
        self.assertIn(b'pinned_space', gzip.decompress(packed.read_bytes()))
        self.assertEqual(prof(heap, '--format', 'folded', '--show', 'pinned'),
                         prof(made.pid, '--format', 'folded', '--show', 'pinned'))
        heap.write_text(re.sub(r' pinned .*', '', heap.read_text()))
        self.assertIn('does not say what objects pin', prof(heap, '--show', 'pinned', status=1))

    def test_chunks(self):
        """No class becomes hot: all lie in the chunk heap, an object of 96 bytes with its header."""
        with Stepped(LOAM_OPTIONS='promote_after=65535') as made:
            self.hold(made, 4 * MIB, 20)
            free = look(made.pid)['heap']['free_by_floor']['chunks']
            self.assertGreater(free, 3 * MIB)
            self.pins(made, free)

    def test_while_threads_free(self):
        """Shares of what changes meanwhile make sense or are left out."""
        with Stepped() as made:
            made.do('busy', 4)
            prof(made.pid, 'start', '16K', '--wait', WAIT)
            for _ in range(5):
                by_function(made.pid, 'pinned')
            self.assertIsNone(made.process.poll())


class Refusals(unittest.TestCase):
    def test_twice_and_without(self):
        with Stepped() as made:
            self.assertIn('is not profiled: begin it by `loam prof', prof(made.pid, status=1))
            self.assertIn('no profile is being made: start one first', made.prof('stop', status=1))
            made.prof('start')
            self.assertIn('a profile is being made: stop it first', made.prof('start', '16KiB', status=1))

    def test_one_that_rests(self):
        with Stepped() as made:
            self.assertIn('has not allocated since', prof(made.pid, 'start', '--wait', 0.2, status=3))
            made.do('call')
            made.do('hold', 'beta', 16 * MIB)
            self.assertIn('samples, one in 512K', prof(made.pid))

    def test_a_thread_of_loams_own_answers(self):
        with Stepped(LOAM_OPTIONS='background=1,decay_ms=100') as made:
            self.assertIn('done: ', prof(made.pid, 'start', '--wait', WAIT))

    def test_usage(self):
        for argv in (('start', 'much'), ('start', '0'), ('start', '65G'), ('stop', '16K'), ('dump', '16K'),
                     ('start', '-o', 'x.svg'), ('begin',)):
            prof(1, *argv, status=2)
        self.assertIn("argument RATE: 'much' is not a size, as 4096, 512K, 512KiB or 1G",
                      prof(1, 'start', 'much', status=2))

    def test_no_process_of_loams(self):
        self.assertIn('there is no process 4194303', prof(4194303, 'start', status=1))
        with Stepped(preloaded=False) as made:
            self.assertIn('does not run on loam', prof(made.pid, 'start', status=1))

    def test_another_layout(self):
        with tempfile.TemporaryDirectory() as folder:
            older = Path(folder) / 'look'
            shutil.copytree(ROOT / 'preload/look', older)
            path = older / 'outside/page.py'
            path.write_text(path.read_text().replace(f'LAYOUT = {page.LAYOUT}', 'LAYOUT = 999'))
            with Stepped() as made:
                self.assertIn('figures have layout', command(older / 'prof', made.pid, 'start', status=1))

    @unittest.skipUnless(os.geteuid() == 0, 'only root can make a program of rights')
    def test_rights_of_its_own(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            program = Path(folder) / 'stepped'
            shutil.copy(STATIC, program)
            program.chmod(0o755 | stat.S_ISUID)
            made = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd='/',
                                    user=pwd.getpwnam('nobody').pw_uid)
            made.stdin.write('call\n')
            made.stdin.flush()
            made.stdout.readline()
            said = prof(made.pid, 'start', status=1)
            made.kill()
            made.communicate()
        self.assertIn('(AT_SECURE): it takes no requests', said)

    @unittest.skipUnless(os.geteuid() == 0, 'only root can be another user')
    def test_another_user(self):
        with Stepped() as made:
            done = subprocess.run(['/usr/bin/python3', '-B', '-c', 'import os, runpy, sys; os.setuid(int(sys.argv.pop(1)));'
                                   ' sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name="__main__")',
                                   str(pwd.getpwnam('nobody').pw_uid), str(PROF), str(made.pid), 'start'],
                                  capture_output=True, text=True, check=False)
            self.assertIn('may not be looked at: it is of user root', done.stderr)
            self.assertEqual((done.returncode, done.stderr.count('\n')), (1, 1))


if __name__ == '__main__':
    unittest.main()
