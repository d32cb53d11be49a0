"""Rows as Markdown: a summary, then a table of times and one of latencies an executable."""
from measure import stats
from micro import merge
from micro.merge import PERCENTILES

NOTE = """Nanoseconds an operation: medians over the repetitions, each a process of its own,
allocators in turn. Latencies are of single calls under a stopwatch, which lets nothing overlap:
they are higher than a call's share in a loop, and multiples of the clock's grain, {grain:.0f} ns.
The largest is what happened once, often to the thread and not to the allocator."""


def markdown(rows, versions, drawn):
    """The report; drawn is {executable or 'summary': [names of its figures without suffix]}."""
    allocators = list(versions)
    known = ', '.join(f'{name} {version}'.strip() for name, version in versions.items())
    grain = max((row['grain'] for row in rows if not row['failure']), default=0)
    parts = ['# Microbenchmarks', NOTE.format(grain=grain), f'Allocators: {known}.', '## Summary',
             summary(rows, allocators), *_images(drawn.get('summary', []))]
    for executable in dict.fromkeys(row['executable'] for row in rows):
        own = [row for row in rows if row['executable'] == executable]
        parts += [f'## {executable}', *_images(drawn.get(executable, [])),
                  *_failures(own), *_times(own, allocators), *_latencies(own, allocators)]
    return '\n\n'.join(parts) + '\n'


def summary(rows, allocators):
    """Each executable's times over the baseline's, as geometric means of its rows."""
    means = relative(rows, allocators)
    lines = [_line(['time, by executable', *allocators]), _rule(1 + len(allocators))]
    for executable, values in means.items():
        lines.append(_line([executable, *(_times_baseline(values[name]) for name in allocators)]))
    return '\n'.join(lines)


def relative(rows, allocators):
    """{executable: {allocator: Interval of the mean ratio to the baseline, None if it failed}}."""
    return {executable: {name: _mean(rows, executable, name, allocators[0]) for name in allocators}
            for executable in dict.fromkeys(row['executable'] for row in rows)}


def _mean(rows, executable, name, baseline):
    own = [row for row in rows if row['executable'] == executable]
    if any(row['failure'] for row in own if row['allocator'] in (name, baseline)):
        return None
    base = {row['row']: row['rounds'] for row in own if row['allocator'] == baseline}
    return stats.mean_ratio([(row['rounds'], base[row['row']]) for row in own
                             if row['allocator'] == name])


def _times_baseline(value):
    return f'{value.value:.2f}' if value else 'failed'


def _images(names):
    return [f'![{name}]({name}.svg)' for name in names]


def _failures(rows):
    return [f'**{row["row"]} under {row["allocator"]}: {row["failure"]}.**'
            for row in rows if row['failure']]


def _by_row(rows):
    table = {}
    for row in rows:
        if not row['failure']:
            table.setdefault(row['row'], {})[row['allocator']] = row
    return table


def _times(rows, allocators):
    """A line a row, the fastest in bold, and the verdict on loam (or on the last allocator)."""
    subject = 'loam' if 'loam' in allocators else allocators[-1]
    table = _by_row(rows)
    if not table:
        return []
    operation = next(row['operation'] for row in rows if not row['failure'])
    lines = [_line([f'ns for {operation}', *allocators, f'{subject} is']),
             _rule(len(allocators) + 1) + ' --- |']
    for name, ones in table.items():
        best = min(one['ns'] for one in ones.values())
        cells = [_nanoseconds(ones, allocator, best) for allocator in allocators]
        lines.append(_line([name, *cells, ones[subject]['verdict'] if subject in ones else '']))
    return ['\n'.join(lines)]


def _nanoseconds(ones, allocator, best):
    if allocator not in ones:
        return 'failed'
    text = number(ones[allocator]['ns'])
    return f'**{text}**' if ones[allocator]['ns'] == best else text


def _latencies(rows, allocators):
    """A table a call: in each cell all percentiles."""
    table = _by_row(rows)
    parts = []
    for call in merge.calls(rows):
        lines = [_line([f'{call}, ns: {" / ".join(PERCENTILES)}', *allocators]),
                 _rule(1 + len(allocators))]
        lines += [_line([name, *(_percentiles(ones, allocator, call) for allocator in allocators)])
                  for name, ones in table.items()]
        parts.append('\n'.join(lines))
    return parts


def _percentiles(ones, allocator, call):
    values = ones[allocator]['latency'].get(call) if allocator in ones else None
    if not values:
        return '-'
    return ' / '.join(number(values[name]) if name in values else '-' for name in PERCENTILES)


def number(ns):
    """Three figures at least, and k, M or G where there are many more."""
    for limit, divisor, unit in ((1e4, 1, ''), (1e7, 1e3, 'k'), (1e10, 1e6, 'M')):
        if ns < limit:
            value = ns / divisor
            return f'{value:.{1 if value < 100 else 0}f}{unit}'
    return f'{ns / 1e9:.0f}G'


def _line(cells):
    return f'| {" | ".join(cells)} |'


def _rule(columns):
    return '| --- |' + ' ---: |' * (columns - 1)
