#!/usr/bin/python3
"""How cost grows: the program says the same with and without the library, and the curves say what
an allocator costs.

The built programs are in bench/growth of the folder LOAM_BENCH_BUILD, the library is LOAM_SO.
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
from growth import growth  # noqa: E402
from measure.allocators import Allocator  # noqa: E402

PROGRAM = pathlib.Path(os.environ['LOAM_BENCH_BUILD'], 'bench/growth/growth')
SECONDS = 300

AXES = {
    'heap': ['--live', '4194304', '--replacements', '20000'],
    'objects': ['--count', '20000', '--replacements', '20000'],
    'threads': ['--live', '4194304', '--threads', '4', '--replacements', '20000'],
    'age': ['--live', '4194304', '--operations', '500000'],
}
BUILD_AND_STEADY = {'heap': 3, 'objects': 3, 'threads': 3, 'age': 4}    # points

REFUSED = [('', 'heap, objects, threads or age'), ('depth', 'heap, objects, threads or age'),
           ('heap --count 5', '--count'), ('heap --live 9', '--live'), ('heap --live x', 'x'),
           ('heap --threads 2', '--threads'), ('objects --count 0', '--count'),
           ('objects --replacements 0', '--replacements'), ('age --operations 1', '--operations'),
           ('threads --threads 1025', 'threads'), ('threads --threads 9 --live 999', '--live')]

GROW_REFUSED = [('--only depth', 'depth'), ('--limit-ram 4T', '4T'), ('--limit-ram 0', '0'),
                ('--allocators nosuch', 'nosuch'), ('--with x', 'NAME=FILE'),
                ('--with x=/no/such.so', '/no/such.so'), ('--output /proc/x', '/proc/x'),
                ('--no-such-option', '--no-such-option')]

# Each object is written over, or takes as much again, or ends the program after a while.
FAULTY = r'''
#include <stdlib.h>
#include <string.h>
extern void *__libc_malloc(size_t);
extern void __libc_free(void *);
void free(void *mem) { __libc_free(mem); }
void *malloc(size_t nbytes)
{
	static int calls;
	char *mem = __libc_malloc(nbytes * (WASTE + 1));
	if (WASTE)
		memset(mem + nbytes, 1, nbytes);
	if (++calls > LIFE)
		abort();
	return mem;
}
'''


def run(argv, **env):
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(('MALLOC_', 'LD_PRELOAD', 'BENCH_'))}
    return subprocess.run(list(map(str, argv)), env=clean | env, capture_output=True, text=True,
                          timeout=SECONDS)


def grow(*argv):
    return run([sys.executable, ROOT / 'bench/grow', *argv])


class ProgramTest(unittest.TestCase):
    def report(self, axis, **env):
        """Runs one point; returns what it printed and what it reported."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, 'report.json')
            done = run([PROGRAM, axis, *AXES[axis]], BENCH_REPORT=str(path), **env)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout, json.loads(path.read_text())

    def check(self, axis, report):
        build, *steady = report['points']
        self.assertEqual(len(report['points']), BUILD_AND_STEADY[axis])
        self.assertEqual(build['operations'], report['objects'])
        self.assertEqual(report['table_bytes'], 8 * report['objects'])
        for point in report['points']:
            self.assertGreater(point['ns'], 0)
            self.assertGreater(point['cpu_ns'], 0)
            self.assertGreater(point['heap_bytes'], point['live_bytes'])
        if axis != 'objects':
            self.assertAlmostEqual(build['live_bytes'] / 4194304, 1, delta=0.15)
        if axis == 'age':
            self.assertEqual(sum(point['operations'] for point in steady), 500000)

    def test_same_under_any_allocator(self):
        for axis in AXES:
            with self.subTest(axis):
                libc, libc_report = self.report(axis)
                loam, loam_report = self.report(axis, LD_PRELOAD=os.environ['LOAM_SO'])
                self.assertRegex(libc, rf'\Agrowth {axis} [0-9a-f]{{16}}\n\Z')
                self.assertEqual(libc, loam)
                self.check(axis, libc_report)
                self.check(axis, loam_report)

    def test_refuses_what_makes_no_sense(self):
        for options, word in REFUSED:
            with self.subTest(options):
                done = run([PROGRAM, *options.split()])
                line, *usage = done.stderr.splitlines()
                self.assertEqual((done.returncode, done.stdout), (2, ''))
                self.assertIn(word, line)
                self.assertTrue(line.startswith('growth: '), line)
                self.assertTrue(all(more.startswith('usage: ') for more in usage), usage)


class TurnsTest(unittest.TestCase):
    def test_allocators_take_turns_from_both_ends(self):
        point = growth.points('smoke', ['heap'])[0]
        span = dict.fromkeys(('ns', 'cpu_ns', 'operations', 'heap_bytes', 'live_bytes'), 1)
        one = mock.Mock(failure='', status=0, output='',
                        report={'threads': 1, 'points': [span, span]})
        names = []

        def measure(command, allocator):
            names.append(allocator.name)
            return one

        with mock.patch.object(growth, 'measure', measure):
            growth._rows(point, [Allocator('a'), Allocator('b')], mock.Mock())
        self.assertEqual(''.join(names), 'abbaab')


class CommandTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def library(self, waste, life):
        source = self.path / 'faulty.c'
        source.write_text(FAULTY)
        made = self.path / f'faulty-{waste}-{life}.so'
        done = run(['gcc', '-shared', '-fPIC', '-O1', '-fno-builtin', f'-DWASTE={waste}',
                    f'-DLIFE={life}', source, '-o', made])
        self.assertEqual(done.returncode, 0, done.stderr)
        return made

    def results(self, *argv, status=0):
        done = grow('--smoke', '--output', self.path / 'out', *argv)
        self.assertEqual(done.returncode, status, done.stderr)
        return json.loads((self.path / 'out/results.json').read_text()), done

    def test_all_axes(self):
        results, _ = self.results('--allocators', 'loam')
        report = (self.path / 'out/report.md').read_text()
        for axis in AXES:
            rows = [row for row in results['rows'] if row['axis'] == axis]
            self.assertEqual({row['allocator'] for row in rows}, {'glibc', 'loam'})
            self.assertGreater(len({row['x'] for row in rows}), 1)
            self.assertTrue(all(row['ns'] > 0 and row['overhead'] > 1 for row in rows))
            self.assertIn(f']({axis}.svg)', report)
            for suffix, head in (('.png', b'\x89PNG'), ('.svg', b'<?xml')):
                self.assertTrue((self.path / f'out/{axis}{suffix}').read_bytes().startswith(head))

    def test_sees_waste(self):
        made = self.library(waste=1, life=1 << 30)
        results, _ = self.results('--only', 'heap', '--allocators', 'glibc', '--with',
                                  f'wasteful={made}')
        overhead = {(row['allocator'], row['x']): row['overhead'] for row in results['rows']}
        for x in (1 << 20, 1 << 22):
            self.assertGreater(overhead['wasteful', x], overhead['glibc', x] + 0.5)

    def test_says_what_crashed(self):
        made = self.library(waste=0, life=9000)
        results, _ = self.results('--only', 'heap', '--allocators', 'glibc', '--with',
                                  f'mortal={made}', status=1)
        failures = [row for row in results['rows'] if row['failure']]
        self.assertTrue(failures)
        self.assertTrue(all(row['allocator'] == 'mortal' for row in failures))
        self.assertIn('SIGABRT', failures[0]['failure'])
        self.assertIn('failed: mortal', (self.path / 'out/report.md').read_text())

    def test_says_what_it_skips(self):
        results, done = self.results('--only', 'heap', '--allocators', 'glibc', '--limit-ram', '2M')
        self.assertEqual({row['x'] for row in results['rows']}, {1 << 20})
        self.assertEqual([skip['x'] for skip in results['skipped']], [1 << 22])
        self.assertIn('skipped heap 4 MiB', done.stderr)
        self.assertIn('4 MiB: skipped', (self.path / 'out/report.md').read_text())

    def test_output_that_cannot_be_written(self):
        """It is found before anything is measured."""
        (self.path / 'out/report.md').mkdir(parents=True)
        done = grow('--smoke', '--only', 'heap', '--allocators', 'glibc', '--output',
                    self.path / 'out')
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r'\Agrow: cannot write to .*/out/report\.md: .*\n\Z')
        self.assertFalse((self.path / 'out/results.json').exists())

    def test_refuses_what_makes_no_sense(self):
        for options, word in GROW_REFUSED:
            with self.subTest(options):
                done = grow('--smoke', *options.split())
                self.assertEqual((done.returncode, done.stdout), (2, ''))
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertIn(word, done.stderr)


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
    unittest.main()
