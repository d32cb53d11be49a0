#!/usr/bin/python3
"""Tests of bench/micro: the merging, what a crash becomes, the histogram, and that rows work.

LOAM_BENCH_BUILD names a build folder with -Dbench=true; without it the tests that need the
executables are skipped.
"""
import json
import os
import pathlib
import signal
import stat
import statistics
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'bench'))
from measure.allocators import Allocator
from measure.failure import Failure
from micro import merge, micro, table

BUILD = os.environ.get('LOAM_BENCH_BUILD')
PRELOAD = pathlib.Path(BUILD) / 'preload/libloam.so' if BUILD else None

HISTOGRAM = r'''
#include <cassert>
#include "latency.h"
using micro::histogram;
int main()
{
	static histogram h, other;
	unsigned last = 0;

	for (uint64_t v = 1; v && v < UINT64_MAX / 3; v += 1 + v / 50) {
		unsigned i = histogram::index(v);
		uint64_t middle = histogram::middle(i);
		uint64_t off = middle > v ? middle - v : v - middle;

		assert(i >= last && histogram::index(middle) == i && off <= v / 64);
		last = i;
	}
	histogram::index(UINT64_MAX);
	for (uint64_t v = 1; v <= 50; v++)
		h.record(v);
	for (uint64_t v = 51; v <= 100; v++)
		other.record(v > 99 ? 1000000 : v);
	h.add(other);
	assert(h.samples() == 100 && h.largest() == 1000000);
	assert(h.quantile(0.5) == 50 && h.quantile(0.01) == 1);
	assert(h.quantile(0.99) >= 98 && h.quantile(0.99) <= 100 && h.quantile(1) >= 984375);
	h.clear();
	assert(h.samples() == 0 && h.largest() == 0);
}
'''

COUNTER = r'''
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
extern void *__libc_malloc(size_t);
extern void __libc_free(void *);
static unsigned long mallocs, frees;
void *malloc(size_t n) { mallocs += n == 16; return __libc_malloc(n); }
void free(void *p) { frees++; __libc_free(p); }
__attribute__((destructor)) static void report(void)
{
	fprintf(stderr, "counted %lu %lu\n", mallocs, frees);
}
'''


def run_of(ns, latency=None):
    """What one run of an executable with one row would write."""
    plain = {'name': 'pair/16/min_time:0.050/real_time/threads:1', 'items_per_second': 1e9 / ns}
    timed = {'name': 'pair/16/latency/iterations:9/real_time/threads:1', 'items_per_second': 1}
    context = {'operation': 'a pair', 'grain_ns': '10', 'axis:pair': 'bytes'}
    return {'context': context, 'benchmarks': [plain, timed | (latency or {})]}


def runs_of(values):
    return [merge.read(run_of(ns, {'malloc:p50': ns, 'malloc:max': 10 * ns})) for ns in values]


class Merging(unittest.TestCase):
    def setUp(self):
        self.runs = {'glibc': runs_of([20, 21, 22, 90, 21]), 'fast': runs_of([10, 11, 10, 10, 50]),
                     'same': runs_of([21, 20, 90, 22, 21]), 'broken': 'crashed'}
        self.rows = {row['allocator']: row for row in merge.rows_of('pair', self.runs, 'glibc')}

    def test_medians(self):
        row = self.rows['glibc']
        self.assertEqual((row['row'], row['series'], row['x'], row['axis']),
                         ('pair/16', 'pair', 16, 'bytes'))
        for key, value in (('ns', 21), ('low', 20), ('high', 90)):
            self.assertAlmostEqual(row[key], value)
        self.assertEqual(row['latency']['malloc'], {'p50': 21, 'max': 210})

    def test_ratios(self):
        fast = self.rows['fast']
        middle_half = statistics.geometric_mean([10 / 20, 11 / 21, 10 / 22])
        self.assertAlmostEqual(fast['to_baseline']['ratio'], middle_half)
        self.assertEqual(self.rows['glibc']['best_other'], 'fast')
        self.assertAlmostEqual(self.rows['glibc']['to_best_other']['ratio'], 1 / middle_half)

    def test_verdicts(self):
        self.assertIn('within the noise of glibc', self.rows['same']['verdict'])
        runs = {'glibc': runs_of([20] * 5), 'fast': runs_of([10] * 5), 'slow': runs_of([30] * 5)}
        said = {row['allocator']: row['verdict'] for row in merge.rows_of('pair', runs, 'glibc')}
        self.assertEqual(said['fast'], '2.00x faster than glibc')
        self.assertEqual(said['slow'], '1.50x slower than glibc, 3.00x slower than fast')
        self.assertEqual(said['glibc'], '2.00x slower than fast')

    def test_failure_is_shown_and_not_averaged(self):
        rows = list(self.rows.values())
        text = table.markdown(rows, {name: '' for name in self.runs}, {})
        self.assertEqual(self.rows['broken']['failure'], 'crashed')
        self.assertIn('**pair under broken: crashed.**', text)
        self.assertIn('| pair | 1.00 | 0.49 | 1.00 | failed |', text)

    def test_percentile_that_a_round_lacks_is_left_out(self):
        runs = [merge.read(run_of(1, {'free:p50': 1, 'free:p99.99': 2})),
                merge.read(run_of(1, {'free:p50': 3}))]
        row, = merge.rows_of('pair', {'glibc': runs}, 'glibc')
        self.assertEqual(row['latency'], {'free': {'p50': 2}})

    def test_row_that_a_round_lacks_has_failed(self):
        context, _ = runs_of([1])[0]
        row, = merge.rows_of('pair', {'glibc': [*runs_of([1]), (context, {})]}, 'glibc')
        self.assertEqual(row['failure'], 'missing in a round')
        self.assertNotIn('ns', row)

    def test_result_is_json(self):
        self.assertEqual(json.loads(json.dumps(list(self.rows.values()))),
                         list(self.rows.values()))


class Running(unittest.TestCase):
    """With shell scripts in the place of executables."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = pathlib.Path(folder.name)
        (self.build / 'bench/micro').mkdir(parents=True)
        built = mock.patch.object(micro.build, 'built', return_value=self.build)
        built.start()
        self.addCleanup(built.stop)

    def script(self, body):
        path = self.build / 'bench/micro/hot_pair'
        path.write_text(f'#!/bin/sh\n{body}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def rows(self):
        good, bad = Allocator('glibc'), Allocator('bad', options={'BAD': '1'})
        with mock.patch.object(micro, 'Progress'):
            made = micro.run([good, bad], True, self.build / 'out', only=['hot_pair'])
        return {row['allocator']: row for row in made}

    def test_crash_is_that_allocators_alone(self):
        (self.build / 'said').write_text(json.dumps(run_of(5, {'malloc:p50': 1})))
        self.script(f'''[ "$BAD" ] && kill -SEGV $$
            for i; do case $i in --benchmark_out=*) cp {self.build}/said "${{i#*=}}"; esac; done''')
        rows = self.rows()
        self.assertEqual(rows['bad']['failure'], 'crashed with SIGSEGV in round 1')
        self.assertAlmostEqual(rows['glibc']['ns'], 5)
        self.assertIn('crashed with SIGSEGV', (self.build / 'out/report.md').read_text())
        self.assertTrue((self.build / 'out/hot_pair.png').stat().st_size > 1000)

    def test_last_words_are_kept(self):
        self.script('echo no memory for 16 bytes >&2; exit 1')
        self.assertEqual(self.rows()['glibc']['failure'],
                         'ended with status 1 (no memory for 16 bytes) in round 1')

    def test_allocators_take_turns_from_both_ends(self):
        names = []

        def one(_, allocator, arguments):
            names.append(allocator.name)
            return runs_of([1])[0]

        with mock.patch.object(micro, '_one', one):
            micro._alternate('hot_pair', [Allocator('a'), Allocator('b')], True, mock.Mock())
        self.assertEqual(''.join(names), 'abba' * (micro.QUICK_ROUNDS // 2))

    def test_an_executable_without_rows_is_no_result(self):
        with self.assertRaisesRegex(Failure, 'hot_pair cannot be run: No such file'):
            micro._listed('hot_pair')
        self.script('exit 3')
        with self.assertRaisesRegex(Failure, 'lists no rows: it ended with status 3'):
            micro._listed('hot_pair')


class Command(unittest.TestCase):
    def fails(self, *arguments):
        done = subprocess.run([sys.executable, ROOT / 'bench/micro/micro.py', *arguments],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr.count('\n'), 1, done.stderr)
        return done.stderr

    def test_bad_use_gets_a_clear_line(self):
        self.assertIn('--with nothing: give NAME=FILE', self.fails('--with', 'nothing'))
        self.assertIn('nosuch', self.fails('--allocators', 'nosuch'))
        self.assertIn('/no/file.so', self.fails('--allocators', '', '--with', 'x=/no/file.so'))
        self.assertIn('nosuch', self.fails('--only', 'nosuch'))
        self.assertIn('--no-such-option', self.fails('--no-such-option'))

    def test_output_that_cannot_be_written(self):
        """It is found before anything is measured."""
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, 'report.md').mkdir()
            for output in ('/proc/x', folder):
                said = self.fails('--allocators', 'glibc', '--only', 'hot_pair', '--quick',
                                  '--output', output)
                self.assertIn(f'cannot write to {output}/report.md', said)


class Compiled(unittest.TestCase):
    def compile(self, compiler, source, *arguments):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        out = pathlib.Path(folder.name) / 'out'
        subprocess.run([compiler, '-O1', '-o', out, *arguments, '-'], input=source, text=True,
                       check=True)
        return out

    def test_histogram(self):
        program = self.compile('g++', HISTOGRAM, '-std=gnu++17', '-I', ROOT / 'bench/micro',
                               '-x', 'c++')
        subprocess.run([program], check=True)

    @unittest.skipUnless(BUILD, 'LOAM_BENCH_BUILD is not set')
    def test_no_call_is_optimised_away(self):
        counter = self.compile('gcc', COUNTER, '-shared', '-fPIC', '-fno-builtin', '-x', 'c')
        done = subprocess.run([f'{BUILD}/bench/micro/hot_pair', '--quick',
                               '--benchmark_filter=^hot_pair/16/', '--benchmark_format=json'],
                              env=os.environ | {'LD_PRELOAD': str(counter)},
                              capture_output=True, text=True, check=True)
        loops = sum(one['iterations'] for one in json.loads(done.stdout)['benchmarks'])
        mallocs, frees = (int(n) for n in done.stderr.split('counted ')[1].split())
        self.assertGreaterEqual(mallocs, loops)
        self.assertGreaterEqual(frees, loops)

    @unittest.skipUnless(BUILD, 'LOAM_BENCH_BUILD is not set')
    def test_every_row_works(self):
        allocators = [Allocator('glibc'), Allocator('loam', PRELOAD)]
        self.assertGreaterEqual(micro.smoke(allocators), 2 * 10 * len(micro.NAMES))


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
    unittest.main()
