"""Real programs of bench/programs: each runs in its smallest size with and without the library.

test_programs.py [-k NAME]: the library is LOAM_SO; a program whose packages are missing is skipped,
and what is missing is listed at the end.  Exit status 77 if that left nothing to run.
"""
import io
import os
import pathlib
import signal
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'bench'))
from measure import bindings, packages, session  # noqa: E402
from measure.allocators import Allocator  # noqa: E402
from measure.failure import Failure  # noqa: E402
from measure.progress import Progress  # noqa: E402
from programs import WORKLOADS, allocating  # noqa: E402
from programs.program import SCRIPTS, ToolFailed  # noqa: E402
from programs.server import Server, Service  # noqa: E402

LIBC = Allocator('glibc')
LOAM = Allocator('loam', pathlib.Path(os.environ['LOAM_SO']))
# A server of the test's own; it says when it is ready, and ends when it is asked to.
SERVER = """
trap "touch {asked}; exit 0" TERM
echo $$ >pid.new
mv pid.new pid
while :; do sleep 0.02; done
"""


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='loam-')
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class ProgramTest(Case):
    """One test a workload."""
    missing = set()

    def check(self, workload):
        missing = [name for name in workload.packages if not packages.version(name)]
        if missing:
            self.missing.update(missing)
            self.skipTest(f'missing packages: {" ".join(missing)}')
        workload.prepare(self.folder)
        libc, loam = self.smoke(workload, LIBC), self.smoke(workload, self.watched())
        self.assertEqual(libc.output, loam.output)
        self.assertIn(LOAM.path.name, bindings.names(self.folder / 'bindings'))

    def smoke(self, workload, allocator):
        run = workload.run(allocator, self.folder, workload.sizes[0])
        self.assertEqual(run.failure, '', run.message)
        self.assertEqual(run.status, 0, run.message)
        self.assertNotEqual(run.output, '')
        self.assertGreater(run.wall, 0)
        self.assertGreater(run.peak, 1 << 20)
        return run

    def watched(self):
        """The library, and a record of whose malloc is called."""
        folder = self.folder / 'bindings'
        folder.mkdir()
        folder.chmod(0o1777)        # postgres runs as another user
        self.folder.chmod(0o755)
        return LOAM.with_options(**bindings.environment(folder))


class ServerTest(Case):
    def server(self, load, ready=None, script=SERVER):
        """A made-up one; self.home is where it ran last."""
        def service(home, dir, size):
            self.home = home
            argv = ['/bin/sh', '-c', script.format(asked=self.folder / 'asked')]
            return Service(argv, ready or (home / 'pid').exists, load)

        return Server('made-up', '', '', (), (0, 0, 0), service)

    def run_server(self, *how, **more):
        return self.server(*how, **more).measure(LIBC, self.folder, quick=True)

    def tearDown(self):
        self.assertFalse(self.home.exists())

    def test_wall_is_the_load_alone(self):
        late = iter([False] * 30 + [True])
        run = self.run_server(lambda: time.sleep(0.1) or b'', lambda: next(late))
        self.assertEqual(run.status, 0, run.message)
        self.assertGreaterEqual(run.wall, 0.1)
        self.assertLess(run.wall, run.samples[-1][0] - run.samples[0][0])

    def test_output_is_the_loads(self):
        first, again, other = (self.run_server(lambda: data).output
                               for data in (b'1', b'1', b'2'))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_a_client_that_fails_fails_the_run(self):
        def load():
            raise ToolFailed('the client ended with 7')

        with self.assertRaisesRegex(Failure, '^its load failed: the client ended with 7$'):
            self.run_server(load)

    def test_time_until_a_client_fails_is_no_figure(self):
        """Although it fails in the same way under both allocators."""
        def load():
            raise ToolFailed('the client ended with 7')

        server = self.server(load)
        results = session.alternate([server], [LIBC, LOAM], 3, Progress(1, out=io.StringIO()))
        self.assertEqual(results.runs, {})
        self.assertIn('its load failed: the client ended with 7', results.failed('made-up', 'glibc'))
        self.assertIsNone(results.mean_ratio('loam', 'time'))

    def test_a_server_that_crashes_under_load(self):
        def load():
            os.kill(int((self.home / 'pid').read_text()), signal.SIGSEGV)
            raise ToolFailed('connection lost')

        self.assertEqual(self.run_server(load).status, -signal.SIGSEGV)

    def test_a_server_that_does_not_start(self):
        def load():
            raise ToolFailed('no connection')

        with self.assertRaisesRegex(Failure, 'no connection; .* ended with status 3: no such option'):
            self.run_server(load, ready=lambda: False, script='echo no such option >&2; exit 3')

    def test_the_server_is_asked_to_end_when_the_bench_is_interrupted(self):
        def load():
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            self.run_server(load)
        self.assertTrue((self.folder / 'asked').exists())


class TableTest(unittest.TestCase):
    def test_names_differ(self):
        names = [workload.name for workload in WORKLOADS]
        self.assertEqual(len(names), len(set(names)))

    def test_each_explains_itself(self):
        for workload in WORKLOADS:
            with self.subTest(workload.name):
                self.assertRegex(workload.why, r'^[A-Z].+\. Matters to .+\.$')
                self.assertTrue(workload.source)
                self.assertEqual(len(workload.sizes), 3)

    def test_shares_are_documented(self):
        rows = (ROOT / 'docs/performance/workloads.md').read_text().splitlines()
        for workload in allocating.WORKLOADS:
            with self.subTest(workload.name):
                self.assertEqual(workload.group, 'allocating')
                self.assertGreater(workload.share, 10)
                start = f'| {workload.name} | {workload.share}% |'
                self.assertTrue(any(row.startswith(start) for row in rows))

    def test_every_script_is_used(self):
        code = ''.join(path.read_text() for path in SCRIPTS.parent.glob('*.py'))
        for script in SCRIPTS.iterdir():
            with self.subTest(script.name):
                self.assertIn(script.name, code)


def add_programs():
    for workload in WORKLOADS:
        setattr(ProgramTest, f'test_{workload.name}',
                lambda self, workload=workload: self.check(workload))


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
    add_programs()
    tests = unittest.main(exit=False, verbosity=2).result
    if ProgramTest.missing:
        print('missing packages:', *sorted(ProgramTest.missing), file=sys.stderr)
    nothing = tests.testsRun == len(tests.skipped)
    sys.exit(77 if tests.skipped and nothing else not tests.wasSuccessful())
