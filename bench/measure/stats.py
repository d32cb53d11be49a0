"""What the numbers of several rounds say, and whether they say anything.

A round runs every allocator once, so that what slows the machine down for a while slows them all:
numbers are compared by round.  The figure is the geometric mean of the middle half of the rounds'
ratios.  On a shared machine that varies two thirds as much as the ratio of the two medians, and
rounds that were disturbed hardly move it.
Its interval is what 99% of resampled rounds give (the bootstrap of Efron, 1979), spread around the
figure by sqrt(n / (n - 1)): n of n rounds, drawn with repetition, have (n - 1) / n of their variance.
With fewer than 10 rounds, which are too few to resample, it also holds Student's interval for the
mean of the rounds' logarithms.  The interval of a geometric mean over workloads is made in the same
way, each workload's rounds resampled by themselves; the degrees of freedom of Student's interval are
Welch's (1947), since some workloads are noisier than others.
Not 95%: three figures are looked at for each allocator, and one false alarm in ten
comparisons would be too many.  There is one interval, so that the noise that is told is the noise
that decides: a difference is called one if the interval lies on one side of 1, and the figure is
farther from 1 than is worth a sentence: 0.5% of time, 1% of memory.  The place of code and data in
memory alone makes that much.  Allocators are called equal if all of the interval is near 1; where it
holds both 1 and what would matter, the rounds do not tell.

Simulated (tests/bench/test_stats.py), two equal allocators differ so in 1 to 2 of 100 comparisons;
one that is 2% slower, under noise of 1%, is found in 9 of 10 with 10 rounds and always with 20.  A
mean over 3 or 30 workloads of 3 rounds each is off 1 in less than 1 of 100 comparisons; in 2 to 3 of
100 where one of the workloads has ten times the noise of the others, which 3 rounds may not show.
"""
import functools
import math
import operator
import random
import statistics
from collections import namedtuple
from dataclasses import dataclass

from measure.failure import Failure

FEWEST = 3          # rounds of which an interval can be made
RESAMPLED = 2000
TRIMMED = 4         # one in so many is left out, at either end
LEAST_TIME = 0.005  # smallest differences of interest, as parts of 1
LEAST_MEMORY = 0.01
ALIKE = 0.03        # an interval that is nowhere farther from 1 holds nothing that matters
FEW = 10            # fewer rounds than these are too few for the bootstrap alone
# Student's t, two-sided 99%, by the degrees of freedom that there are at least.
STUDENT = {2: 9.925, 3: 5.841, 4: 4.604, 5: 4.032, 6: 3.707, 7: 3.499, 8: 3.355, 10: 3.169,
           15: 2.947, 20: 2.845, 30: 2.750, 60: 2.660, 120: 2.617}

# clear: the difference from 1 is larger than the noise, whatever its size; 1 is not in low..high
Interval = namedtuple('Interval', 'value low high clear')

median = statistics.median


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


@dataclass(frozen=True)
class Rounds:
    """How often: until the interval of every time is narrower than width, within limits."""
    least: int = 10
    most: int = 100
    width: float = 0.013
    seconds: float = 120        # for a workload: after that, no more than least
    compared: bool = True       # whether intervals are wanted

    def __post_init__(self):
        if self.compared and self.least < FEWEST:
            raise Failure(f'{self.least} rounds are too few for an interval: ask for {FEWEST} or'
                          ' more')

    @classmethod
    def exactly(cls, n):
        return cls(n, n, seconds=math.inf)

    @classmethod
    def once(cls):
        """One round, of which no interval is made: for what hardly differs from run to run."""
        return cls(1, 1, seconds=math.inf, compared=False)

    def enough(self, done, intervals, seconds):
        """Whether to stop.  The width does not know which is better, so that stopping by it does
        not prefer differences."""
        if done < self.least:
            return False
        narrow = all(interval.high - interval.low < self.width for interval in intervals)
        return done >= self.most or seconds > self.seconds or narrow

    def likely(self, done, seconds):
        """How many there will be at most, after so many have taken so long."""
        if not done:
            return self.least
        affordable = min(done * self.seconds / seconds, self.most)
        return max(self.least, done, math.floor(affordable))


@functools.lru_cache(maxsize=64)
def _resamples(n, seed):
    """Rounds drawn at random, with repetition: functions that take them from a list."""
    rng = random.Random(seed)
    return [operator.itemgetter(*rng.choices(range(n), k=n)) for _ in range(RESAMPLED)]


def _middle(values):
    """The mean of the middle half."""
    cut = len(values) // TRIMMED
    kept = sorted(values)[cut:len(values) - cut]
    return sum(kept) / len(kept)


def _resampled(logs, seed):
    """The middles of rounds drawn at random, which vary as the middle itself does."""
    middle, factor = _middle(logs), math.sqrt(len(logs) / (len(logs) - 1))
    return [middle + (_middle(drawn(logs)) - middle) * factor
            for drawn in _resamples(len(logs), seed)]


def _interval(value, resampled, ends):
    """The Interval of a figure, all in logarithms; it holds the ends too."""
    resampled = sorted(resampled)
    cut = len(resampled) * 5 // 1000
    low = min([resampled[cut], *ends])
    high = max([resampled[-1 - cut], *ends])
    return Interval(math.exp(value), math.exp(low), math.exp(high), low > 0 or high < 0)


def _student(workloads):
    """The ends of Student's interval, where the rounds are too few for the bootstrap alone."""
    if min(map(len, workloads)) >= FEW:
        return ()
    mean = statistics.fmean(map(statistics.fmean, workloads))
    squares = [statistics.variance(logs) / len(logs) for logs in workloads]     # of standard errors
    if not any(squares):
        return mean, mean
    freedom = sum(squares)**2 / sum(square**2 / (len(logs) - 1)
                                    for square, logs in zip(squares, workloads))
    t = STUDENT[max(least for least in STUDENT if least < freedom + 0.001)]
    reach = t * math.sqrt(sum(squares)) / len(workloads)
    return mean - reach, mean + reach


def _logs(values, baseline):
    """The logarithms of the rounds' ratios; () if there is none or too few to compare."""
    pairs = list(zip(values, baseline))
    if len(pairs) < FEWEST or min(map(min, pairs)) <= 0:
        return ()
    return tuple(math.log(value / base) for value, base in pairs)


def ratio(values, baseline):
    """Interval of the rounds' ratios of values to baseline.

    None if there is none: fewer than FEWEST rounds, or a value of zero.
    """
    return mean_ratio([(values, baseline)])


def mean_ratio(pairs):
    """Interval of the geometric mean over workloads; pairs are (values, baseline) of each."""
    return _mean_ratio(tuple(filter(None, (_logs(*pair) for pair in pairs))))


@functools.lru_cache(maxsize=4096)
def _mean_ratio(workloads):
    if not workloads:
        return None
    columns = [_resampled(logs, seed) for seed, logs in enumerate(workloads)]
    return _interval(statistics.fmean(map(_middle, workloads)),
                     [sum(row) / len(row) for row in zip(*columns)], _student(workloads))


# ---- In words.

def differs(interval, least):
    return bool(interval) and interval.clear and abs(interval.value - 1) >= least


def alike(interval):
    """Whether no difference that matters is in the interval."""
    return max(abs(interval.low - 1), abs(interval.high - 1)) <= ALIKE


def _factor(value):
    """How far a ratio is from 1, as '1.21x' or '8.0%': the side is said after it."""
    factor = max(value, 1 / value)
    return f'{factor:.2f}x' if factor >= 1.1 else f'{(factor - 1) * 100:.1f}%'


def _share(value):
    """As '8.0% less' or '41% more'."""
    change = abs(value - 1) * 100
    return f'{change:.{1 if change < 10 else 0}f}% {"less" if value < 1 else "more"}'


def _noise(interval):
    return f'give or take {(interval.high - interval.low) / 2:.1%}'


def _figure(what, interval):
    return f'({what} {interval.value - 1:+.1%}, {_noise(interval)})'


def _time(baseline, time):
    if not time:
        return 'has no time to compare'
    if differs(time, LEAST_TIME):
        side = 'faster' if time.value < 1 else 'slower'
        return f'is {_factor(time.value)} {side} than {baseline} {_figure("time", time)}'
    what = 'is as fast as' if alike(time) else 'may be faster or slower than'
    return f'{what} {baseline} {_figure("time", time)}'


def _memory(memory):
    if not memory:
        return 'has no memory to compare'
    if differs(memory, LEAST_MEMORY):
        return f'uses {_share(memory.value)} memory ({_noise(memory)})'
    what = 'uses as much memory' if alike(memory) else 'may use less memory or more'
    return f'{what} {_figure("memory", memory)}'


def verdict(name, baseline, time, cpu, memory):
    """A plain sentence on the intervals of time and peak memory, each with its noise.

    Processor time is in it where it says other than time does.
    """
    said = [_time(baseline, time)]
    if differs(cpu, LEAST_TIME) and (not differs(time, LEAST_TIME)
                                     or (cpu.value < 1) != (time.value < 1)):
        said.append(f'uses {_share(cpu.value)} processor time ({_noise(cpu)})')
    said.append(_memory(memory))
    unsure = [one for one, least in ((time, LEAST_TIME), (memory, LEAST_MEMORY))
              if one and not differs(one, least) and not alike(one)]
    return (f'{name} {", ".join(said[:-1])} and {said[-1]}'
            + ('; more rounds would tell.' if unsure else '.'))
