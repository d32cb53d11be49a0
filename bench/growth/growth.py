"""How cost grows: time per operation and resident memory over live bytes, along four axes.

Each point is a process of its own (growth.c says what it does), the allocators take turns at it,
and what counts is the median of the rounds.  Points that need more memory than there is are left
out, and named.
"""
import json
import math
import os
import sys
from dataclasses import dataclass
from statistics import median

from measure import build, plots
from measure.progress import Progress
from measure.report import prepared
from measure.run import Command, measure

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
ROUNDS = 3
ONE_ROUND = 30_000_000      # operations of a run; longer ones are made once
REPLACEMENTS = {'smoke': 20_000, 'quick': 500_000, 'full': 4_000_000}

# Of growth.c: bytes of an object, replacements until the heap has settled.
MEAN_MIXED, MEAN_TINY = 376, 36
MAX_SETTLING = 16_000_000

SHARE = 0.6     # of the free memory, which a run may need
WASTE = 1.4     # of the live bytes, which a run is taken to need


@dataclass(frozen=True)
class Axis:
    title: str
    xlabel: str
    option: str         # of growth.c, for the place on the axis
    smoke: tuple
    quick: tuple
    full: tuple
    live: int = 0       # bytes, where the place does not say them
    byte_units: bool = False

    def places(self, effort):
        return getattr(self, effort)


AXES = {
    'heap': Axis(
        'Live heap, one thread', 'bytes live', '--live', byte_units=True,
        smoke=(MIB, 4 * MIB), quick=tuple(MIB << shift for shift in range(0, 9, 2)),
        full=(*(MIB << shift for shift in range(0, 13, 2)), 8 * GIB)),
    'objects': Axis(
        'Objects of 16 to 63 bytes, one thread', 'objects', '--count',
        smoke=(1000, 10_000), quick=(1000, 10_000, 100_000, 1_000_000),
        full=(*(10 ** power for power in range(3, 8)), 30_000_000, 100_000_000)),
    'threads': Axis(
        '64 MiB live, shared by threads', 'threads', '--threads', live=64 * MIB,
        smoke=(1, 4), quick=(1, 2, 4, 8, 16), full=(1, 2, 4, 8, 16, 32, 64)),
    'age': Axis(
        'Age of a heap of 32 MiB, one thread', 'operations since it was built', '--operations',
        live=32 * MIB, smoke=(400_000,), quick=(10_000_000,), full=(1_000_000_000,)),
}

METHOD = """\
A point is one process.  It builds a heap, replaces objects at random until that has settled (each
once on average, but at most 16 million), and then measures {replacements:,} replacements, each of
which is two operations: one free, one malloc with a byte written at both ends and in each page.
Sizes are 16 bytes to 1 KiB, each octave as likely as another, one in 128 of 1 to 64 KiB; on the
axis of objects all are of 16 to 63 bytes.  Medians of {rounds} runs, of 1 where a run is long.

Time per operation includes the choice of an object and of a size, and the cache misses on both
table and object.  It is processor time; among threads it is time by the clock, times the processors
that they can use ({processors} here), so that a level line is what more threads should give.
Memory is what is resident and anonymous less the table, so a process's own few hundred KiB are in
it: below a few MiB of live bytes they are what is seen.

An hour is taken for 10^9 operations: 140,000 objects replaced a second, as a server does that
answers some tens of thousands of requests a second.  No time is extrapolated: the operations are
done, as fast as they go; times are of the span since the point before.
"""


@dataclass(frozen=True)
class Point:
    """A place on an axis, as it is run."""
    axis: str
    x: int
    replacements: int

    @property
    def live(self):
        sizes = {'heap': self.x, 'objects': self.x * MEAN_TINY}
        return sizes.get(self.axis, AXES[self.axis].live)

    @property
    def objects(self):
        return self.x if self.axis == 'objects' else self.live // MEAN_MIXED

    @property
    def operations(self):
        """How long it takes, in malloc and free."""
        settling = min(self.objects + self.replacements // 4, MAX_SETTLING)
        steady = self.x if self.axis == 'age' else 2 * (settling + self.replacements)
        return self.objects + steady

    @property
    def rounds(self):
        return 1 if self.operations > ONE_ROUND else ROUNDS

    @property
    def timeout(self):
        """Seconds: 5 microseconds an operation are more than any should take."""
        return 60 + self.operations // 200_000

    @property
    def steps(self):
        """Of progress, for a run."""
        return 1 + self.operations // 100_000

    @property
    def memory(self):
        """Bytes that a run is taken to need."""
        return int(self.live * WASTE) + 8 * self.objects

    def argv(self):
        argv = [build.built() / 'bench/growth/growth', self.axis, AXES[self.axis].option, self.x]
        if self.axis == 'age':
            return [*argv, '--live', self.live]
        more = ['--live', self.live] if self.axis == 'threads' else []
        return [*argv, '--replacements', self.replacements, *more]

    def __str__(self):
        return f'{self.axis} {short(self.x, AXES[self.axis].byte_units)}'


def points(effort, only):
    return [Point(axis, x, REPLACEMENTS[effort]) for axis in only
            for x in AXES[axis].places(effort)]


def effort_of(quick, smoke):
    return 'smoke' if smoke else 'quick' if quick else 'full'


def steps(allocators, quick, only=tuple(AXES), smoke=False):
    """The steps of progress that run() takes."""
    return sum(point.steps * point.rounds * len(allocators)
               for point in points(effort_of(quick, smoke), only))


def run(allocators, quick, out_dir, progress=None, only=tuple(AXES), smoke=False, limit=None):
    """Draws the curves, writes results.json, report.md and figures to out_dir; returns the rows.

    The first of the allocators is the baseline.  limit is in bytes: what a run may need at most.
    """
    out_dir = prepared(out_dir)
    own_progress = progress or Progress(steps(allocators, quick, only, smoke), 'growth')
    effort = effort_of(quick, smoke)
    rows, skipped = [], []
    for point in points(effort, only):
        lacking = _lacking(point, limit)
        if lacking:
            skipped.append({'axis': point.axis, 'x': point.x, 'why': lacking})
            print(f'skipped {point}: {lacking}', file=sys.stderr)
            own_progress.step(f'skipped {point}', point.steps * point.rounds * len(allocators))
        else:
            rows += _rows(point, allocators, own_progress)
    if not progress:
        own_progress.done()
    _write(rows, skipped, allocators, effort, out_dir)
    return rows


def _lacking(point, limit):
    """Why there is too little memory for a point, or ''."""
    usable = limit or int(_available() * SHARE)
    if point.memory <= usable:
        return ''
    source = '--limit-ram' if limit else f'{SHARE:.0%} of what is free'
    return f'it needs about {_in_units(point.memory)}, and {source} is {_in_units(usable)}'


def _available():
    with open('/proc/meminfo') as meminfo:
        fields = dict(line.split(':') for line in meminfo)
    return int(fields['MemAvailable'].split()[0]) * KIB


# ---- Runs.

def _rows(point, allocators, progress):
    """The rows of a point: one for each allocator, or for each allocator and age."""
    runs = {allocator.name: [] for allocator in allocators}
    failures = {}
    for number in range(point.rounds):
        for allocator in allocators if number % 2 == 0 else reversed(allocators):
            name = allocator.name
            progress.step(f'{point} {name}', 0)
            if name not in failures:
                runs[name].append(measure(Command(point.argv(), timeout=point.timeout),
                                          allocator))
                failures |= _failure(runs, failures, name, allocators[0].name)
            progress.step(f'{point} {name}', point.steps)
    return [row for name in runs
            for row in ([{'axis': point.axis, 'x': point.x, 'allocator': name,
                          'failure': failures[name]}] if name in failures
                        else _medians(point, name, [run.report for run in runs[name]]))]


def _failure(runs, failures, name, baseline):
    """{name: what is wrong with its last run}, or {}."""
    last = runs[name][-1]
    if last.failure:
        return {name: last.failure}
    if last.status or not last.report.get('points'):
        return {name: last.message or f'ended with status {last.status}'}
    if baseline not in failures and last.output != runs[baseline][0].output:
        return {name: f'printed other output than under {baseline}'}
    return {}


VALUES = ('ns', 'cpu_ns', 'build_ns', 'overhead')


def _medians(point, name, reports):
    rows = []
    for same in zip(*(_readings(point, report) for report in reports)):
        values = {key: [reading[key] for reading in same] for key in VALUES}
        rows.append({'axis': point.axis, 'x': same[0]['x'], 'allocator': name, 'failure': ''}
                    | {key: median(listed) for key, listed in values.items()} | {'runs': values})
    return rows


def _readings(point, report):
    """What a run says: of the last point, or for age of all points but the build."""
    first, *later = report['points']
    processors = min(report['threads'], len(os.sched_getaffinity(0)))

    def ns(span):
        time = span['ns'] * processors if point.axis == 'threads' else span['cpu_ns']
        return time / span['operations']

    def reading(x, span):
        return {'x': x, 'ns': ns(span), 'cpu_ns': span['cpu_ns'] / span['operations'],
                'build_ns': ns(first), 'overhead': span['heap_bytes'] / span['live_bytes']}

    if point.axis != 'age':
        return [reading(point.x, later[-1])]
    ages = (sum(span['operations'] for span in later[:i + 1]) for i in range(len(later)))
    return [reading(age, span) for age, span in zip(ages, later)]


# ---- The report.

def short(x, byte_units):
    """64 MiB, 100 k, 1 G; to three digits where it is no round number."""
    step, units = (KIB, ('B', 'KiB', 'MiB', 'GiB')) if byte_units else (1000, ('', 'k', 'M', 'G'))
    power = 0
    while x >= step and power < 3:
        x /= step
        power += 1
    return f'{x:.3g} {units[power]}'.strip()


def _in_units(nbytes):
    return short(nbytes, True)


def _write(rows, skipped, allocators, effort, out_dir):
    report = {'effort': effort, 'replacements': REPLACEMENTS[effort],
              'processors': len(os.sched_getaffinity(0)),
              'allocators': {allocator.name: allocator.version for allocator in allocators},
              'rows': rows, 'skipped': skipped}
    (out_dir / 'results.json').write_text(json.dumps(report, indent=1) + '\n')
    names = list(report['allocators'])
    method = METHOD.format(rounds=ROUNDS, **report)
    parts = ['# How cost grows\n', method]
    for axis in dict.fromkeys(row['axis'] for row in rows + skipped):
        own = [row for row in rows if row['axis'] == axis]
        parts.append(_section(axis, own, [skip for skip in skipped if skip['axis'] == axis],
                              names))
        if any(not row['failure'] for row in own):
            _draw(axis, own, names, out_dir / axis)
    (out_dir / 'report.md').write_text('\n'.join(parts))


def _section(axis, rows, skipped, names):
    parts = [f'## {AXES[axis].title}\n']
    if any(not row['failure'] for row in rows):
        parts += [f'![{axis}]({axis}.svg)\n', _table(axis, rows, names, 'ns', 1),
                  _table(axis, rows, names, 'overhead', 3)]
    said = [(row['x'], f'failed: {row["allocator"]}, {row["failure"]}')
            for row in rows if row['failure']]
    said += [(skip['x'], f'skipped: {skip["why"]}') for skip in skipped]
    parts += [f'- {short(x, AXES[axis].byte_units)}: {words}\n' for x, words in said]
    return '\n'.join(parts)


HEADS = {'ns': 'ns per operation', 'overhead': 'RSS / live'}


def _table(axis, rows, names, key, digits):
    """A line a place, a column an allocator; last over first place at the end."""
    cells = {(row['x'], row['allocator']): row[key] for row in rows if not row['failure']}
    places = list(dict.fromkeys(row['x'] for row in rows))
    lines = [f'| {HEADS[key]} at {AXES[axis].xlabel} | {" | ".join(names)} |',
             '|---|' + '---:|' * len(names)]
    for x in places:
        values = [cells.get((x, name)) for name in names]
        lines.append(_line(short(x, AXES[axis].byte_units), values, digits))
    growth = [cells[places[-1], name] / cells[places[0], name]
              if {(places[0], name), (places[-1], name)} <= cells.keys() else None
              for name in names]
    return '\n'.join([*lines, _line('last / first', growth, 2)]) + '\n'


def _line(head, values, digits):
    shown = ('failed' if value is None else f'{value:.{digits}f}' for value in values)
    return f'| {head} | {" | ".join(shown)} |'


# ---- Figures.

MOST_LABELS = 8         # of places, on an axis
TOP_OVERHEAD = 5        # what is above is the process's own, and left to the table


def _draw(axis, rows, names, path):
    """Two panels, a line an allocator, as SVG and PNG."""
    figure, panels = plots.library().subplots(1, 2, figsize=(11, 4.6))
    figure.suptitle(AXES[axis].title)
    for panel, key in zip(panels, HEADS):
        for name in names:
            _line_of(panel, [row for row in rows if row['allocator'] == name], key, name, names)
        _log_axes(panel, axis, rows)
        panel.set_title(HEADS[key], fontsize='medium')
    top = panels[1].get_ylim()[1]
    if top > TOP_OVERHEAD:
        panels[1].set_title(f'{HEADS["overhead"]}, up to {TOP_OVERHEAD}', fontsize='medium')
    panels[1].set_ylim(1, min(top, TOP_OVERHEAD))
    figure.legend(*panels[0].get_legend_handles_labels(), loc='lower center',
                  ncols=len(names), frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    plots.save(figure, path)


def _line_of(panel, rows, key, name, names):
    subject = name == 'loam'
    places = [(row['x'], row[key]) for row in rows if not row['failure']]
    panel.plot(*(zip(*places) if places else ([], [])), label=name, marker='o', markersize=4,
               linewidth=2.6 if subject else 1.4, zorder=3 if subject else 2,
               **plots.style(name, names))


def _apart(places):
    """Those that have room for a label on a logarithmic axis, the last one first."""
    room = math.log(places[-1] / places[0]) / MOST_LABELS
    shown = []
    for place in reversed(places):
        if not shown or math.log(shown[-1] / place) >= room:
            shown.append(place)
    return shown


def _log_axes(panel, axis, rows):
    from matplotlib import ticker
    places = sorted({row['x'] for row in rows})
    shown = _apart(places)
    panel.set_xscale('log')
    panel.set_xticks(shown, [short(x, AXES[axis].byte_units) for x in shown])
    panel.set_xticks([], minor=True)
    panel.set_xlabel(AXES[axis].xlabel)
    panel.set_yscale('log')
    low, high = panel.get_ylim()
    subs = (1, 2, 5) if high / low > 6 else (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2, 2.5, 3, 4, 5, 7)
    panel.yaxis.set_major_locator(ticker.LogLocator(subs=subs))
    panel.yaxis.set_major_formatter(ticker.FormatStrFormatter('%g'))
    panel.yaxis.set_minor_locator(ticker.NullLocator())
    panel.grid()
