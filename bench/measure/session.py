"""Runs workloads under allocators in turn, and keeps what came of it.

One workload after the other; each under A B C, C B A, A B C, ... so that neither a slow minute of
the machine nor the place in a round favours one.  A warm-up comes before: it fills the caches of
files, and asks the loader whose malloc the program calls (see bindings).
"""
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from measure import allocators as known
from measure import bindings, stats
from measure.failure import Failure
from measure.run import Measurement


@dataclass
class Failed:
    workload: str
    allocator: str
    what: str           # "was ended by SIGSEGV in round 3: ...", "prints other output than ..."


@dataclass
class Results:
    allocators: list                            # of Allocator; the first is the baseline
    workloads: list                             # of Workload
    runs: dict = field(default_factory=dict)    # (workload name, allocator name): [Measurement]
    failures: list = field(default_factory=list)    # of Failed
    notes: list = field(default_factory=list)       # lines: whose malloc is not libc's, ...

    @property
    def baseline(self):
        return self.allocators[0].name

    @property
    def others(self):
        return [allocator.name for allocator in self.allocators[1:]]

    def failed(self, workload, allocator):
        """What went wrong, or None."""
        return next((failure.what for failure in self.failures
                     if (failure.workload, failure.allocator) == (workload, allocator)), None)

    def measurements(self, workload, allocator) -> list:
        """The runs by round; [] if the pair failed."""
        if self.failed(workload, allocator):
            return []
        return self.runs.get((workload, allocator), [])

    def values(self, workload, allocator, metric) -> list:
        """The metric (a name of a Measurement's field or property) by round; [] if it failed."""
        return [getattr(one, metric) for one in self.measurements(workload, allocator)]

    def median(self, workload, allocator, metric):
        values = self.values(workload, allocator, metric)
        return stats.median(values) if values else None

    def ratio(self, workload, allocator, metric):
        """stats.Interval of allocator / baseline, or None if either failed."""
        return stats.ratio(self.values(workload, allocator, metric),
                           self.values(workload, self.baseline, metric))

    def groups(self):
        """The groups of the workloads in order; [] if all are of one."""
        found = list(dict.fromkeys(one.group for one in self.workloads))
        return found if len(found) > 1 else []

    def _in_means(self, group):
        """The workloads, of one group or all, whose work is the same under every allocator."""
        return [one for one in self.workloads if group in (None, one.group) and not one.figures]

    def mean_ratio(self, allocator, metric, group=None):
        """Interval of the geometric mean over the workloads, of one group or all, that both can
        run."""
        return stats.mean_ratio([(self.values(one.name, allocator, metric),
                                  self.values(one.name, self.baseline, metric))
                                 for one in self._in_means(group)])

    def verdict(self, allocator, workload=None):
        """A sentence on one workload, or on the mean of all."""
        if workload and (what := self.failed(workload, allocator)):
            return f'{allocator} {what}.'
        figures = [self.ratio(workload, allocator, metric) if workload
                   else self.mean_ratio(allocator, metric) for metric in ('time', 'cpu', 'peak')]
        if not any(figures):
            return f'{allocator} cannot be compared: nothing was measured.'
        sentence = stats.verdict(allocator, self.baseline, *figures)
        if workload:
            return sentence
        n, total = self.in_mean(allocator, 'time')
        return f'Over {f"{n} of " if n < total else ""}{total} workloads, {sentence}'

    def in_mean(self, allocator, metric, group=None):
        """(how many workloads are in mean_ratio(), how many there are)."""
        ratios = [self.ratio(one.name, allocator, metric) for one in self._in_means(group)]
        return sum(map(bool, ratios)), len(ratios)

    def middle_run(self, workload, allocator) -> Measurement:
        """The run whose time is the median (the lower of two), or None."""
        runs = sorted(self.measurements(workload, allocator), key=lambda run: run.time)
        return runs[(len(runs) - 1) // 2] if runs else None


def alternate(workloads, allocators, rounds, progress, quick=False, folder=None) -> Results:
    """Measures all pairs.  rounds is a number of them or a stats.Rounds; steps() of progress."""
    if isinstance(rounds, int):
        rounds = stats.Rounds.exactly(rounds)
    results = Results(allocators, workloads)
    if names := known.not_inherited():
        results.notes.append(f'the programs ran without {", ".join(names)} of your environment'
                             + (' (--loam-options of compare sets LOAM_OPTIONS)'
                                if 'LOAM_OPTIONS' in names else ''))
    with tempfile.TemporaryDirectory(prefix='bench-') as temporary:
        for workload in workloads:
            dir = Path(folder or temporary) / workload.name
            dir.mkdir(parents=True, exist_ok=True)
            _Turn(results, workload, rounds, progress, quick, dir).run()
    return results


def steps(workloads, allocators, rounds):
    """The steps of progress that alternate() takes; where rounds are more, it adds to the total."""
    least = rounds if isinstance(rounds, int) else rounds.least
    return len(workloads) * len(allocators) * (least + 1)


class _Turn:
    """One workload's turn."""

    def __init__(self, results, workload, rounds, progress, quick, dir):
        self.results, self.workload, self.rounds = results, workload, rounds
        self.progress, self.quick, self.dir = progress, quick, dir
        self.allocators = {one.name: one for one in results.allocators}
        self.baseline = results.baseline
        self.warm = {}          # allocator name: the warm-up's Measurement
        self.expected = steps([workload], results.allocators, rounds)   # of progress
        self.started = 0        # when the first round began

    def run(self):
        first = self.progress.steps
        try:
            self.workload.prepare(self.dir)
        except (Failure, OSError) as failure:
            for name in self.allocators:
                self._fail(name, f'could not be prepared: {failure}')
        self._warm_up()
        self.started = time.monotonic()
        done = 0
        while self._going() and not self.rounds.enough(done, self._intervals(), self._seconds()):
            names = self._going()
            for name in names if done % 2 == 0 else reversed(names):
                self._measure(name, done + 1)
            done += 1
            self._expect(self.rounds.likely(done, self._seconds()))
        self._judge_outputs()
        self._note_status()
        # Rounds that were not needed are done as well.
        self.progress.step(self.workload.name, self.expected - (self.progress.steps - first))

    def _going(self):
        """The names of what has not failed; none if the baseline has."""
        names = [name for name in self.allocators
                 if not self.results.failed(self.workload.name, name)]
        return names if self.baseline in names else []

    def _intervals(self):
        ratios = [self.results.ratio(self.workload.name, name, 'time') for name in self._going()
                  if name != self.baseline]
        return [interval for interval in ratios if interval]

    def _seconds(self):
        return time.monotonic() - self.started

    def _expect(self, rounds):
        """Corrects the total of progress: so many rounds are to be expected here."""
        now = (rounds + 1) * len(self.allocators)
        self.progress.total += now - self.expected
        self.expected = now

    def _fail(self, name, what):
        self.results.failures.append(Failed(self.workload.name, name, what))

    def _note(self, text):
        self.results.notes.append(f'{self.workload.name}: {text}')

    # -- Runs.

    def _warm_up(self):
        for name in self.allocators:
            if name in self._going():
                self._check_owners(name, self._probe(name))

    def _probe(self, name):
        """The warm-up: returns the files whose malloc was called."""
        self.progress.step(f'{self.workload.name}: warm-up under {name}')
        with tempfile.TemporaryDirectory(prefix='bench-') as folder:
            Path(folder).chmod(0o1777)      # for programs that become another user
            probing = self.allocators[name].with_options(**bindings.environment(folder))
            self.warm[name] = self._attempt(name, probing, 'the warm-up')
            return bindings.names(folder)

    def _attempt(self, name, allocator, when):
        """A run, or None and a recorded failure."""
        try:
            run = self.workload.measure(allocator, self.dir, self.quick)
        except (Failure, OSError) as failure:
            self._fail(name, f'could not be measured in {when}: {failure}')
            return None
        if run.failure:
            self._fail(name, f'{run.failure} in {when}' + (run.message and f': {run.message}'))
            return None
        return run

    def _measure(self, name, number):
        self.progress.step(f'{self.workload.name} under {name}, round {number}')
        run = self._attempt(name, self.allocators[name], f'round {number}')
        if run:
            self.results.runs.setdefault((self.workload.name, name), []).append(run)

    # -- What is said of them.

    def _check_owners(self, name, owners):
        """Is it this allocator that the program calls?"""
        allocator = self.allocators[name]
        serving = allocator.path.name if allocator.path else bindings.LIBC
        others = ' and '.join(owner for owner in owners if owner != serving)
        if not self.warm[name]:
            return
        if not owners:
            self._fail(name, 'cannot be measured: the loader saw no call of malloc, as in a static'
                             ' program, or in one of Go')
        elif others and not allocator.path:
            try:
                self.allocators[name] = known.on_libc(allocator)
            except Failure as failure:
                self._fail(name, f'cannot be measured: {failure}')
                return
            self._note(f'its malloc is not libc\'s but that of {others}; its {name} row runs with'
                       ' an interposer that goes to libc\'s')
            self._check_owners(name, self._probe(name))
        elif serving not in owners:
            self._fail(name, f'cannot be measured: the program calls the malloc of {others} all'
                             ' the same')
        elif others:
            self._note(f'under {name}, some of its processes or libraries call that of {others}')

    def _outcomes(self, name):
        """The status and the digest of the output, of all runs."""
        runs = self.results.runs.get((self.workload.name, name), []) + [self.warm.get(name)]
        return {(run.status, run.output) for run in runs if run}

    def _judge_outputs(self):
        """Compares with what the baseline's runs gave, where these agree."""
        expected = self._outcomes(self.baseline)
        statuses, outputs = ({one[i] for one in expected} for i in (0, 1))
        if len(outputs) > 1:
            self._note(f'prints other output from run to run under {self.baseline} alone: outputs'
                       ' were not compared')
        for name in self._going():
            got = self._outcomes(name)
            if other := {status for status, _ in got} - statuses:
                self._fail(name, f'ends with status {min(other)}, not as under {self.baseline}'
                                 f' ({", ".join(map(str, sorted(statuses)))}): '
                                 + self.results.runs[self.workload.name, name][-1].message)
            elif len(outputs) == 1 and {output for _, output in got} != outputs:
                self._fail(name, f'prints other output than under {self.baseline}')

    def _note_status(self):
        run = self.warm.get(self.baseline)
        if run and run.status:
            self._note(f'ends with status {run.status} under {self.baseline}'
                       + (run.message and f': {run.message}'))
