"""The report of a session: JSON, Markdown and plots in one folder."""
import dataclasses
import json
import re
from pathlib import Path

from measure import figures, machine, plots
from measure.failure import writable

METRICS = {     # of the tables: how a Measurement calls it, and how it is written
    'wall': ('wall, s', lambda value: f'{value:.3f}'),
    'time': ('time, s', lambda value: f'{value:.3f}'),
    'user': ('user, s', lambda value: f'{value:.3f}'),
    'system': ('system, s', lambda value: f'{value:.3f}'),
    'peak': ('peak, MiB', lambda value: f'{value / 2**20:.1f}'),
    'mean': ('mean, MiB', lambda value: f'{value / 2**20:.1f}' if value else '-'),
    'minor_faults': ('faults', lambda value: f'{value:.0f}'),
    'switches': ('switches', lambda value: f'{value:.0f}'),
}
FARTHEST = 999          # times a goal, in its plot: 0 is infinitely far where more is better
COMPARED = {'time': 'time', 'cpu': 'processor time', 'peak': 'peak memory'}
LEGEND = """\
Time is wall time less what a program of one thread waited for a processor that others had (with
more threads or processes, it is wall time as it is); processor time is user and system time. Peak
is the peak RSS of the largest process, or the anonymous memory of all processes at once where that
is more; mean is the anonymous memory of all processes, averaged over time."""
RATIO_LEGEND = """\
Ratios are to {baseline}; below 1 is better. A ratio is the geometric mean of the middle half of the
rounds' own (of three rounds: of all), which on a busy machine tells more than the ratio of two
medians. In brackets: its 99% interval, by bootstrap over rounds, and by Student's t where they are
fewer than ten; for a mean over workloads by both as well, with Welch's degrees of freedom. The
interval of a mean is that of these workloads, and says nothing of others. A mean that leaves out
workloads, since the allocator or {baseline} failed in them, says of how many it is."""
FIGURES_LEGEND = """\
In brackets: the figure over its goal, or the goal over it where more is better; at most 1.00 meets
the goal. A quick run has less to free, so that the slack of 4 MiB weighs more in its goals."""


def prepared(directory):
    """The folder of a report, made before anything is measured; asks for matplotlib too."""
    directory = writable(Path(directory) / 'report.md').parent
    plots.library()
    return directory


def write(results, directory, title, command='', head=True):
    """Writes results.json, report.md and the plots of a session.Results into directory.

    head puts the machine and the versions at the top; a section of a larger report has none.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    about = machine.describe()
    (directory / 'results.json').write_text(
        json.dumps(as_json(results, about, command), indent=1) + '\n')
    parts = [f'# {title}']
    if head:
        parts.append(heading(about, results.allocators, command))
    _draw(results, directory)
    parts.append(markdown(results))
    (directory / 'report.md').write_text('\n\n'.join(part for part in parts if part) + '\n')


def merge(directory, title, sections, command='', allocators=()):
    """Writes directory/report.md from sections, each (heading, folder within directory).

    A section is the report.md of its folder, one level down, with its links from here.
    """
    directory = Path(directory)
    parts = [f'# {title}', heading(machine.describe(), allocators, command)]
    for name, folder in sections:
        text = (directory / folder / 'report.md').read_text().partition('\n')[2]
        text = re.sub(r'^#', '##', text, flags=re.M)
        text = re.sub(r'\]\((?!\w+:|/|#)', f']({folder}/', text)
        parts.append(f'## {name}\n\n{text.strip()}')
    (directory / 'report.md').write_text('\n\n'.join(parts) + '\n')


def as_json(results, about, command=''):
    """All that was measured, as JSON takes it; of the samples, those of the middle run."""
    return {
        'command': command, 'machine': about,
        'allocators': [{'name': one.name, 'file': str(one.path or ''), 'version': one.version}
                       for one in results.allocators],
        'workloads': [_workload_json(results, workload) for workload in results.workloads],
        'figures': _figures_json(results),
        'means': _means_json(results),
        'group_means': {group: _means_json(results, group) for group in results.groups()},
        'failures': [dataclasses.asdict(one) for one in results.failures],
        'notes': results.notes,
    }


def _means_json(results, group=None):
    return {name: {metric: _interval_json(results.mean_ratio(name, metric, group))
                   for metric in COMPARED} for name in results.others}


def _workload_json(results, workload):
    def row(name):
        middle = results.middle_run(workload.name, name)
        runs = results.runs.get((workload.name, name), [])
        return {'runs': [_run_json(one, one is middle) for one in runs],
                'failed': results.failed(workload.name, name),
                'ratios': {metric: _interval_json(results.ratio(workload.name, name, metric))
                           for metric in COMPARED},
                'verdict': results.verdict(name, workload.name) if name in results.others else ''}
    return {'name': workload.name, 'why': workload.why, 'source': workload.source,
            'allocators': {one.name: row(one.name) for one in results.allocators}}


def _figures_json(results):
    return {workload.name: {name: {what: one and one.__dict__ for what, one in found.items()}
                            for name, found in figures.values(results, workload).items()}
            for workload in results.workloads if workload.figures}


def _run_json(run, whole):
    """One run; what it did over time only if it is to be whole."""
    data = dataclasses.asdict(run)
    if not whole:
        del data['samples']
        data['report'].pop('live', None)
        data['report'].pop('bound', None)
    return data


def _interval_json(interval):
    return interval._asdict() if interval else None


# ---- Text: the same tables on the terminal and in Markdown.

def table(rows):
    """Lines of a Markdown table, its columns aligned; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]

    def line(row):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width
                                            in zip(row[1:], widths[1:]))]
        return f'| {" | ".join(cells)} |'
    rule = [f'{"-" * widths[0]}', *(f'{"-" * (width - 1)}:' for width in widths[1:])]
    return '\n'.join([line(rows[0]), line(rule), *map(line, rows[1:])])


def heading(about, allocators, command=''):
    """The machine, the versions and the command."""
    lines = [f'{what}: {value}' for what, value in about.items()]
    lines += [f'{one.name}: {one.version}' for one in allocators]
    return bullets(lines + ([f'command: `{command}`'] if command else []))


def medians(results, workload):
    """What each allocator's runs of a workload had, in the middle."""
    rows = [['', *(title for title, _ in METRICS.values())]]
    for name in [results.baseline, *results.others]:
        values = [results.median(workload, name, metric) for metric in METRICS]
        none = 'failed' if results.failed(workload, name) else '-'
        rows.append([name, *(none if value is None else text(value)
                             for value, (_, text) in zip(values, METRICS.values()))])
    return table(rows)


def ratio_text(interval):
    """As '0.92 [0.91, 0.94]'."""
    if not interval:
        return '-'
    return f'{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]'


def ratios(results, workload):
    """Each allocator's ratios to the baseline."""
    rows = [[f'to {results.baseline}', *COMPARED.values()]]
    rows += [[name, *(ratio_text(results.ratio(workload, name, metric)) for metric in COMPARED)]
             for name in results.others]
    return table(rows)


def means(results):
    """{title: group} of the geometric means: one for each group if there are several, and that of
    all, whose group is None."""
    groups = {f'geometric mean, {group or "others"}': group for group in results.groups()}
    return {**groups, 'geometric mean, all' if groups else 'geometric mean': None}


def mean_text(results, name, metric, group):
    """As '0.92 [0.91, 0.94]', with ' (4 of 5)' if workloads are left out."""
    n, total = results.in_mean(name, metric, group)
    return (ratio_text(results.mean_ratio(name, metric, group))
            + (f' ({n} of {total})' if 0 < n < total else ''))


def over_set(results, metric):
    """One metric's ratios of all workloads, and their geometric means."""
    rows = [[f'{COMPARED[metric]}, to {results.baseline}', *results.others]]
    for one in results.workloads:
        rows.append([one.name, *('failed' if results.failed(one.name, name)
                                 else ratio_text(results.ratio(one.name, name, metric))
                                 for name in results.others)])
    for title, group in means(results).items():
        rows.append([title, *(mean_text(results, name, metric, group)
                              for name in results.others)])
    return table(rows)


def compared(results):
    """Whether there are ratios: what reports figures of its own may do less under one than under another."""
    return any(not one.figures for one in results.workloads)


def verdicts(results, workload=None):
    """Sentences on what was compared; on all workloads also what goals were met."""
    names = results.others if compared(results) else []
    found = [results.verdict(name, workload) for name in names]
    if workload and len(results.workloads) > 1:
        return found
    return found + [said for one in results.allocators
                    if (said := figures.verdict(results, one.name))]


def figures_table(results, workloads=None):
    """What the workloads reported themselves; '' if they have no such figures."""
    rows = figures.rows(results, workloads or results.workloads)
    return table(rows) if len(rows) > 1 else ''


def trouble(results):
    """Lines on what failed, and on what a reader must know."""
    return [*(f'FAILED: {one.workload} under {one.allocator} {one.what}'
              for one in results.failures), *(f'Note: {note}' for note in results.notes)]


def rounds_text(results, workload):
    n = len(results.values(workload, results.baseline, 'time'))
    return 'One round.' if n == 1 else f'Medians of {n} rounds.'


def bullets(lines):
    return '\n'.join(f'- {line}' for line in lines)


def markdown(results):
    """Verdicts, failures, tables, and links to the plots."""
    several = len(results.workloads) > 1
    overall = verdicts(results, None if several else results.workloads[0].name)
    parts = ['## Verdict\n\n' + bullets(overall)]
    if lines := trouble(results):
        parts.append('## Failures and notes\n\n' + bullets(lines))
    if several:
        parts.append('## All workloads')
    if any(one.figures for one in results.workloads):
        parts += [figures_table(results), FIGURES_LEGEND]
    if _goals(results):
        parts.append('![figures over their goals](goals.svg)')
    for metric, what in COMPARED.items() if compared(results) else ():
        parts += [over_set(results, metric)] if several else []
        parts.append(f'![{what} relative to {results.baseline}]({metric}.svg)')
    parts.append(LEGEND)
    if compared(results):
        parts.append(RATIO_LEGEND.format(baseline=results.baseline))
    return '\n\n'.join(parts + [_workload_markdown(results, one, several)
                                for one in results.workloads])


def _workload_markdown(results, workload, several):
    name = workload.name
    parts = [f'## {name}', *filter(None, [workload.why, workload.source and
                                          f'Source: {workload.source}'])]
    parts += [bullets(found)] if several and (found := verdicts(results, name)) else []
    parts += [rounds_text(results, name), figures_table(results, [workload]) if several else '',
              medians(results, name), ratios(results, name) if compared(results) else '']
    parts = [part for part in parts if part]
    if any(results.measurements(name, one.name) for one in results.allocators):
        parts.append(f'![{name}: memory from start to end]({_file(name)}.svg)')
    return '\n\n'.join(parts)


# ---- Plots.

def _file(workload):
    return 'memory-' + re.sub(r'[^\w.-]', '_', workload)


def _draw(results, directory):
    for metric in COMPARED if compared(results) else ():
        _draw_ratios(results, directory / metric, metric)
    _draw_goals(results, directory / 'goals')
    for one in results.workloads:
        runs = {allocator.name: results.middle_run(one.name, allocator.name)
                for allocator in results.allocators}
        runs = {name: run for name, run in runs.items() if run}
        if runs:
            plots.memory(directory / _file(one.name), f'{one.name}: memory from start to end', runs)


def _goals(results):
    """What is drawn of the goals: those that any allocator has a figure for."""
    return {what: parts for what, parts in figures.of_goals(results).items()
            if any(part is not None for part in parts.values())}


def _draw_goals(results, path):
    found = _goals(results)
    if not found:
        return
    series = {one.name: [None if part[one.name] is None else (min(part[one.name], FARTHEST),) * 3
                         for part in found.values()] for one in results.allocators}
    plots.bars(path, 'Figures over their goals', list(found), series,
               'figure over its goal (the line); lower is better')


def _draw_ratios(results, path, metric):
    workloads = [one.name for one in results.workloads]
    titles = means(results) if len(workloads) > 1 else {}
    series = {}
    for name in results.others:
        intervals = [results.ratio(one, name, metric) for one in workloads]
        intervals += [results.mean_ratio(name, metric, group) for group in titles.values()]
        series[name] = [interval and interval[:3] for interval in intervals]
    plots.bars(path, f'{COMPARED[metric].capitalize()} relative to {results.baseline}',
               [*workloads, *titles], series,
               f'ratio to {results.baseline} (the line); lower is better',
               note='with 99% intervals')
