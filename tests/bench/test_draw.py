#!/usr/bin/python3
"""Workloads drawn at random: the same work under any allocator, and what is said of many.

The built program is in bench/drawn of the folder LOAM_BENCH_BUILD, the library is LOAM_SO.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'bench'))
from drawn import drawn
from measure import allocators, session
from measure.failure import Failure
from measure.workload import CommandWorkload

PROGRAM = os.path.join(os.environ['LOAM_BENCH_BUILD'], 'bench/drawn/drawn')
SEEDS = range(1, 41)
RUN = range(1, 25)
SCALE = ['--scale', '0.01']
SECONDS = 240

# What any of the seeds must draw: each value of each property.
DRAWN = ['one size', 'few sizes', 'log-uniform sizes', 'small sizes', 'mixed sizes',
         'powers of two and a bit', 'a stack', 'first in, first out', 'random lives', 'generations',
         'phases', 'bulks', 'forward', 'backward', 'scattered', '1 thread,', '2 threads',
         '16 threads', 'each its own', 'next thread', 'a pool', 'calloc 100%', 'realloc 50%',
         'aligned to', 'both ends', 'a byte a page', 'half of it', 'all of it', 'steady',
         'in bursts;', 'with rests']
REFUSED = [('--no-such-option 1', '--no-such-option'), ('--seed x', 'x'), ('--describe 2', '--describe'),
           ('--threads 1000', '--threads'), ('stray', 'stray')]
DRAW_REFUSED = [('--seeds 5-1', '5-1'), ('--seeds x', 'x'), ('--seeds 1,', '1,'),
                ('--seeds 1 --rounds 2', '2 rounds are too few'), ('--rounds x', 'x'),
                ('--seeds 1 --allocators nosuch', 'nosuch'),
                ('--seeds 1 --allocators glibc', 'one allocator is nothing'),
                ('--seeds 1 --allocators loam --of tbb', '--of tbb'),
                ('--seeds 1 --with x', 'NAME=FILE'),
                ('--seeds 1 --allocators loam --output /proc/x', '/proc/x'),
                ('--no-such-option', '--no-such-option')]

# Hands out memory that is in use; is not aligned; calloc's memory is not zero; realloc forgets.
FAULTY = r'''
#include <stddef.h>
#include <string.h>
extern void *__libc_malloc(size_t);
extern void *__libc_memalign(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);
static char shared[8 << 20];
void free(void *mem)
{
	if (mem < (void *)shared || mem >= (void *)(shared + sizeof shared))
		__libc_free(mem);
}
void *malloc(size_t n) { return OVERLAPS ? shared : __libc_malloc(n); }
void *calloc(size_t n, size_t m) { return memset(__libc_malloc(n * m), DIRTY, n * m); }
void *realloc(void *old, size_t n)
{
	char *mem = __libc_realloc(old, n);
	mem[0] ^= FORGETS;
	return mem;
}
int posix_memalign(void **mem, size_t alignment, size_t n)
{
	*mem = (char *)__libc_memalign(alignment, n + ASKEW) + ASKEW;
	return 0;
}
'''


def run(argv, **env):
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(('MALLOC_', 'LOAM_OPTIONS', 'LD_PRELOAD', 'BENCH_'))}
    return subprocess.run(list(map(str, argv)), env=clean | env, capture_output=True, text=True,
                          timeout=SECONDS)


def draw(*argv):
    return run([sys.executable, ROOT / 'bench/draw', *argv])


def seed_that_draws(*words):
    return next(seed for seed in range(1, 1000)
                if all(word in drawn.text_of(seed) for word in words))


class ProgramTest(unittest.TestCase):
    def done(self, seed, *more, **env):
        """What a seed prints, and what it reports."""
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder, 'report.json')
            done = run([PROGRAM, '--seed', seed, *SCALE, *more], BENCH_REPORT=str(report), **env)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout, json.loads(report.read_text())

    def test_same_work_under_any_allocator(self):
        for seed in RUN:
            with self.subTest(seed=seed):
                libc, libc_report = self.done(seed)
                loam, loam_report = self.done(seed, LD_PRELOAD=os.environ['LOAM_SO'])
                self.assertRegex(libc, r'\A[^\n]+\ndrawn [0-9a-f]{16}\n\Z')
                self.assertEqual(libc, loam)
                self.assertGreater(libc_report['operations'], 0)
                if 'each its own' in libc:
                    self.assertEqual(libc_report['operations'], loam_report['operations'])

    def test_seed_decides(self):
        first, again, other = (self.done(seed)[0] for seed in (5, 5, 6))
        self.assertEqual(first, again)
        self.assertNotEqual(first.splitlines()[0], other.splitlines()[0])
        self.assertNotEqual(first.splitlines()[1], other.splitlines()[1])

    def test_scale_leaves_what_is_drawn(self):
        small, large = (self.done(5, '--scale', scale) for scale in ('0.01', '0.02'))
        self.assertEqual(small[0].splitlines()[0], large[0].splitlines()[0])
        self.assertLess(small[1]['operations'], large[1]['operations'])

    def test_each_value_of_each_property_is_drawn(self):
        texts = [drawn.text_of(seed) for seed in SEEDS]
        for word in DRAWN:
            self.assertTrue(any(word in text for text in texts), word)

    def test_live_is_what_is_said(self):
        """Within half: bursts and stacks are seldom full."""
        seed = seed_that_draws('random lives', '1 thread,', 'steady', 'small sizes')
        said = float(drawn.text_of(seed).partition(' MiB')[0].split()[-1])
        self.assertAlmostEqual(self.done(seed, '--scale', '1')[1]['peak_live_bytes'] / 2**20,
                               said, delta=said / 2)

    def test_refuses_what_makes_no_sense(self):
        for options, word in REFUSED:
            with self.subTest(options):
                done = run([PROGRAM, *SCALE, *options.split()])
                line, *usage = done.stderr.splitlines()
                self.assertEqual((done.returncode, done.stdout), (2, ''))
                self.assertIn(word, line)
                self.assertTrue(all(more.startswith('usage: ') for more in usage), usage)


class CheckTest(unittest.TestCase):
    """Blocks that an allocator spoils are found."""

    def found(self, seed, **faults):
        flags = {'OVERLAPS': 0, 'DIRTY': 0, 'FORGETS': 0, 'ASKEW': 0} | faults
        with tempfile.TemporaryDirectory() as folder:
            library = pathlib.Path(folder, 'libfaulty.so')
            subprocess.run(['cc', '-O2', '-fno-builtin', '-shared', '-fPIC', '-x', 'c', '-',
                            '-o', library, *(f'-D{name}={value}' for name, value in flags.items())],
                           input=FAULTY, text=True, check=True)
            return run([PROGRAM, '--seed', seed, *SCALE], LD_PRELOAD=str(library))

    def refused(self, message, seed, **faults):
        done = self.found(seed, **faults)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f'drawn: {message}', done.stderr)

    def test_overlap(self):
        seed = seed_that_draws('realloc 0%', 'random lives', '1 thread,')
        self.refused('a block was overwritten', seed, OVERLAPS=1)

    def test_calloc(self):
        self.refused('calloc gave', seed_that_draws('calloc 100%', '1 thread,'), DIRTY=1)

    def test_realloc(self):
        self.refused('realloc did not keep', seed_that_draws('realloc 50%', '1 thread,'), FORGETS=1)

    def test_alignment(self):
        self.refused('a block is not aligned', seed_that_draws('aligned to', '1 thread,'), ASKEW=8)

    def test_none(self):
        seed = seed_that_draws('realloc 12%', 'calloc 25%', '1 thread,')
        self.assertEqual(self.found(seed).returncode, 0)


class RankingTest(unittest.TestCase):
    def results(self, times):
        """Of times, {seed: {allocator: seconds}}, as if measured three times."""
        names = list(dict.fromkeys(name for row in times.values() for name in row))
        ones = [CommandWorkload(f'seed-{seed}', f'What {seed} drew.', '', None) for seed in times]
        results = session.Results([allocators.Allocator(name) for name in names], ones)
        for seed, row in times.items():
            for name, time in row.items():
                results.runs[f'seed-{seed}', name] = [
                    mock.Mock(time=time * noise, peak=time * noise) for noise in (1, 1.01, 0.99)]
        return results

    def test_worst_first_and_to_the_best(self):
        results = self.results({1: {'glibc': 4, 'loam': 2, 'mi': 2},
                                2: {'glibc': 4, 'loam': 3, 'mi': 2},
                                3: {'glibc': 1, 'loam': 2, 'mi': 5}})
        rows = drawn.ranking(results, 'loam', 'time')
        self.assertEqual([(row.workload.name, row.peer, round(row.ratio.value, 3)) for row in rows],
                         [('seed-3', 'glibc', 2), ('seed-2', 'mi', 1.5), ('seed-1', 'mi', 1)])
        self.assertEqual(rows[0].to_baseline, None)
        self.assertAlmostEqual(rows[1].to_baseline.value, 0.75)
        self.assertAlmostEqual(drawn.mean_to_best(results, 'loam', 'time').value, 3 ** (1 / 3))
        text = drawn.behind(results, 'loam')
        self.assertLess(text.index('seed-3: 2.000 ['), text.index('seed-2: 1.500 ['))
        self.assertIn('of mi, 0.750 of glibc. What 2 drew.', text)

    def test_what_failed_is_left_out(self):
        results = self.results({1: {'glibc': 4, 'loam': 2, 'mi': 1},
                                2: {'glibc': 4, 'loam': 2, 'mi': 1}})
        results.failures = [session.Failed('seed-1', 'mi', 'crashed'),
                            session.Failed('seed-2', 'loam', 'crashed')]
        [row] = drawn.ranking(results, 'loam', 'time')
        self.assertEqual((row.workload.name, row.peer), ('seed-1', 'glibc'))
        self.assertIn(' (1 of 2)\n', drawn.behind(results, 'loam'))

    def test_seeds(self):
        self.assertEqual(drawn.seeds_of('3-5,1,4'), [3, 4, 5, 1])
        self.assertRaises(Failure, drawn.seeds_of, '1-99999')


class CommandTest(unittest.TestCase):
    def test_report(self):
        with tempfile.TemporaryDirectory() as folder:
            done = draw('--quick', '--seeds', '3,5', '--allocators', 'loam', '--output', folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            text = pathlib.Path(folder, 'report.md').read_text()
            results = json.loads(pathlib.Path(folder, 'results.json').read_text())
        self.assertEqual(results['failures'], [])
        for metric in 'time', 'peak':
            rows = results['behind']['loam'][metric]
            self.assertEqual({row['workload'] for row in rows}, {'seed-3', 'seed-5'})
            self.assertEqual({row['peer'] for row in rows}, {'glibc'})
            ratios = [row['ratio']['value'] for row in rows]
            self.assertEqual(ratios, sorted(ratios, reverse=True))
        for said in text, done.stdout:
            self.assertIn('loam beside the best other, seed by seed', said)
            self.assertIn(drawn.text_of(5), said)
            self.assertIn('geometric mean', said)

    def test_list(self):
        done = draw('--seeds', '2,1', '--list')
        self.assertEqual(done.stdout.splitlines(),
                         [f'seed-{seed}: {drawn.text_of(seed)}' for seed in (2, 1)])

    def test_refuses_what_makes_no_sense(self):
        for options, word in DRAW_REFUSED:
            with self.subTest(options):
                done = draw(*options.split())
                self.assertEqual((done.returncode, done.stdout), (2, ''))
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertIn(word, done.stderr)


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
    unittest.main()
