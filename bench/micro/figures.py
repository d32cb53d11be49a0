"""Rows as figures: time and tail latency of each executable, and one that sums them up."""
from statistics import geometric_mean

from measure import plots
from micro import merge
from micro.merge import PERCENTILES
from micro.table import relative

COLUMNS = 3
LEAST_NS = 1        # what a call below the clock's grain is drawn as


def draw(rows, allocators, out_dir):
    """Writes all as SVG and PNG; returns {executable or 'summary': [names without suffix]}."""
    sound = [row for row in rows if not row['failure']]
    drawn = {}
    for executable in dict.fromkeys(row['executable'] for row in sound):
        own = [row for row in sound if row['executable'] == executable]
        drawn[executable] = [executable, f'{executable}-latency']
        _times(own, allocators, out_dir / executable)
        _latencies(own, allocators, out_dir / f'{executable}-latency')
    if drawn and len(allocators) > 1:
        drawn['summary'] = ['summary']
        _summary(rows, allocators, out_dir / 'summary')
    return drawn


def _panels(count, title):
    """A figure of so many panels; the panels that are over stay empty."""
    columns = 2 if count == 4 else min(count, COLUMNS)
    lines = -(-count // columns)
    figure, grid = plots.library().subplots(lines, columns, squeeze=False, layout='constrained',
                                           figsize=(1 + 4.2 * max(columns, 1.6), 0.9 + 3.2 * lines))
    figure.suptitle(title)
    panels = list(grid.flat)
    for spare in panels[count:]:
        spare.set_axis_off()
    return figure, panels[:count]


def _save(figure, panels, path):
    """One legend for all panels, in a strip below them."""
    handles = {}
    strip = 0.35 / figure.get_figheight()
    figure.get_layout_engine().set(rect=(0, strip, 1, 1 - strip))
    for panel in panels:
        panel.grid(True, which='major', alpha=0.3)
        for handle, label in zip(*panel.get_legend_handles_labels()):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc='lower center',
                  ncol=len(handles), frameon=False)
    plots.save(figure, path)


def _times(rows, allocators, path):
    """A panel a series: nanoseconds by x, both on log axes."""
    series = list(dict.fromkeys(row['series'] for row in rows))
    figure, panels = _panels(len(series), f'{path.name}: ns for {rows[0]["operation"]}')
    for panel, name in zip(panels, series):
        own = [row for row in rows if row['series'] == name]
        for allocator in allocators:
            points = sorted((row['x'], row['ns']) for row in own if row['allocator'] == allocator)
            panel.plot(*zip(*points), **_style(allocator, allocators)) if points else None
        _log_axes(panel, own)
        panel.set_title(name, fontsize='medium')
    _save(figure, panels, path)


def _style(allocator, allocators):
    subject = allocator == 'loam'
    return plots.style(allocator, allocators) | {
        'label': allocator, 'marker': 'o', 'markersize': 4, 'linewidth': 2.4 if subject else 1.4,
        'zorder': 3 if subject else 2}


def _log_axes(panel, rows):
    places = sorted({row['x'] for row in rows})
    shown = places[::-(-len(places) // 7)]
    panel.set_xscale('log')
    panel.set_xticks(shown, [_short(x, rows[0]['axis']) for x in shown])
    panel.set_xticks([], minor=True)
    _nanoseconds_axis(panel)
    panel.set_xlabel(rows[0]['axis'])


def _short(x, axis):
    """65536 bytes are 64K; 10000 blocks are 10k."""
    step, units = (1024, ' KMG') if 'bytes' in axis or 'alignment' in axis else (1000, ' kMG')
    power = 0
    while x >= step and x % step == 0:
        x //= step
        power += 1
    return f'{x}{units[power]}'.strip()


def _nanoseconds_axis(panel):
    """Labels at 1, 2, 5, 10 ... where the powers of ten alone would be too few."""
    low, high = panel.dataLim.intervaly
    panel.set_yscale('log')
    if high / low < 100:
        panel.set_ylim(low / 1.15, high * 1.15)
        panel.yaxis.set_major_locator(plots.library().matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(_nanoseconds)
    panel.yaxis.set_minor_formatter(lambda value, _: '')


def _nanoseconds(value, _):
    for unit, size in (('s', 1e9), ('ms', 1e6), ('µs', 1e3)):
        if value >= size:
            return f'{value / size:g} {unit}'
    return f'{value:g} ns'


def _latencies(rows, allocators, path):
    """A panel a call: percentiles, as geometric means over the rows in which all have them."""
    calls = merge.calls(rows)
    figure, panels = _panels(len(calls), f'{path.name}: single calls, mean of all rows')
    for panel, call in zip(panels, calls):
        for allocator in allocators:
            points = [(i, _mean(rows, allocator, call, what))
                      for i, what in enumerate(PERCENTILES)]
            points = [point for point in points if point[1]]
            panel.plot(*zip(*points), **_style(allocator, allocators)) if points else None
        panel.set_xticks(range(len(PERCENTILES)), PERCENTILES)
        _nanoseconds_axis(panel)
        panel.set_title(call, fontsize='medium')
    _save(figure, panels, path)


def _mean(rows, allocator, call, what):
    lacking = {row['row'] for row in rows if what not in row['latency'].get(call, {})}
    values = [max(row['latency'][call][what], LEAST_NS) for row in rows
              if row['allocator'] == allocator and row['row'] not in lacking]
    return geometric_mean(values) if values else None


def _summary(rows, allocators, path):
    means = relative(rows, allocators)
    series = {name: [ones[name] and ones[name][:3] for ones in means.values()]
              for name in allocators[1:]}
    plots.bars(path, 'Time of the microbenchmarks', list(means), series,
               f'time over {allocators[0]}’s',
               note='Geometric means over the rows; less is better.')
