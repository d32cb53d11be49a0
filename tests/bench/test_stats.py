#!/usr/bin/python3
"""measure.stats on made-up figures with fixed seeds: what is noise, and what is a difference."""
import math
import random
import statistics
import sys
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'bench'))
from measure import stats  # noqa: E402
from measure.failure import Failure  # noqa: E402

COMPARISONS = 150


def quiet(rng):
    return rng.gauss(0, 0.01)


def disturbed(rng):
    """Noise of 1%, and one run of seven is held up by a tenth or so."""
    return quiet(rng) + (rng.expovariate(10) if rng.random() < 0.15 else 0)


def found(shift, rounds, noise, drift=0.0):
    """In what part of the comparisons a difference is seen; drift slows each round by so much."""
    rng = random.Random(7)

    def run(round_, slower):
        return math.exp(slower + drift * round_ + noise(rng))
    seen = 0
    for _ in range(COMPARISONS):
        baseline = [run(i, 0) for i in range(rounds)]
        values = [run(i, shift) for i in range(rounds)]
        seen += stats.differs(stats.ratio(values, baseline), stats.LEAST_TIME)
    return seen / COMPARISONS


class Noise(unittest.TestCase):
    def test_equal_allocators_do_not_differ(self):
        for noise in (quiet, disturbed):
            for rounds in (3, 5, 7, 9, 10, 20):
                with self.subTest(noise=noise.__name__, rounds=rounds):
                    self.assertLessEqual(found(0, rounds, noise), 0.05)

    def test_drift_of_the_machine_is_no_difference(self):
        self.assertLessEqual(found(0, 10, quiet, drift=0.01), 0.05)

    def test_two_percent_are_found_in_noise_of_one(self):
        self.assertGreaterEqual(found(0.02, 10, quiet), 0.8)
        self.assertGreaterEqual(found(0.02, 20, quiet), 0.98)

    def test_two_percent_are_found_among_outliers(self):
        self.assertGreaterEqual(found(0.02, 30, disturbed), 0.75)

    def test_few_rounds_find_large_differences(self):
        self.assertGreaterEqual(found(0.2, 3, quiet), 0.9)
        self.assertGreaterEqual(found(0.05, 5, quiet), 0.9)

    def test_a_certain_difference_that_is_tiny_is_none(self):
        interval = stats.ratio([1.001] * 10, [1.0] * 10)
        self.assertTrue(interval.clear)
        self.assertFalse(stats.differs(interval, stats.LEAST_TIME))


class Ratio(unittest.TestCase):
    def test_value_is_the_middle_ratio_within_its_interval(self):
        interval = stats.ratio([2, 4, 6, 8, 100], [1, 2, 3, 4, 5])
        self.assertAlmostEqual(interval.value, 2)
        self.assertLessEqual(interval.low, 2)
        self.assertGreaterEqual(interval.high, 2)

    def test_is_repeatable(self):
        values, baseline = [3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]
        self.assertEqual(stats.ratio(values, baseline), stats.ratio(list(values), list(baseline)))

    def test_there_is_none_of_too_few_or_of_zero(self):
        self.assertIsNone(stats.ratio([1, 2], [1, 2]))
        self.assertIsNone(stats.ratio([1, 2, 3], [0, 0, 0]))
        self.assertIsNone(stats.ratio([], []))

    def test_interval_covers_the_truth(self):
        rng, covered = random.Random(3), 0
        for _ in range(COMPARISONS):
            baseline = [math.exp(quiet(rng)) for _ in range(15)]
            values = [1.1 * math.exp(quiet(rng)) for _ in range(15)]
            interval = stats.ratio(values, baseline)
            covered += interval.low <= 1.1 <= interval.high
        self.assertGreaterEqual(covered / COMPARISONS, 0.95)


class MeanRatio(unittest.TestCase):
    def test_is_the_geometric_mean(self):
        interval = stats.mean_ratio([([2] * 5, [1] * 5), ([1] * 5, [2] * 5), ([3] * 5, [3] * 5)])
        self.assertAlmostEqual(interval.value, 1)
        self.assertFalse(interval.clear)

    def test_leaves_out_what_has_no_ratio(self):
        interval = stats.mean_ratio([([2] * 5, [1] * 5), ([], [1] * 5)])
        self.assertAlmostEqual(interval.value, 2)
        self.assertIsNone(stats.mean_ratio([([], [])]))

    def test_a_shift_of_all_is_found(self):
        rng = random.Random(5)
        pairs = [([1.02 * math.exp(quiet(rng)) for _ in range(5)],
                  [math.exp(quiet(rng)) for _ in range(5)]) for _ in range(12)]
        self.assertTrue(stats.differs(stats.mean_ratio(pairs), stats.LEAST_TIME))

    def test_noise_of_all_is_not(self):
        rng, seen = random.Random(6), 0
        for _ in range(20):
            pairs = [([math.exp(quiet(rng)) for _ in range(5)],
                      [math.exp(quiet(rng)) for _ in range(5)]) for _ in range(6)]
            seen += stats.differs(stats.mean_ratio(pairs), stats.LEAST_TIME)
        self.assertLessEqual(seen, 1)

    def test_three_rounds_keep_the_promise(self):
        """Of few workloads as of many: all of a mean is off 1 in one of a hundred at most."""
        for workloads in (3, 30):
            rng, seen = random.Random(13), 0
            for _ in range(COMPARISONS):
                pairs = [([math.exp(quiet(rng)) for _ in range(3)],
                          [math.exp(quiet(rng)) for _ in range(3)]) for _ in range(workloads)]
                seen += stats.mean_ratio(pairs).clear
            with self.subTest(workloads=workloads):
                self.assertLessEqual(seen / COMPARISONS, 0.01)

    def test_resampled_rounds_vary_as_rounds_do(self):
        """Of twelve, too many for Student's interval: drawn again as they are, they vary less."""
        rng = random.Random(14)
        logs = [tuple(quiet(rng) for _ in range(12)) for _ in range(30)]
        with mock.patch.object(stats, '_middle', statistics.fmean):
            drawn = [statistics.variance(stats._resampled(one, seed)) for seed, one in enumerate(logs)]
        wanted = [statistics.variance(one) / 12 for one in logs]
        self.assertAlmostEqual(sum(drawn) / sum(wanted), 1, delta=0.04)


class Rounds(unittest.TestCase):
    WIDE, NARROW = stats.Interval(1, 0.9, 1.1, False), stats.Interval(1, 0.999, 1.001, False)

    def test_fewer_than_three_are_refused(self):
        with self.assertRaisesRegex(Failure, '2 rounds are too few'):
            stats.Rounds.exactly(2)

    def test_exactly_is_exact(self):
        rounds = stats.Rounds.exactly(4)
        self.assertFalse(rounds.enough(3, [self.NARROW], 1e9))
        self.assertTrue(rounds.enough(4, [self.WIDE], 0))

    def test_go_on_while_an_interval_is_wide(self):
        rounds = stats.Rounds(least=10, most=30, seconds=60)
        self.assertFalse(rounds.enough(9, [self.NARROW], 0))
        self.assertTrue(rounds.enough(10, [self.NARROW], 0))
        self.assertFalse(rounds.enough(10, [self.NARROW, self.WIDE], 0))
        self.assertTrue(rounds.enough(10, [self.WIDE], 61))
        self.assertTrue(rounds.enough(30, [self.WIDE], 0))

    def test_what_is_likely(self):
        rounds = stats.Rounds(least=10, most=30, seconds=60)
        self.assertEqual(rounds.likely(0, 0), 10)
        self.assertEqual(rounds.likely(1, 3), 20)
        self.assertEqual(rounds.likely(1, 0.1), 30)
        self.assertEqual(rounds.likely(11, 600), 11)
        self.assertEqual(stats.Rounds.exactly(5).likely(1, 1), 5)


class Verdict(unittest.TestCase):
    """Time and memory are told always, each with its noise."""
    SAME = stats.Interval(1.003, 0.99, 1.01, False)
    UNSURE = stats.Interval(1.197, 0.96, 1.49, False)
    SAME_TIME = 'is as fast as b (time +0.3%, give or take 1.0%)'
    SAME_MEMORY = 'uses as much memory (memory +0.3%, give or take 1.0%)'

    @staticmethod
    def clear(value):
        return stats.Interval(value, value - 0.02, value + 0.02, True)

    def said(self, time, cpu, memory):
        return stats.verdict('a', 'b', time, cpu, memory)

    def test_both(self):
        self.assertEqual(self.said(self.clear(1 / 1.21), self.clear(0.8), self.clear(0.92)),
                         'a is 1.21x faster than b (time -17.4%, give or take 2.0%)'
                         ' and uses 8.0% less memory (give or take 2.0%).')

    def test_time_alone(self):
        self.assertEqual(self.said(self.clear(1.03), self.clear(1.03), self.SAME),
                         'a is 3.0% slower than b (time +3.0%, give or take 2.0%) and '
                         + self.SAME_MEMORY + '.')

    def test_memory_alone(self):
        self.assertEqual(self.said(self.SAME, self.SAME, self.clear(1.42)),
                         f'a {self.SAME_TIME} and uses 42% more memory (give or take 2.0%).')

    def test_neither(self):
        self.assertEqual(self.said(self.SAME, self.SAME, self.SAME),
                         f'a {self.SAME_TIME} and {self.SAME_MEMORY}.')

    def test_what_the_rounds_do_not_tell(self):
        self.assertEqual(self.said(self.SAME, self.SAME, self.UNSURE),
                         f'a {self.SAME_TIME} and may use less memory or more (memory +19.7%, give'
                         ' or take 26.5%); more rounds would tell.')
        self.assertEqual(self.said(self.UNSURE, self.SAME, self.SAME),
                         'a may be faster or slower than b (time +19.7%, give or take 26.5%) and '
                         + self.SAME_MEMORY + '; more rounds would tell.')

    def test_processor_time_speaks_where_wall_time_does_not(self):
        self.assertIn('uses 3.0% more processor time (give or take 2.0%)',
                      self.said(self.SAME, self.clear(1.03), self.SAME))

    def test_processor_time_speaks_against_wall_time(self):
        self.assertEqual(self.said(self.clear(0.95), self.clear(1.4), self.SAME),
                         'a is 5.3% faster than b (time -5.0%, give or take 2.0%), uses 40% more'
                         f' processor time (give or take 2.0%) and {self.SAME_MEMORY}.')

    def test_not_measured(self):
        self.assertEqual(self.said(None, None, self.SAME),
                         f'a has no time to compare and {self.SAME_MEMORY}.')
        self.assertEqual(self.said(self.SAME, self.SAME, None),
                         f'a {self.SAME_TIME} and has no memory to compare.')


class Consistent(unittest.TestCase):
    """What is said of a figure agrees with the noise that is told beside it."""

    def test_a_difference_is_beyond_its_noise(self):
        rng, unsure = random.Random(11), 0
        for _ in range(COMPARISONS * 4):
            rounds, noise, shift = rng.choice((3, 4, 5, 9, 10, 15)), rng.choice((.01, .1)), .2
            values = [math.exp(rng.gauss(shift, noise)) for _ in range(rounds)]
            interval = stats.ratio(values, [1.0] * rounds)
            self.assertEqual(interval.clear, not interval.low <= 1 <= interval.high)
            self.assertEqual(interval.clear, stats.differs(interval, stats.LEAST_MEMORY))
            unsure += not interval.clear
        self.assertGreater(unsure, 10)


if __name__ == '__main__':
    unittest.main()
