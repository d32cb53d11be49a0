"""Replays made-up traces: the counts, the order, the checks, and what is said of bad traces.

test_replay.py REPLAY COUNT_CALLS [LIBRARY ...]: the replayer, the library that counts calls, and
allocators to replay under beside libc's.  bench/replay is tested where LOAM_BENCH_BUILD names a
build.
"""
import json
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import trace_writer
from commands import loaded
from trace_writer import ALIGNED, CALLOC, FREE, MALLOC, REALLOC, Program, Writer

REPLAY, COUNT_CALLS, *LIBRARIES = sys.argv[1:]
CALLS = ('malloc', 'calloc', 'realloc', 'free', 'aligned')
SEED = int(os.environ.get('LOAM_TEST_SEED', random.randrange(1 << 32)))


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def replay(self, *arguments, preload='', status=0, **env):
        """The counts that the replayer prints, and its standard error."""
        env = {'PATH': os.environ['PATH'], 'LD_PRELOAD': preload, **env}
        done = subprocess.run([REPLAY, *arguments], env=env, capture_output=True, text=True,
                              timeout=240)
        self.assertEqual(done.returncode, status, f'seed {SEED}: {done.stderr}')
        return json.loads(done.stdout) if done.stdout else None, done.stderr

    def file(self, data, name='trace'):
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def run_calls(self, *calls, **options):
        """Replays calls: (op, thread, numbers)."""
        writer = Writer()
        for op, thread, numbers in calls:
            writer.event(op, thread, **numbers)
        return self.replay(self.file(writer.bytes()), **options)


class Counts(Case):
    """What is in the trace is what is said, and what is done, under every allocator."""

    def check(self, steps, threads):
        program = Program(SEED + threads).run(steps, threads)
        trace = self.file(program.writer.bytes())
        said, _ = self.replay('--counts', trace)
        self.assertEqual(program.counts, {name: said[name] for name in program.counts})
        for library in ['', *LIBRARIES]:
            for options in ([], ['--fill', 'edges'], ['--latency']):
                counts, _ = self.replay(*options, trace, preload=library)
                self.assertEqual(counts, said)

    def test_one_thread(self):
        self.check(3000, 1)

    def test_some_threads(self):
        self.check(10000, 4)

    def test_more_threads_than_processors(self):
        self.check(6000, 150)

    def test_calls_are_those_of_the_trace(self):
        """The replayer makes the calls of the trace, and not one of its own."""
        program = Program(SEED).run(4000)
        trace, counts = self.file(program.writer.bytes()), program.counts
        report = self.folder / 'report'
        self.replay(trace, preload=COUNT_CALLS, COUNT_FILE=str(self.folder / 'count'),
                    BENCH_REPORT=str(report))
        file, = self.folder.glob('count.*')
        made = dict(zip(CALLS, struct.unpack('<5Q', file.read_bytes())))
        wanted = {name: counts[name] for name in CALLS}
        wanted['free'] -= counts['inherited_frees']
        self.assertEqual(made, wanted, f'seed {SEED}')


class Order(Case):
    def test_threads_take_turns(self):
        """A block that goes around 40 threads, each of which makes it larger: any step too early
        finds other bytes, or none."""
        writer, address = Writer(), 0x10000
        for i in range(4000):
            writer.event(REALLOC, i * 7 % 40, old=address if i else 0, size=16 + i % 900,
                         result=address + 4096)
            address += 4096
        counts, _ = self.replay(self.file(writer.bytes()))
        self.assertEqual((counts['threads'], counts['last_live_blocks']), (40, 1))

    def test_threads_one_after_another(self):
        """Threads that lived one after another do so again: 500 at once would have other stacks."""
        writer = Writer()
        for thread in range(500):
            for _ in range(4):
                writer.event(MALLOC, thread, size=100, result=0x10000)
                writer.event(FREE, thread, old=0x10000)
        trace = self.file(writer.bytes())
        done = subprocess.run(['prlimit', f'--as={64 << 20}', REPLAY, trace], timeout=240,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)['threads'], 500)

    def test_report(self):
        program = Program(SEED).run(20000, 3)
        report = self.folder / 'report'
        self.replay('--latency', self.file(program.writer.bytes()), BENCH_REPORT=str(report))
        said = json.loads(report.read_text())
        self.assertEqual(said['operations'], 20000 - program.counts['inherited_frees'])
        self.assertEqual(said['live'][-1][1], sum(program.live.values()))
        self.assertEqual([t for t, _ in said['live']], sorted(t for t, _ in said['live']))
        for call in ('malloc', 'calloc', 'realloc', 'free'):
            latency = said['latency'][call]
            figures = [latency[name] for name in ('p50', 'p99', 'p99.9', 'p99.99', 'max')]
            self.assertEqual(figures, sorted(figures))
            self.assertGreater(latency['max'], 0)
        self.assertEqual(said['latency']['free']['calls'],
                         program.counts['free'] - program.counts['inherited_frees'])


class Failures(Case):
    """What an allocator does wrong is found."""

    def library(self, body):
        source = self.folder / 'wrong.c'
        source.write_text('#define _GNU_SOURCE\n#include <stddef.h>\n#include <string.h>\n' + body)
        subprocess.run(['cc', '-shared', '-fPIC', '-fno-builtin', '-o', source.with_suffix('.so'),
                        source], check=True)
        return str(source.with_suffix('.so'))

    def check(self, body, calls, message):
        _, error = self.run_calls(*calls, preload=self.library(body), status=1)
        self.assertIn(message, error)

    def test_two_blocks_at_one_place(self):
        self.check('static char m[4096];\n'
                   'void *malloc(size_t n) { return m; } void free(void *p) {}',
                   [(MALLOC, 0, {'size': 64, 'result': 0x1000}),
                    (MALLOC, 0, {'size': 64, 'result': 0x2000}),
                    (FREE, 0, {'old': 0x1000})],
                   'event 2, free, slot 0: the block does not hold what was written into it')

    def test_realloc_that_forgets(self):
        self.check('static char m[2][4096]; void *malloc(size_t n) { return m[0]; }\n'
                   'void *realloc(void *p, size_t n) { return m[1]; } void free(void *p) {}',
                   [(MALLOC, 0, {'size': 64, 'result': 0x1000}),
                    (REALLOC, 0, {'old': 0x1000, 'size': 128, 'result': 0x2000})],
                   'event 1, realloc, slot 0: the block did not keep what was written into it')

    def test_calloc_that_is_not_zero(self):
        self.check('static char m[4096] = {1}; void *calloc(size_t k, size_t n) { return m; }',
                   [(CALLOC, 0, {'size': 64, 'result': 0x1000})],
                   'event 0, calloc, slot 0: the block is not zero')

    def test_aligned_that_is_not(self):
        self.check('static _Alignas(4096) char m[8192];\n'
                   'int posix_memalign(void **p, size_t a, size_t n) { *p = m + 16; return 0; }',
                   [(ALIGNED, 0, {'size': 64, 'align_log2': 6, 'result': 0x1000})],
                   'event 0, aligned, slot 0: the block is not aligned')

    def test_no_memory(self):
        self.check('void *malloc(size_t n) { return NULL; }',
                   [(MALLOC, 0, {'size': 64, 'result': 0x1000})],
                   'event 0, malloc, slot 0: there is no memory')


class BadTraces(Case):
    """The sound prefix of what is cut off or damaged is replayed, and what is wrong is said."""

    def test_cut_off(self):
        program = Program(SEED, capacity=256).run(120, 2)
        data = program.writer.bytes()
        before = 0
        for n in range(trace_writer.HEADER.size, len(data), 7):
            trace = self.file(data[:n])
            done = subprocess.run([REPLAY, trace], capture_output=True, text=True, timeout=240)
            self.assertIn(done.returncode, (0, 1), done.stderr)
            counts = json.loads(done.stdout)
            self.assertGreaterEqual(counts['events'], before)
            self.assertEqual(done.returncode, counts['state'] == 'damaged')
            if counts['state'] != 'whole':
                self.assertRegex(done.stderr, r'(cut off|not finished) at byte \d+, event \d+')
            before = counts['events']
        self.assertEqual(before, 120)

    def test_damaged(self):
        """Without checksums too, whatever the bytes say is a program, or is refused."""
        rng = random.Random(SEED)
        program = Program(SEED, capacity=1 << 14).run(600, 2)
        data = program.writer.bytes(finished=False)
        for _ in range(100):
            changed = bytearray(data)
            for _ in range(3):
                changed[rng.randrange(trace_writer.HEADER.size, 4096)] = rng.randrange(256)
            done = subprocess.run([REPLAY, '--counts', self.file(changed)], capture_output=True,
                                  text=True, timeout=240)
            self.assertIn(done.returncode, (0, 1), f'seed {SEED}: {done.stderr}')
            self.assertLessEqual(json.loads(done.stdout)['events'], 1 << 14)

    def test_address_that_is_live(self):
        call = (MALLOC, 0, {'size': 64, 'result': 0x1000})
        counts, error = self.run_calls(call, call, status=1)
        self.assertIn('at event 1: it gives the address 0x1000, which is live', error)
        self.assertEqual((counts['events'], counts['state']), (1, 'damaged'))

    def test_lost_free(self):
        writer = Writer()
        writer.lost = 1
        for _ in range(2):
            writer.event(MALLOC, size=64, result=0x1000)
        counts, _ = self.replay(self.file(writer.bytes()))
        self.assertEqual((counts['lost_frees'], counts['last_live_blocks']), (1, 2))

    def test_unfinished(self):
        data = Program(SEED).run(1000).writer.bytes(finished=False)
        counts, error = self.replay(self.file(data))
        self.assertEqual((counts['events'], counts['state']), (1000, 'unfinished'))
        self.assertIn('the process was killed, or still runs', error)

    def test_no_trace(self):
        for path, why in ((self.file(b'#!/bin/sh\n'), 'no trace'), (self.file(b''), 'no trace'),
                          (str(self.folder / 'none'), 'No such file'),
                          (str(self.folder), 'not a file')):
            _, error = self.replay(path, status=2)
            self.assertIn(why, error)
            self.assertEqual(error.count('\n'), 1)

    def test_wrong_use(self):
        trace = self.file(Program(SEED).run(10).writer.bytes())
        for arguments in ([], ['--fil', 'all', trace], ['--fill', 'some', trace], [trace, trace],
                          ['--prepare']):
            _, error = self.replay(*arguments, status=2)
            self.assertIn('usage: replay', error)


class Prepared(Case):
    def test_plan_stands_for_its_trace(self):
        data = Program(SEED, capacity=256).run(3000, 5).writer.bytes()
        trace, plan = self.file(data[:-1000]), str(self.folder / 'plan')
        said, error = self.replay('--prepare', plan, trace, status=1)
        self.assertIn('at byte', error)
        counts, error = self.replay(plan)
        self.assertEqual(counts, said)
        self.assertNotIn('at byte', error)


@unittest.skipUnless('LOAM_BENCH_BUILD' in os.environ, 'LOAM_BENCH_BUILD names no build')
class Command(Case):
    """bench/replay: allocators in turn, and a report."""
    COMMAND = pathlib.Path(__file__).resolve().parents[2] / 'bench/replay'

    def run_command(self, *arguments):
        return subprocess.run([self.COMMAND, *arguments], capture_output=True, text=True,
                              timeout=240)

    def test_report_of_a_cut_trace(self):
        trace = self.file(Program(SEED).run(20000, 2).writer.bytes()[:-4096])
        output = self.folder / 'report'
        done = self.run_command('--allocators', 'glibc', '--rounds', '3', '--output', output, trace)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, 'cut off at byte')
        said = json.loads((output / 'results.json').read_text())['traces'][0]
        self.assertGreater(said['counts']['events'], 19000)
        glibc = said['allocators']['glibc']
        self.assertEqual(len(glibc['ns_by_round']), 3)
        self.assertGreater(glibc['peak'], 0)
        self.assertGreater(glibc['latency']['malloc']['p50'], 0)
        self.assertIn('| glibc', (output / 'report.md').read_text())

    def test_the_default_installs_nothing(self):
        """It takes the allocators that are there: here, none of Debian's is."""
        trace = self.file(Program(SEED).run(2000).writer.bytes())
        bare = ('import runpy, sys; sys.path.insert(0, sys.argv[1]);'
                ' from measure import allocators, packages;'
                ' allocators._in_loader_cache = lambda file: None;'
                ' packages.need = lambda *names: sys.exit(f"installs {names}");'
                ' del sys.argv[0]; sys.argv[0] += "/replay";'
                ' runpy.run_path(sys.argv[0], run_name="__main__")')
        done = subprocess.run(['/usr/bin/python3', '-B', '-c', bare, self.COMMAND.parent, '--rounds',
                               '3', trace], capture_output=True, text=True, timeout=240)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('| loam', done.stdout)

    def test_a_replayer_that_is_killed(self):
        build = self.folder / 'build'
        for name, text in (('measure/meter', ''), ('trace/replay', '#!/bin/sh\nkill -KILL $$\n')):
            path = build / 'bench' / name
            path.parent.mkdir(parents=True)
            path.write_text(text)
            path.chmod(0o755)
        done = subprocess.run([self.COMMAND, '--counts', self.file(b'')], capture_output=True,
                              text=True, timeout=240,
                              env=os.environ | {'LOAM_BENCH_BUILD': str(build)})
        self.assertEqual((done.returncode, done.stderr), (2, 'replay: the replayer was ended by'
                         ' signal 9: is there memory for the trace?\n'))

    def test_latencies_take_turns_from_both_ends(self):
        command, trace, names = loaded('replay'), mock.Mock(), []
        found = [command.allocators.Allocator(name) for name in ('a', 'b')]
        said = {call: dict.fromkeys(('calls', 'mean', *command.QUANTILES), 1)
                for call in command.CALLS}

        def measure_latency(allocator):
            names.append(allocator.name)
            return mock.Mock(report={'latency': said})

        trace.measure_latency = measure_latency
        with mock.patch.object(command, 'replays', return_value=['one']):
            command.latencies([trace], command.session.Results(found, [trace]), 3, mock.Mock())
        self.assertEqual(''.join(names), 'abbaab')

    def test_counts(self):
        program = Program(SEED).run(2000, 3)
        trace = self.file(program.writer.bytes())
        done = self.run_command('--counts', trace)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        rows = [[cell.strip() for cell in line.strip('|').split('|')]
                for line in done.stdout.splitlines()]
        self.assertEqual(rows[0], ['', 'trace'])
        self.assertIn(['malloc', f'{program.counts["malloc"]:,}'], rows)
        self.assertIn(['threads', '3'], rows)
        self.assertIn(['the trace is', 'whole'], rows)
        done = self.run_command('--counts', '--json', trace, self.file(b'x', 'other'))
        self.assertEqual(done.returncode, 2)
        done = self.run_command('--counts', '--json', trace)
        said, _ = self.replay('--counts', trace)
        self.assertEqual(json.loads(done.stdout), said)

    def test_wrong_use(self):
        trace = self.file(Program(SEED).run(10).writer.bytes())
        for arguments in ([], ['--rounds', '1', trace], ['--counts', self.folder / 'none'],
                          ['--json', trace],
                          ['--allocators', 'none', trace], ['--with', 'x', trace]):
            done = self.run_command(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertEqual((done.stderr[:8], done.stderr.count('\n')), ('replay: ', 1))


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
    unittest.main(argv=sys.argv[:1])
