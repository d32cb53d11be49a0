"""The workloads that seeds draw, and where an allocator is furthest behind the best of the others.

A seed is a workload of the program beside this file (draw.h says what it draws), called seed-N.  What
nobody has chosen, nobody has tuned for: the seeds from 1 on are as good as any others.
"""
import re
import subprocess
from collections import namedtuple

from measure import build, report, stats
from measure.failure import Failure
from measure.run import Command
from measure.workload import CommandWorkload

QUICK_SCALE = 0.25
MOST_SEED = 2**64 - 1
RANKED = {'time': 'time', 'peak': 'peak memory'}

# One seed's row of a ranking.  ratio: stats.Interval of the allocator to the best other; peer: which
# that is; to_baseline: Interval, or None where that is the peer.
Row = namedtuple('Row', 'workload peer ratio to_baseline')


def seeds_of(text):
    """As '1-40,77': the numbers in order, each once."""
    found = []
    for part in text.split(','):
        match = re.fullmatch(r'(\d+)(?:-(\d+))?', part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last or last > MOST_SEED or last - first >= 10000:
            raise Failure(f'--seeds {text}: give numbers and ranges such as 1-40,77')
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def program():
    return build.built() / 'bench/drawn/drawn'


def argv_of(seed, *more):
    return [str(program()), '--seed', str(seed), *more]


def text_of(seed):
    """What a seed draws, in a line."""
    done = subprocess.run(argv_of(seed, '--describe', '1'), capture_output=True, text=True)
    if done.returncode:
        raise Failure(f'{program()} cannot be run: {done.stderr.strip()}')
    return done.stdout.strip()


def workload_of(seed):
    def command(dir, quick):
        return Command(argv_of(seed, *(['--scale', str(QUICK_SCALE)] if quick else [])))

    return CommandWorkload(f'seed-{seed}', f'Drawn: {text_of(seed)}.', '', command)


# ---- Where an allocator is behind.

def ranking(results, name, metric):
    """A Row for each workload that can be compared, worst first."""
    rows = [_row(results, name, metric, one) for one in results.workloads]
    return sorted(filter(None, rows), key=lambda row: -row.ratio.value)


def _row(results, name, metric, workload):
    def median(peer):
        return results.median(workload.name, peer, metric)
    names = [one.name for one in results.allocators]
    peers = [peer for peer in names if peer != name and median(peer) is not None]
    if not peers:
        return None
    best = min(peers, key=median)
    ratio = stats.ratio(results.values(workload.name, name, metric),
                        results.values(workload.name, best, metric))
    if not ratio:
        return None
    return Row(workload, best, ratio, None if best == results.baseline
               else results.ratio(workload.name, name, metric))


def mean_to_best(results, name, metric):
    """Interval of the geometric mean of the ratios to the best other of each workload."""
    return stats.mean_ratio([(results.values(row.workload.name, name, metric),
                              results.values(row.workload.name, row.peer, metric))
                             for row in ranking(results, name, metric)])


def _line(row, baseline):
    to_baseline = f', {row.to_baseline.value:.3f} of {baseline}' if row.to_baseline else ''
    return (f'{row.workload.name}: {report.ratio_text(row.ratio)} of {row.peer}{to_baseline}.'
            f' {row.workload.why}')


def behind(results, name):
    """A section of Markdown: by each of RANKED, all seeds with what they draw, the worst first."""
    parts = [f'## {name} beside the best other, seed by seed',
             'The best other is the one whose median is the lowest for that seed, so that no'
             ' allocator is as good as that over all of them.']
    for metric, what in RANKED.items():
        rows = ranking(results, name, metric)
        if not rows:
            continue
        mean = report.ratio_text(mean_to_best(results, name, metric))
        if len(rows) < len(results.workloads):
            mean += f' ({len(rows)} of {len(results.workloads)})'
        parts += [f'### {what.capitalize()}: geometric mean {mean}',
                  report.bullets(_line(row, results.baseline) for row in rows)]
    return '\n\n'.join(parts)


def as_json(results, name):
    return {metric: [{'workload': row.workload.name, 'peer': row.peer,
                      'ratio': row.ratio._asdict()}
                     for row in ranking(results, name, metric)] for metric in RANKED}
