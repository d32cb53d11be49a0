"""bench/looked_at: what it says of made-up times, and that it runs."""
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'bench'))
from looking import looking  # noqa: E402

PROGRAM = ROOT / 'bench/looked_at'


class Ratios(unittest.TestCase):
    def test_equal_ones(self):
        """95 of 100 intervals hold 1; of so few rounds some less."""
        rng, held = random.Random(5), 0
        for seed in range(100):
            base, mine = ([rng.gauss(2, 0.02) for _ in range(10)] for _ in range(2))
            found = looking.ratio(mine, base, seed)
            self.assertLessEqual(found.low, found.value)
            self.assertLessEqual(found.value, found.high)
            held += found.low <= 1 <= found.high
        self.assertGreaterEqual(held, 90)

    def test_a_difference(self):
        rng = random.Random(6)
        base, mine = ([rng.gauss(mean, 0.01) for _ in range(10)] for mean in (2, 2.2))
        found = looking.ratio(mine, base)
        self.assertAlmostEqual(found.value, 1.1, delta=0.02)
        self.assertGreater(found.low, 1.05)

    def test_one_round_that_was_disturbed(self):
        base = [2.0] * 10
        self.assertEqual(looking.ratio([2.0] * 9 + [9.0], base).value, 1)


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
        for argv, said in ((('--rounds', '2'), '3 rounds'), (('--targets', 'none'), 'there is no target none'), (('--slow',), 'unrecognized')):
            self.assertRegex(self.run_it(*argv, status=2), f'^looked_at: .*{re.escape(said)}.*\n$')


if __name__ == '__main__':
    unittest.main()
