"""test_attach.py PROBED STEPPED: tools that attach see what docs/tracing.md says, as the programs know it: bpftrace
stops at probes, perf and bpftrace at the entry of malloc, ltrace and heaptrack count the same calls as with glibc.

A tool that is not installed, or that the kernel lets attach to nothing, is left out and said; test_probes.py reads
the notes as they do, and gdb stops there.
"""
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from target import environment

PROBED, STEPPED = map(os.path.abspath, sys.argv[1:3])
sys.argv[1:3] = []
LIBRARY = Path(os.environ['LOAM_SO']).resolve()
WAIT = 120


def run(*argv, env=None, **others):
    return subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240,
                          env=environment(False) if env is None else env, check=False, **others)


def events(library):
    """The values with which PROBED passes its probes, by name; and its process's number."""
    with subprocess.Popen([PROBED, 'events'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          env=environment(False, LD_PRELOAD=str(library), LOAM_OPTIONS='harden_action=warn')) as made:
        lines = made.communicate(timeout=240)[0].splitlines()
    return made.pid, {name: rest.split() for name, rest in (line.split(' ', 1) for line in lines)}


class Case(unittest.TestCase):
    tool = None

    def setUp(self):
        if not shutil.which(self.tool):
            self.skipTest(f'{self.tool} is not installed')
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        # Uprobes and semaphores are those of the file, in whatever process: other tests shall not see them.
        self.library = shutil.copy(LIBRARY, self.folder / 'libloam.so')


class Perf(Case):
    tool = 'perf'

    @contextlib.contextmanager
    def probe(self):
        """The whole machine has it, so it has a name of its own."""
        name = f'loam_{os.getpid()}:taken'
        try:
            made = run('perf', 'probe', '-x', self.library, f'{name}=malloc')
            if made.returncode:
                self.skipTest(f'perf makes no probe here: {made.stderr}')
            yield name
        finally:
            run('perf', 'probe', '-d', name)

    def test_the_entry_of_malloc(self):
        data = self.folder / 'data'
        with self.probe() as name:
            made = run('perf', 'record', '-o', data, '-e', name, 'env', f'LD_PRELOAD={self.library}', PROBED, 'objects')
            if made.returncode:
                self.skipTest(f'perf does not record here: {made.stderr}')
            said = run('perf', 'script', '-i', data).stdout
        self.assertEqual(len(re.findall(rf'probed .* {name}: ', said)), 10, said)


class Bpftrace(Case):
    tool = 'bpftrace'

    def trace(self, *argv):
        """Lines as they come. It does not say when it has attached."""
        made = subprocess.Popen(['bpftrace', '-B', 'line', *map(str, argv)], stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(False))
        self.addCleanup(made.__exit__, None, None, None)
        self.addCleanup(made.kill)
        return made

    def setUp(self):
        super().setUp()
        probe = run('bpftrace', '-e', f'uprobe:{self.library}:malloc {{ @ = count(); }} i:ms:1 {{ exit(); }}')
        if probe.returncode or 'Attaching' not in probe.stdout + probe.stderr:
            self.skipTest(f'bpftrace does not attach here: {probe.stderr}')

    def output(self, made, until, step):
        """What it printed when `step` was called often enough."""
        os.set_blocking(made.stdout.fileno(), False)
        said, end = '', time.monotonic() + WAIT
        while not until(said):
            if made.poll() is not None or time.monotonic() > end:
                self.fail(f'bpftrace printed {said!r}, and ends with {made.poll()}')
            step()
            time.sleep(0.2)
            with contextlib.suppress(BlockingIOError):
                said += os.read(made.stdout.fileno(), 1 << 20).decode()
        return said

    def test_probes(self):
        """In a run that begins when all are attached."""
        runs = []
        made = self.trace('-e', f'usdt:{self.library}:loam:trim {{ printf("%d trim %d\\n", pid, arg0); }}'
                                f'usdt:{self.library}:loam:huge_map {{ printf("%d huge_map 0x%lx %d\\n", pid, arg0, arg1); }}')
        for wanted in ('huge_map', 'trim'):
            self.output(made, lambda said: f' {wanted} ' in said, lambda: events(self.library))
        said = self.output(made, lambda said: any(f'{pid} trim 12345\n' in said for pid, _ in runs),
                           lambda: runs.append(events(self.library)))
        pid, known = next(row for row in runs if f'{row[0]} trim 12345\n' in said)
        self.assertIn(f'{pid} huge_map {" ".join(known["huge_map"])}\n', said)

    def test_a_process_that_runs(self):
        with subprocess.Popen([STEPPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env=environment(False, LD_PRELOAD=str(self.library))) as target:
            def call():
                target.stdin.write('call\n')
                target.stdin.flush()
                self.assertEqual(target.stdout.readline(), 'done\n')
            made = self.trace('-p', target.pid, '-e', f'uprobe:{self.library}:malloc {{ printf("%d %d\\n", pid, arg0); }}')
            self.output(made, lambda said: f'{target.pid} 100\n' in said, call)
            made.kill()
            made.wait(timeout=WAIT)
            call()      # it goes on without
            target.stdin.close()
        self.assertEqual(target.returncode, 0)


class Ltrace(Case):
    tool = 'ltrace'

    def calls(self, *preload):
        out = self.folder / 'out'
        done = run('ltrace', '-o', out, '-e', 'malloc+free', 'env', *preload, PROBED, 'objects')
        if done.returncode:
            self.skipTest(f'ltrace does not trace here: {done.stderr}')
        said = out.read_text().rpartition('exec()')[2]
        return [len(re.findall(rf'^env->{name}\(', said, re.M)) for name in ('malloc', 'free')]

    def test_calls_are_those_with_glibc(self):
        mallocs, frees = self.calls(f'LD_PRELOAD={self.library}')
        self.assertEqual([mallocs, frees], self.calls())
        self.assertEqual((mallocs, frees), (10, 5))


class Heaptrack(Case):
    tool = 'heaptrack'

    def figures(self, **env):
        done = run('heaptrack', '-o', self.folder / 'data', PROBED, 'objects', env=environment(False, **env))
        found = re.findall(r'^\s+(allocations|leaked allocations|temporary allocations):\s+(\d+)',
                           done.stdout + done.stderr, re.M)
        self.assertTrue(found, done.stdout + done.stderr)
        return dict(found)

    def test_figures_are_those_with_glibc(self):
        with_loam = self.figures(LD_PRELOAD=str(self.library))
        self.assertEqual(with_loam, self.figures())
        self.assertGreaterEqual(int(with_loam['allocations']), 10)


if __name__ == '__main__':
    unittest.main()
