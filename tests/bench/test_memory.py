#!/usr/bin/python3
"""The memory workloads: each runs with and without the library, says the same, and reports figures
that make sense; and what is said of the figures.

The built programs are in bench/memory of the folder LOAM_BENCH_BUILD, the library is LOAM_SO.
"""
import json
import math
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
from measure import figures, plots, report, stats  # noqa: E402
from measure.figures import Figure, Value  # noqa: E402
from memory import memory  # noqa: E402

SMOKE = ['--scale', '0.01']
SECONDS = 240
MIB = 2**20

# Rows that the system may refuse to run.
MAY_BE_REFUSED = ('locked', 'huge-pages')
# What each program refuses: its options, and a word of the message.
REFUSED = {
    'survivors': [('--even 2', '--even'), ('--pick 3', '--pick'), ('--other 2', '--other')],
    'drift': [('--spread 10001', '--spread')],
    'idle_pool': [('--together 2', '--together')],
    'lru_cache': [('--phases 2', '--phases')],
    'limited': [('--live 0', '--live'), ('--live 9 --limit 8', '--limit'),
                ('--address 2', '--address'), ('--rising 2', '--rising')],
    'forked': [('--write 2', '--write')],
}
REFUSED_BY_ALL = [('--no-such-option 1', '--no-such-option'), ('--seed', '--seed'),
                  ('--scale 0', 'scale'), ('--threads 1025', 'threads')]

# Takes and touches as much again for each object, or frees nothing.
FAULTY = r'''
#include <stdlib.h>
#include <string.h>
extern void *__libc_malloc(size_t);
extern void __libc_free(void *);
void free(void *mem) { if (!HOARDS) __libc_free(mem); }
void *malloc(size_t nbytes)
{
	char *mem = __libc_malloc(nbytes * (WASTES + 1));
	if (mem && WASTES)
		memset(mem + nbytes, 1, nbytes);
	return mem;
}
'''


def run(argv, **env):
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(('MALLOC_', 'LOAM_', 'LD_PRELOAD', 'BENCH_'))}
    return subprocess.run(list(map(str, argv)), env=clean | env, capture_output=True, text=True,
                          timeout=SECONDS)


def program(name):
    return pathlib.Path(os.environ['LOAM_BENCH_BUILD'], 'bench', 'memory', name)


def programs():
    return sorted({row.words.split()[0] for row in memory.ROWS.values()})


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def reported(self, *argv, **env):
        """Runs a program; returns what it printed and what it reported."""
        file = self.folder / 'report.json'
        done = run(argv, BENCH_REPORT=str(file), **env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn('ld.so', done.stderr)
        return done.stdout, json.loads(file.read_text())

    def library(self, wastes=0, hoards=0):
        made = self.folder / f'faulty-{wastes}-{hoards}.so'
        subprocess.run(['gcc', '-shared', '-fPIC', '-O1', '-fno-builtin', f'-DWASTES={wastes}',
                        f'-DHOARDS={hoards}', '-x', 'c', '-', '-o', made], input=FAULTY, text=True,
                       check=True)
        return str(made)


class ProgramTest(Case):
    def smoke(self, workload, **env):
        return self.reported(*workload.command(None, True).argv, *SMOKE, **env)

    def check(self, workload, told):
        found = told['figures']
        if found.get('refused'):
            self.assertIn(workload.name, MAY_BE_REFUSED)
            return
        run = mock.Mock(report=told)
        for figure in workload.figures:
            one = figures.value(figure, [run])
            self.assertIsNotNone(one, figure.name)
            self.assertTrue(math.isfinite(one.value), figure.name)
            self.assertGreaterEqual(one.value, 0, figure.name)
        self.check_memory(found)
        for points in told['live'], told.get('bound', []):
            times = [t for t, _ in points]
            self.assertEqual(times, sorted(times))

    def check_memory(self, found):
        """Objects do not overlap, and all their pages were written."""
        if 'live' in found:
            self.assertGreater(found['live'], 0)
            self.assertGreaterEqual(found['bound'], found['live'])
        if 'idle' in found and 'bound' in found and 'full' not in found:
            self.assertGreaterEqual(found['idle'], found['bound'])
        if 'mean_live' in found:
            self.assertGreater(found['mean_live'], 0)
            self.assertGreaterEqual(found['mean_resident'] + MIB, found['mean_live'])
        if 'finished' in found:
            self.assertLessEqual(found['finished'], found['phases'])

    def test_same_under_any_allocator(self):
        for workload in memory.WORKLOADS:
            with self.subTest(workload.name):
                libc, libc_report = self.smoke(workload)
                loam, loam_report = self.smoke(workload, LD_PRELOAD=os.environ['LOAM_SO'])
                self.assertRegex(libc, r'\A[a-z_]+ [0-9a-f]{16}\n\Z')
                self.assertEqual(libc, loam)
                self.check(workload, libc_report)
                self.check(workload, loam_report)
                self.assertEqual(libc_report['figures'].get('live'),
                                 loam_report['figures'].get('live'))

    def test_refuses_what_makes_no_sense(self):
        for name in programs():
            for options, word in REFUSED_BY_ALL + REFUSED.get(name, []):
                with self.subTest(f'{name} {options}'):
                    done = run([program(name), *SMOKE, *options.split()])
                    line, *usage = done.stderr.splitlines()
                    self.assertEqual((done.returncode, done.stdout), (2, ''))
                    self.assertIn(word, line)
                    self.assertTrue(line.startswith(f'{name}: '), line)
                    self.assertTrue(all(more.startswith('usage: ') for more in usage), usage)

    def test_every_program_is_in_the_table_and_explains_itself(self):
        sources = [path for path in memory.FOLDER.glob('*.c') if 'int main(' in path.read_text()]
        self.assertEqual(sorted(path.stem for path in sources), programs())
        for workload in memory.WORKLOADS:
            with self.subTest(workload.name):
                self.assertRegex(workload.why, r'^[A-Z].+[.?] Matters to .+')
                self.assertRegex(workload.source, r'\b(19|20)\d\d\b')
                self.assertTrue(workload.figures)


class MeasuredTest(Case):
    """The figures see what they are about."""

    def figures(self, name, *options, **env):
        return self.reported(program(name), *options, **env)[1]['figures']

    def test_survivors_are_a_tenth_and_trim_gives_back(self):
        found = self.figures('survivors', '--scale', '0.05')
        self.assertAlmostEqual(found['live'] / (0.1 * 0.05 * 1024 * MIB), 1, delta=0.3)
        self.assertLess(found['trim'], found['idle'] / 2)

    def test_chance_needs_more_pages_than_runs_do(self):
        random, runs = (self.figures('survivors', *SMOKE, '--even', '1', '--pick', pick)
                        for pick in ('0', '1'))
        self.assertGreater(random['bound'] / random['live'], 2 * runs['bound'] / runs['live'])

    def test_waste_is_seen(self):
        options = '--threads', '4', *SMOKE
        plain, waste = (self.figures('small_threads', *options, **env)
                        for env in ({}, {'LD_PRELOAD': self.library(wastes=1)}))
        self.assertEqual(plain['live'], waste['live'])
        self.assertGreater(waste['idle'], plain['idle'] + 0.8 * plain['live'])

    def test_the_mean_sees_what_is_hoarded(self):
        plain, hoard = (self.figures('json_trees', '--scale', '0.1', **env)
                        for env in ({}, {'LD_PRELOAD': self.library(hoards=1)}))
        self.assertEqual(plain['mean_live'], hoard['mean_live'])
        self.assertGreater(hoard['mean_resident'], 1.3 * plain['mean_resident'])

    def test_the_limit_holds(self):
        options = '--live', '10', '--limit', '24'
        plain, hoard = (self.figures('limited', *options, **env)
                        for env in ({}, {'LD_PRELOAD': self.library(hoards=1)}))
        self.assertGreater(plain['finished'], hoard['finished'])
        self.assertLessEqual(hoard['finished'], 2)
        self.assertTrue(hoard['killed'] or hoard['refused_memory'])
        self.assertEqual(bool(hoard['killed']), bool(hoard['grouped']))

    def test_no_cgroup_is_left(self):
        run([program('limited'), *SMOKE])
        self.assertEqual(list(pathlib.Path('/sys/fs/cgroup').glob('**/loam-bench-*')), [])

    def test_refill_sees_what_no_other_size_gets(self):
        plain = [self.figures('refill', '--scale', '0.1') for _ in range(4)]
        hoard = self.figures('refill', '--scale', '0.1', LD_PRELOAD=self.library(hoards=1))
        self.assertGreater(max(one['least'] for one in plain), 0.9)     # where mappings lie is chance
        self.assertLess(hoard['mean'], 0.3)

    def test_a_child_that_frees_nothing_copies_nothing(self):
        options = '--scale', '0.02'
        plain, hoard = (self.figures('forked', *options, **env)
                        for env in ({}, {'LD_PRELOAD': self.library(hoards=1)}))
        self.assertGreater(plain['faults'], 1000)
        self.assertLess(hoard['faults'], 100)


LEAST = Figure('size, MiB', lambda f: f['size'], lambda f: 2 * f['scale'])
MOST = Figure('share', lambda f: f['share'], lambda f: 1, more=True)


def results_of(**reports):
    """A session of one workload; reports are the figures by allocator, None where it failed."""
    runs = {name: [mock.Mock(report={'figures': found, 'scale': 0.5})] if found is not None else []
            for name, found in reports.items()}
    workload = mock.Mock(figures=(LEAST, MOST))
    workload.name = 'row'
    allocators = []
    for name in reports:
        allocators.append(mock.Mock())
        allocators[-1].name = name
    return mock.Mock(workloads=[workload], allocators=allocators,
                     measurements=lambda workload, name: runs[name],
                     failed=lambda workload, name: None if runs[name] else 'crashed')


class FiguresTest(unittest.TestCase):
    def test_of_goal(self):
        self.assertEqual(Value(3, 2).of_goal, 1.5)
        self.assertEqual(Value(0.5, 1, more=True).of_goal, 2)
        self.assertEqual(Value(0, 1, more=True).of_goal, math.inf)
        self.assertIsNone(Value(3).of_goal)

    def test_table(self):
        results = results_of(glibc={'size': 1.5, 'share': 0.5}, loam={'refused': 1}, other=None,
                             silent={})
        self.assertEqual(figures.rows(results, results.workloads), [
            ['', 'goal', 'glibc', 'loam', 'other', 'silent'],
            ['row: size, MiB', '1.00', '1.50 (1.50)', 'refused', 'failed', '-'],
            ['row: share', '1.00', '0.50 (2.00)', 'refused', 'failed', '-']])

    def test_verdict(self):
        results = results_of(glibc={'size': 1, 'share': 0.5}, loam={'size': 1})
        self.assertEqual(figures.verdict(results, 'glibc'), 'glibc meets 1 of 2 goals.')
        self.assertEqual(figures.verdict(results, 'loam'),
                         'loam meets 1 of 1 goals; 1 were not measured.')

    def test_one_round_is_the_middle(self):
        self.assertTrue(stats.Rounds.once().enough(1, [], 0))
        self.assertFalse(stats.Rounds.once().enough(0, [], 0))

    def test_goals_are_drawn_where_nothing_was_reached(self):
        results = results_of(glibc={'size': 1, 'share': 0}, loam={'refused': 1})
        with mock.patch.object(plots, 'save') as save:
            report._draw_goals(results, 'path')
        [axes] = save.call_args.args[0].axes
        texts = [text.get_text() for text in axes.texts]
        self.assertIn(f'{report.FARTHEST:.2f} →', texts)
        self.assertEqual(texts.count('failed'), 2)

    def test_the_bound_is_drawn_for_each_allocator(self):
        points = [[7 + i / 10, MIB] for i in range(11)]
        one = mock.Mock(start=7, wall=1, samples=points, report={'live': points, 'bound': points})
        with mock.patch.object(plots, 'save') as save:
            plots.memory('path', 'title', {'glibc': one, 'loam': one})
        [axes] = save.call_args.args[0].axes
        dotted = [line for line in axes.lines
                  if line.get_linestyle() == ':' and len(line.get_xdata())]
        self.assertEqual(len(dotted), 2)
        self.assertIn('pages bound', axes.get_legend_handles_labels()[1])


class RowsTest(unittest.TestCase):
    """What the rows make of what a program reports, where this system may not run it."""

    def test_huge_pages_that_are_kept(self):
        def kept(whole, huge):
            return figures.value(figure, [mock.Mock(report={
                'figures': {'small': MIB, 'small_live': MIB, 'live': 8 * MIB, 'activity': 9 * MIB,
                            'whole': whole, 'huge': huge}})]).of_goal
        [figure] = [one for one in memory.HUGE if one.name.startswith('in huge pages')]
        self.assertLessEqual(kept(4 * MIB, 4 * MIB), 1)
        self.assertGreater(kept(4 * MIB, 2 * MIB), 1.9)
        self.assertLessEqual(kept(0, 0), 1)

    def test_goals_follow_the_scale_and_the_bound(self):
        def goal(name, **report):
            workload = next(one for one in memory.WORKLOADS if one.name == name)
            figure = next(one for one in workload.figures if one.goal)
            return figure.goal(report)
        self.assertEqual(goal('fork-free', scale=0.2), 500)
        self.assertAlmostEqual(goal('survivors-random', bound=20 * MIB, live=10 * MIB), 2.5)
        self.assertEqual(goal('limited-1', phases=6), 6)


class CompareTest(Case):
    def test_set(self):
        done = subprocess.run([ROOT / 'bench/compare', '--set', 'threads-1,huge-pages', '--quick',
                               '--allocators', 'glibc,loam', '--output', self.folder / 'out'],
                              capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = (self.folder / 'out/report.md').read_text()
        results = json.loads((self.folder / 'out/results.json').read_text())
        for text in done.stdout, told:
            self.assertRegex(text, r'threads-1: RSS over live a thread, KiB +\| +150 \| +\d+ \(\d')
            self.assertRegex(text, r'loam meets \d of \d+ goals')
            self.assertNotIn('geometric mean', text)
        self.assertTrue((self.folder / 'out/goals.svg').exists())
        self.assertTrue((self.folder / 'out/memory-threads-1.svg').exists())
        one = results['figures']['threads-1']['loam']['RSS over live a thread, KiB']
        self.assertGreater(one['value'], 0)
        self.assertEqual(one['goal'], 150)


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
    unittest.main()
