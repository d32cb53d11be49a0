"""bench/looked_at: what it says of made-up times, and that it runs."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'bench'))
from looking import looking  # noqa: E402
from measure.failure import Failure  # noqa: E402

PROGRAM = ROOT / 'bench/looked_at'


class Viewers(unittest.TestCase):
    """One that fails looks at nobody: there is no figure then."""

    def test_who_fails(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (('map', 'exit 1'), ('top', 'echo VIRT')):
                Path(f'{folder}/{name}').write_text(f'#!/bin/sh\n{text}\n')
                Path(f'{folder}/{name}').chmod(0o755)
            looking.LOOK, before = Path(folder), looking.LOOK
            self.addCleanup(setattr, looking, 'LOOK', before)
            with looking.Target('small', 1, os.environ['LOAM_SO']) as target:
                for viewer in looking.Map, looking.Top:
                    with self.assertRaises(Failure):
                        looking.piece(target, looking.FIRST, viewer(target.pid))


class Program(unittest.TestCase):
    def run_it(self, *argv, status=0):
        done = subprocess.run([PROGRAM, *argv], capture_output=True, text=True, timeout=500, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def test_a_run(self):
        with tempfile.TemporaryDirectory() as folder:
            said = self.run_it('--rounds', '3', '--seconds', '0.05', '--targets', 'small, 1 thread; large, 2 threads', '--library',
                               os.environ['LOAM_SO'], '--output', f'{folder}/all.json')
            pieces = json.loads(Path(f'{folder}/all.json').read_text())['pieces']
        for name in ('small, 1 thread', 'large, 2 threads'):
            for viewer in ('top', 'map'):
                self.assertRegex(said, rf'(?m)^\| {name} +\| {viewer} .*% \(.* to .*\) .*(goal|would tell)\*? *\|$')
            self.assertEqual({who: len(ones) for who, ones in pieces[name].items()}, {'nobody': 3, 'top': 3, 'map': 3})
            for who, ones in pieces[name].items():
                for one in ones:
                    self.assertGreater(one['wall'], 0)
                    self.assertGreater(one['cpu'], 0)
                    self.assertGreaterEqual(one['taken'], 0)
            self.assertEqual(sum(one['taken'] for one in pieces[name]['nobody']), 0)

    def test_usage(self):
        for argv, said in ((('--rounds', '2'), '3 rounds'), (('--targets', 'none'), 'there is no target none'), (('--slow',), 'unrecognized'),
                           (('--library', '/no/such.so'), 'there is no allocator /no/such.so'),
                           (('--output', '/proc/x/all.json'), 'cannot write to /proc/x/all.json')):
            self.assertRegex(self.run_it(*argv, status=2), f'^looked_at: .*{re.escape(said)}.*\n$')


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
    unittest.main()
