"""test_at_exit.py HOLDER: what is printed when a process ends, however it does."""
import os
import re
import signal
import subprocess
import sys
import unittest

from target import ROOT, environment

HOLDER, *CHOSEN = sys.argv[1:]
sys.argv[1:] = CHOSEN
LAUNCHER = ROOT / 'preload/loam'
PYTHON = '/usr/bin/python3'
FIRST = r'^loam: (\S+), process (\d+): ([\d.]+) MiB in use, [\d.]+ free and kept, [\d.]+ metadata; the process holds ' \
        r'[\d.]+ MiB \(RSS\), at most [\d.]+$'
LINES = 7
HELD = 30       # MiB that the programs hold
ROUNDS = 150

HOLD = f'import ctypes, os, signal, sys, threading, time; ctypes.CDLL(None).malloc(ctypes.c_size_t({HELD} << 20)); '


def run(*argv, stats=True, **env):
    return subprocess.run([LAUNCHER, 'run', *(['--stats'] if stats else []), *argv], capture_output=True, text=True,
                          env=environment(False, **env), timeout=240, check=False)


class Traced(unittest.TestCase):
    """loam run --stats."""

    def says(self, code, status, held=HELD):
        done = run(PYTHON, '-c', HOLD + 'print(os.getpid(), flush=True); ' + code)
        pid = done.stdout.split()[0]
        lines = [line for line in done.stderr.splitlines() if line.startswith('loam: ')]
        self.assertEqual(len(lines), LINES, done.stderr)
        program, said, in_use = re.search(FIRST, lines[0]).groups()
        self.assertEqual((said, os.path.basename(program)), (pid, os.path.basename(os.path.realpath(PYTHON))))
        self.assertAlmostEqual(float(in_use), held, delta=6)
        self.assertEqual(done.returncode, status, done.stderr)

    def test_ways_to_end(self):
        for code, status in (('sys.exit(3)', 3), ('os._exit(4)', 4), ('ctypes.CDLL(None).quick_exit(5)', 5), ('pass', 0),
                             ('os.kill(os.getpid(), signal.SIGTERM)', -signal.SIGTERM), ('os.abort()', -signal.SIGABRT),
                             ('signal.signal(signal.SIGTERM, lambda *_: os._exit(6)); os.kill(os.getpid(), signal.SIGTERM)', 6)):
            with self.subTest(code=code):
                self.says(code, status)

    def test_a_thread_that_ends_it(self):
        self.says('threading.Thread(target=lambda: os._exit(8)).start(); time.sleep(30)', 8)

    def test_a_first_thread_that_ended_before(self):
        """As by pthread_exit(): the kernel calls the process a zombie then, while another thread allocates."""
        self.says('threading.Thread(target=lambda: (time.sleep(0.2), ctypes.CDLL(None).malloc(ctypes.c_size_t(20 << 20)),'
                  f' os._exit(8))).start(); ctypes.CDLL(None).syscall({60 if os.uname().machine == "x86_64" else 93}, 0)', 8,
                  HELD + 20)

    def test_threads_that_end_before(self):
        self.says('[threading.Thread(target=int).start() for _ in range(50)]; time.sleep(0.2); os._exit(9)', 9)

    def test_children_are_their_own(self):
        self.says('os.fork() or os._exit(1); os.wait(); os._exit(2)', 2)

    def test_killed(self):
        done = run(PYTHON, '-c', 'import os; os.kill(os.getpid(), 9)')
        self.assertEqual(done.returncode, -signal.SIGKILL)
        self.assertTrue(re.fullmatch(r'loam: process \d+ was killed: nothing could be read at its end\n', done.stderr)
                        or done.stderr.count('loam: ') == LINES, done.stderr)

    def test_signals_are_passed_on(self):
        code = 'import os, signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(11)); ' \
               'print("ready", flush=True); time.sleep(30)'
        with subprocess.Popen([LAUNCHER, 'run', '--stats', PYTHON, '-c', code], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=environment(False)) as made:
            self.assertEqual(made.stdout.readline(), 'ready\n')
            made.terminate()
            said = made.communicate(timeout=240)[1]
        self.assertEqual(made.returncode, 11, said)
        self.assertIn('MiB in use', said)

    def test_what_is_ignored_stays_ignored(self):
        """As under nohup, or in the background of a shell that waits for nothing."""
        code = 'import signal; print([s.name for s in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)' \
               ' if signal.getsignal(s) is signal.SIG_IGN])'
        done = subprocess.run(['sh', '-c', 'trap "" HUP INT; exec "$@"', 'sh', LAUNCHER, 'run', '--stats', PYTHON, '-c', code],
                              capture_output=True, text=True, env=environment(False), timeout=240, check=True)
        self.assertEqual(done.stdout, "['SIGHUP', 'SIGINT']\n")

    def test_without_loam_in_it(self):
        done = run('env', '-u', 'LD_PRELOAD', PYTHON, '-c', 'pass')
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r'^loam: process \d+ \(\S+\) does not run on loam: [^\n]*\n$')

    def test_no_program(self):
        self.assertEqual(run('/nowhere/at-all').returncode, 127)


class Option(unittest.TestCase):
    """stats=exit."""

    def test_quick_exit(self):
        done = run(PYTHON, '-c', HOLD + 'ctypes.CDLL(None).quick_exit(5)', stats=False, LOAM_OPTIONS='stats=exit')
        self.assertEqual(done.returncode, 5)
        self.assertEqual(done.stderr.count('loam: '), LINES, done.stderr)

    def test_what_was_freed_is_looked_at_by_quick_exit_too(self):
        code = 'import ctypes; c = ctypes.CDLL(None); c.malloc.restype = ctypes.c_void_p; ' \
               'm = c.malloc(ctypes.c_size_t(1000)); c.free(ctypes.c_void_p(m)); ctypes.memset(m + 500, 1, 1); '
        for end in ('c.quick_exit(0)', 'sys.exit(0)'):
            done = run(PYTHON, '-c', 'import sys; ' + code + end, stats=False, LOAM_OPTIONS='harden=2')
            self.assertEqual(done.returncode, -signal.SIGABRT, done.stderr)
            self.assertIn('write after free', done.stderr)

    def test_from_a_handler_that_interrupted_a_call(self):
        """It never waits for what the interrupted call holds; all lines are there."""
        for _ in range(ROUNDS):
            done = subprocess.run([HOLDER, 'interrupted'], capture_output=True, text=True, timeout=240, check=False,
                                  env=environment(True, LOAM_OPTIONS='stats=exit'))
            self.assertEqual(done.returncode, 7, done.stderr)
            self.assertEqual(done.stderr.count('loam: '), LINES, done.stderr)
            self.assertRegex(done.stderr, re.compile(FIRST, re.M))
            self.assertNotIn(' 0 regions', done.stderr)


if __name__ == '__main__':
    unittest.main()
