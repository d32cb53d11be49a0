"""Plots as SVG and PNG, on any machine: bars with intervals, lines, memory of a run.

Colours are those of Okabe and Ito (2008), which all eyes tell apart; an allocator has the same
one in every plot.  matplotlib is asked for when the first plot is drawn, not before.
"""
import functools

from measure import packages
from measure.failure import Failure

COLOURS = {'glibc': '#7f7f7f', 'loam': '#d55e00', 'jemalloc': '#0072b2', 'mimalloc': '#009e73',
           'tcmalloc': '#e69f00', 'tbb': '#cc79a7'}
MORE_COLOURS = ['#56b4e9', '#000000', '#8b5a2b', '#b8a800']
DASHES = ['--', '-.', ':']
FARTHEST = 3        # bars beyond this many times the reference are cut, and say their value
MOST_LABELLED = 12  # of more bars, only those that are cut have their value written


@functools.cache
def library():
    """matplotlib.pyplot, drawing to files alone; installs Debian's if there is none."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        packages.need('python3-matplotlib')
        try:
            import matplotlib
        except ModuleNotFoundError:
            raise Failure('this python3 has no matplotlib: install it there, or run the command'
                          ' with /usr/bin/python3') from None
    matplotlib.use('Agg')
    matplotlib.rcParams.update({
        'font.size': 10, 'axes.titlesize': 12, 'axes.spines.top': False,
        'axes.spines.right': False, 'axes.axisbelow': True, 'grid.color': '#dddddd',
        'svg.hashsalt': 'loam', 'figure.facecolor': 'white'})
    import matplotlib.pyplot
    return matplotlib.pyplot


def style(name, names):
    """Colour and dashes of one of the names, as arguments of a line."""
    more = [other for other in names if other not in COLOURS]
    n = more.index(name) if name in more else 0
    colour = COLOURS.get(name) or MORE_COLOURS[n % len(MORE_COLOURS)]
    others = [other for other in names if other not in ('glibc', 'loam')]
    dashes = DASHES[others.index(name) % len(DASHES)] if name in others else '-'
    return {'color': colour, 'linestyle': dashes}


def save(figure, path):
    """Writes path.svg and path.png."""
    for ending in ('svg', 'png'):
        metadata = {'Date': None} if ending == 'svg' else None
        figure.savefig(f'{path}.{ending}', dpi=110, bbox_inches='tight', metadata=metadata)
    library().close(figure)


def _finish(figure, axes, path, title, note, legend=True):
    axes.set_title(title + (f'\n{note}' if note else ''), loc='left')
    if legend:
        axes.legend(loc='upper left', bbox_to_anchor=(1.01, 1), frameon=False)
    save(figure, path)


# ---- Bars.

def bars(path, title, groups, series, ylabel, note='', reference=1):
    """Grouped bars: series is {name: [(value, low, high) or None, ...]}, one per group.

    They lie on their side, for long names and many groups; None is written as 'failed'.  The
    reference is a line, and what is far beyond it is cut off and has its value written.
    """
    series = {name: [one or None for one in values] for name, values in series.items()}
    count = len(groups) * len(series)
    figure, axes = library().subplots(figsize=(9, 1.3 + max(0.17 * count + 0.18 * len(groups), 1)))
    most = max((one[2] for values in series.values() for one in values if one), default=1)
    limit = min(most, FARTHEST * (reference or most)) * 1.12
    for place, (name, values) in enumerate(series.items()):
        _series(axes, place, name, values, list(series), limit, count <= MOST_LABELLED)
    axes.set_yticks([i + 0.4 - 0.4 / len(series) for i in range(len(groups))], groups)
    axes.set_ylim(len(groups) - 0.1, -0.1 - 0.8 / len(series))
    axes.set_xlim(0, limit)
    axes.set_xlabel(ylabel)
    axes.grid(axis='x')
    if reference:
        axes.axvline(reference, color='black', linewidth=0.8)
    _finish(figure, axes, path, title, note)


def _series(axes, place, name, values, names, limit, labelled):
    """The bars of one name, the place-th within each group."""
    thick = 0.8 / len(names)
    colour = style(name, names)['color']
    axes.plot([], [], color=colour, linewidth=8, label=name)
    for group, one in enumerate(values):
        y = group + place * thick
        if one is None:
            axes.text(limit * 0.01, y, 'failed', va='center', fontsize=8, color=colour)
            continue
        value, low, high = one
        axes.barh(y, value, thick * 0.9, color=colour)
        axes.plot([low, min(high, limit)], [y, y], color='black', linewidth=1)
        if value > limit:
            axes.text(limit * 0.99, y, f'{value:.2f} →', va='center', ha='right', fontsize=8,
                      color='white', fontweight='bold')
        elif labelled:
            axes.text(min(high, limit) + limit * 0.01, y, f'{value:.3f}', va='center', fontsize=9)


# ---- Lines.

def lines(path, title, series, xlabel, ylabel, xlog=False, ylog=False, note=''):
    """Lines: series is {name: [(x, y) or (x, y, low, high), ...]}."""
    figure, axes = library().subplots(figsize=(9, 4.5))
    for name, points in series.items():
        if not points:
            continue
        looks = style(name, list(series))
        axes.plot([point[0] for point in points], [point[1] for point in points], label=name,
                  marker='o', markersize=3.5, linewidth=1.6, **looks)
        banded = [point for point in points if len(point) == 4]
        axes.fill_between([point[0] for point in banded], [point[2] for point in banded],
                          [point[3] for point in banded], color=looks['color'], alpha=0.15,
                          linewidth=0)
    axes.set_xscale('log' if xlog else 'linear')
    axes.set_yscale('log' if ylog else 'linear')
    if not ylog:
        axes.set_ylim(bottom=0)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid()
    _finish(figure, axes, path, title, note)


def memory(path, title, measurements):
    """Memory from a run's start to its end: measurements is {allocator name: Measurement}.

    A run is as long as any other here: what was faster is said elsewhere, and points of the same
    work stand above each other.  Where the workload said how many bytes were live, these and its
    tables are drawn too; where it said how many bytes of pages live objects overlap, these are dotted
    lines, one for each allocator, as it is the allocator that places the objects.
    """
    figure, axes = library().subplots(figsize=(9, 4.5))
    for name, one in measurements.items():
        axes.plot(*_by_part(one, one.samples), label=name, linewidth=1.6,
                  **style(name, list(measurements)))
    told = next((one for one in measurements.values() if one.report.get('live')), None)
    if told:
        axes.plot(*_by_part(told, told.report['live'], told.report.get('table_bytes', 0)),
                  color='black', linewidth=1, label='live bytes')
    _bounds(axes, measurements)
    axes.set(xlabel='progress through the run, % (not time)',
             ylabel='anonymous memory, MiB')
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    if not any(len(one.samples) > 1 for one in measurements.values()):
        axes.text(50, sum(axes.get_ylim()) / 2, 'the runs are too short to be sampled', ha='center')
    axes.grid()
    _finish(figure, axes, path, title, 'all processes together; lower is better')


def _bounds(axes, measurements):
    told = {name: one for name, one in measurements.items() if one.report.get('bound')}
    for name, one in told.items():
        axes.plot(*_by_part(one, one.report['bound']), linewidth=1, linestyle=':', marker='.',
                  markersize=3, color=style(name, list(measurements))['color'])
    if told:
        axes.plot([], [], color='black', linewidth=1, linestyle=':', label='pages bound')


def _by_part(run, points, more=0):
    """(percents of the run, MiB) of points (t, bytes)."""
    return ([100 * (t - run.start) / run.wall for t, _ in points],
            [(nbytes + more) / 2**20 for _, nbytes in points])
