#!/usr/bin/python3
"""Processors are simulated: a program and an allocator of which all figures are known.

Arguments: the program ping_pong, the library locked_malloc.  The tracer is in bench/scaling of the
folder LOAM_BENCH_BUILD, the library is LOAM_SO.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ['LOAM_BENCH_BUILD'])
TRACER = BUILD / 'bench/scaling/scale'
PING_PONG, LOCKED_MALLOC = sys.argv[1:3]
SECONDS = 300
NOT_PERMITTED = 77


def trace(library, *options, program=(PING_PONG,), mark=''):
    """What the tracer says of a run: (exit status, figures, message)."""
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(('MALLOC_', 'LOAM_', 'LD_', 'BENCH_'))}
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder, 'figures')
        preload = ['-l', library, '-e', f'LD_PRELOAD={library}'] if library else []
        done = subprocess.run([TRACER, '-o', output, *preload, '-e', f'BENCH_MARK={mark}',
                               '-e', 'LD_BIND_NOW=1', *options, '--', *program], env=clean,
                              capture_output=True, text=True, timeout=SECONDS,
                              stdin=subprocess.DEVNULL)
        figures = json.loads(output.read_text()) if output.exists() else {}
    return done.returncode, figures, done.stderr


def moved(figures, part):
    return figures[part]['near'] + figures[part]['far']


class ScalingTest(unittest.TestCase):
    def traced(self, *args, **more):
        status, figures, message = trace(*args, **more)
        self.assertEqual(status, 0, message)
        self.assertTrue(figures['enough'])
        return figures

    def test_what_is_passed_moves(self):
        """A pass is two calls, and moves the line of `whose` and that of the lock once each."""
        figures = self.traced(LOCKED_MALLOC, '-w', '200', '-n', '4000')
        passes = figures['operations'] / 2
        self.assertAlmostEqual(moved(figures, 'program'), passes, delta=4)
        self.assertAlmostEqual(moved(figures, 'own'), passes, delta=4)
        self.assertEqual(figures['unknown'], 0)

    def test_what_is_locked_is_counted(self):
        figures = self.traced(LOCKED_MALLOC, '-w', '200', '-n', '4000')
        (lock,) = [lock for lock in figures['locks'] if lock['acquisitions'] > 1]
        self.assertAlmostEqual(lock['acquisitions'], figures['operations'], delta=2)
        self.assertAlmostEqual(figures['atomics'], figures['operations'], delta=2)
        self.assertEqual(lock['waits'], 0)
        self.assertLess(lock['held'], figures['time'])
        self.assertGreater(lock['held'], 0)

    def test_an_allocator_without_locks(self):
        figures = self.traced(None, '-w', '200', '-n', '4000')
        self.assertEqual(figures['locks'], [])
        self.assertEqual(moved(figures, 'allocator'), 0)

    def test_instructions_are_executed_as_the_processor_does(self):
        for library in None, LOCKED_MALLOC, os.environ['LOAM_SO']:
            with self.subTest(library):
                self.traced(library, '-v', '-w', '20', '-n', '60')
        larson = [BUILD / 'bench/macro/larson', '--threads', '2', '--scale', '0.01']
        self.traced(os.environ['LOAM_SO'], '-v', '-w', '50', '-n', '100', program=larson,
                    mark=50_000)

    def test_the_mark_comes_when_each_thread_has_done_so_much(self):
        """The main thread fills the tables; then the second thread does 8,040 operations."""
        larson = [BUILD / 'bench/macro/larson', '--threads', '2', '--scale', '0.0001']
        for mark, status in (5_000, -signal.SIGTRAP), (20_000, 0):
            done = subprocess.run(larson, env={'BENCH_MARK': str(mark)}, capture_output=True,
                                  timeout=SECONDS)
            self.assertEqual(done.returncode, status, mark)

    def test_the_program_is_told_of_the_processors(self):
        for program in ['nproc', '--all'], ['nproc'], ['getconf', '_NPROCESSORS_ONLN']:
            done = subprocess.run([TRACER, '-o', '/dev/null', '-p', '96', '--', *program],
                                  capture_output=True, text=True, timeout=SECONDS)
            self.assertEqual(done.stdout, '96\n', done.stderr)
            self.assertIn('ended before its mark', done.stderr)

    def test_trouble_is_said(self):
        for options, word in [(('-n', 'x'), 'x is no number'), (('-p', '0'), 'usage')]:
            status, _, message = trace(None, *options)
            self.assertEqual(status, 2)
            self.assertIn(word, message)
        status, _, message = trace(None, program=['/no/such'])
        self.assertEqual(status, 2)
        self.assertIn('/no/such', message)

    def test_the_command(self):
        argv = [ROOT / 'bench/scale', '--quick', '--threads', '2', '--allocators', 'loam',
                'threadtest', '--causes']
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([*argv, '--output', folder], capture_output=True, text=True,
                                  timeout=SECONDS)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            rows = json.loads(pathlib.Path(folder, 'results.json').read_text())['rows']
        self.assertEqual([row['allocator'] for row in rows], ['glibc', 'loam'])
        self.assertIn('| loam | ', done.stdout)
        for options, word in [('--threads 1', '--threads 1'), ('nosuch', 'nosuch'),
                              ('--with x', 'NAME=FILE'), ('--allocators nosuch', 'nosuch')]:
            done = subprocess.run([ROOT / 'bench/scale', *options.split()], capture_output=True,
                                  text=True, timeout=SECONDS)
            self.assertEqual(done.returncode, 2)
            self.assertIn(word, done.stderr)


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
    if trace(None, '-w', '1', '-n', '10')[0] == NOT_PERMITTED:
        print('skipped: ptrace or a filter of system calls is not permitted here')
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
