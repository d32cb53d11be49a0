#!/usr/bin/python3
"""The macro workloads: each runs with and without the library, and says the same.

The built programs are in bench/macro of the folder LOAM_BENCH_BUILD, the library is LOAM_SO.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'bench'))
from macro import macro

SMOKE = ['--scale', '0.01']
SECONDS = 240

# What each program refuses beside what all of them do: its options, and a word of the message.
REFUSED = {
    'larson': [('--min-size 0', '--min-size'), ('--min-size 9 --max-size 8', '--min-size'),
               ('--max-size 9999999999', '--max-size')],
    'threadtest': [('--size 0', '--size')],
    'xmalloc': [('--size 7', '--size'), ('--threads 513', '--threads')],
    'shbench': [('--share 2', '--share')],
    'cache_scratch': [('--size 0', '--size')],
    'cache_thrash': [('--size 0', '--size')],
    'thread_churn': [('--threads 513', '--threads')],
}
REFUSED_BY_ALL = [('--no-such-option 1', '--no-such-option'), ('--seed', '--seed'),
                  ('--seed x', 'x'), ('--seed -1', '-1'), ('--scale 0', 'scale'),
                  ('--scale nan', 'scale'), ('--scale 1x', '1x'), ('--threads 1025', 'threads'),
                  ('stray', 'stray')]


def run(argv, **env):
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(('MALLOC_', 'LOAM_', 'LD_PRELOAD', 'BENCH_'))}
    return subprocess.run(argv, env=clean | env, capture_output=True, text=True, timeout=SECONDS)


def program(name):
    return str(pathlib.Path(os.environ['LOAM_BENCH_BUILD'], 'bench', 'macro', name))


def programs():
    return sorted({words.split()[0] for words in macro.ROWS.values()})


class MacroTest(unittest.TestCase):
    def smoke(self, workload, **env):
        """Runs a workload once; returns what it printed and what it reported."""
        argv = workload.command(None, True).argv
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder, 'report.json')
            done = run(argv + SMOKE, BENCH_REPORT=str(report), **env)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn('ld.so', done.stderr)
            return done.stdout, json.loads(report.read_text())

    def check_report(self, report):
        times = [t for t, _ in report['live']]
        self.assertGreater(report['operations'], 0)
        self.assertGreater(report['seconds'], 0)
        self.assertGreaterEqual(report['table_bytes'], 0)
        self.assertGreater(len(times), 0)
        self.assertEqual(times, sorted(times))
        self.assertLess(times[-1] - times[0], report['seconds'] + 1)  # the sampler may be late
        self.assertGreaterEqual(report['peak_live_bytes'], max(b for _, b in report['live']))
        self.assertGreater(report['peak_live_bytes'], 0)

    def test_same_under_any_allocator(self):
        for workload in macro.WORKLOADS:
            with self.subTest(workload.name):
                libc, libc_report = self.smoke(workload)
                loam, loam_report = self.smoke(workload, LD_PRELOAD=os.environ['LOAM_SO'])
                self.assertRegex(libc, r'\A[a-z_]+ [0-9a-f]{16}\n\Z')
                self.assertEqual(libc, loam)
                self.check_report(libc_report)
                self.check_report(loam_report)
                self.assertEqual(libc_report['operations'], loam_report['operations'])

    def test_seed_decides(self):
        first, again, other = (run([program('larson'), *SMOKE, '--seed', seed]).stdout
                               for seed in ('1', '1', '2'))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_refuses_what_makes_no_sense(self):
        for name in programs():
            for options, word in REFUSED_BY_ALL + REFUSED.get(name, []):
                with self.subTest(f'{name} {options}'):
                    done = run([program(name), *SMOKE, *options.split()])
                    line, *usage = done.stderr.splitlines()
                    self.assertEqual(done.returncode, 2)
                    self.assertEqual(done.stdout, '')
                    self.assertIn(word, line)
                    self.assertTrue(line.startswith(f'{name}: '), line)
                    self.assertTrue(all(more.startswith('usage: ') for more in usage), usage)

    def test_report_that_cannot_be_written(self):
        done = run([program('glibc_simple'), *SMOKE], BENCH_REPORT='/no/such/folder/report')
        self.assertEqual(done.returncode, 2)
        self.assertIn('/no/such/folder/report', done.stderr.splitlines()[-1])

    def test_every_program_is_in_the_table_and_explains_itself(self):
        sources = [path for path in macro.FOLDER.glob('*.c') if 'int main(' in path.read_text()]
        self.assertEqual(sorted(path.stem for path in sources), programs())
        for workload in macro.WORKLOADS:
            with self.subTest(workload.name):
                self.assertRegex(workload.why, r'^[A-Z].+[.?] Matters to .+')
                self.assertRegex(workload.source, r'\b(19|20)\d\d\b')
                self.assertNotIn('\n', workload.why + workload.source)

    def test_published_workloads_are_described_in_their_group(self):
        text = (ROOT / 'docs/performance/workloads.md').read_text()
        for group in 'tuned', 'judged':
            section = text.partition(f'\n## {group.capitalize()} on\n')[2].partition('\n## ')[0]
            rows = re.findall(r'^\| ([\w-]+) \|', section, re.M)
            self.assertEqual(rows[1:], [one.name for one in macro.GROUPS[group]])
            self.assertEqual({one.group for one in macro.GROUPS[group]}, {group})


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
    unittest.main()
