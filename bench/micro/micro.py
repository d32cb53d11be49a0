#!/usr/bin/python3
"""Runs the microbenchmarks under several allocators in turn, and merges what they say.

Each row of each repetition is a process of its own, so that no row finds what another left in
the heap (but for quick runs, where an executable is one process); and the allocators take turns,
so that whatever else the machine does falls on all of them.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from measure import allocators as known_allocators
from measure import build
from measure.failure import Failure, Parser, run_main
from measure.progress import Progress
from measure.report import prepared
from measure.run import signal_name
from micro import figures, merge, table

NAMES = ('hot_pair', 'batches', 'replacement', 'calloc', 'realloc', 'aligned', 'remote_free',
         'threads', 'huge')
QUICK_ROUNDS = 4
FULL_ROUNDS = 4
TIMEOUT = 600   # seconds, for an executable that runs ten in a full run


def rounds_of(quick):
    return QUICK_ROUNDS if quick else FULL_ROUNDS


def steps(allocators, quick, only=NAMES):
    """The steps of progress that run() takes."""
    return len(only) * len(allocators) * rounds_of(quick)


def run(allocators, quick, out_dir, progress=None, only=NAMES):
    """Runs all, writes results.json, report.md and figures to out_dir; returns the rows.

    The first of the allocators is the baseline.
    """
    progress = progress or Progress(steps(allocators, quick, only), 'micro')
    out_dir = prepared(out_dir)
    rows = []
    for name in only:
        runs = _alternate(name, allocators, quick, progress)
        rows += merge.rows_of(name, runs, allocators[0].name)
    progress.done()
    write(rows, allocators, out_dir)
    return rows


def write(rows, allocators, out_dir):
    versions = {allocator.name: allocator.version for allocator in allocators}
    report = {'allocators': versions, 'rows': rows}
    (out_dir / 'results.json').write_text(json.dumps(report, indent=1) + '\n')
    drawn = figures.draw(rows, list(versions), out_dir)
    (out_dir / 'report.md').write_text(table.markdown(rows, versions, drawn))


def _alternate(name, allocators, quick, progress):
    """A B C, C B A, ...: {allocator: [what a round said, ...], or what went wrong}."""
    runs = {allocator.name: [] for allocator in allocators}
    rounds, listed = rounds_of(quick), [] if quick else _listed(name)
    for number in range(1, rounds + 1):
        for allocator in allocators if number % 2 else reversed(allocators):
            progress.step(f'{name} under {allocator.name}, round {number} of {rounds}')
            if isinstance(runs[allocator.name], list):
                said = _one(name, allocator, ['--quick']) if quick else \
                    _row_by_row(name, allocator, listed)
                if isinstance(said, str):
                    runs[allocator.name] = f'{said} in round {number}'
                else:
                    runs[allocator.name].append(said)
    return runs


def _listed(name):
    """The rows of an executable."""
    program = build.built() / 'bench/micro' / name
    try:
        done = subprocess.run([program, '--benchmark_list_tests'], stdout=subprocess.PIPE, text=True)
    except OSError as error:
        raise Failure(f'{program} cannot be run: {error.strerror}')
    if done.returncode or not done.stdout:
        raise Failure(f'{program} lists no rows: it ended with status {done.returncode}')
    return merge.rows_listed(done.stdout)


def _row_by_row(name, allocator, listed):
    """What _one() says of all rows, each in a process of its own."""
    rows, context = {}, None
    for row in listed:
        said = _one(name, allocator, [f'--benchmark_filter=^{row}/(latency|min_time|iterations)'])
        if isinstance(said, str):
            return f'{said}, in {row},'
        context, one = said
        rows |= one
    return context, rows


def _one(name, allocator, arguments):
    """One process: what merge.read() makes of it, or what went wrong."""
    program = build.built() / 'bench/micro' / name
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / 'out.json'
        command = [program, *arguments, f'--benchmark_out={out}', '--benchmark_out_format=json']
        try:
            done = subprocess.run(command, env=allocator.environment(os.environ), text=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return f'not done after {TIMEOUT} seconds'
        except OSError as error:
            raise Failure(f'{program} cannot be run: {error.strerror}')
        if done.returncode < 0:
            return f'crashed with {signal_name(-done.returncode)}'
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ['nothing said']
            return f'ended with status {done.returncode} ({last[0]})'
        return merge.read(json.loads(out.read_text()))


def smoke(allocators, only=NAMES):
    """Every row once, and a look at what it says; returns the number of rows."""
    count = 0
    for name in only:
        for allocator in allocators:
            said = _one(name, allocator, ['--smoke'])
            if isinstance(said, str):
                raise Failure(f'{name} under {allocator.name} {said}')
            count += len(said[1])
            for row, one in said[1].items():
                _sound(f'{row} under {allocator.name}', one)
    return count


def _sound(what, one):
    """Time went by, calls were timed, and no percentile is below the one before it."""
    if one['failure']:
        raise Failure(f'{what}: {one["failure"]}')
    if not one['ns'] or one['ns'] <= 0:
        raise Failure(f'{what} took no time')
    if not one['latency']:
        raise Failure(f'{what} timed no call')
    for call, values in one['latency'].items():
        rising = [values[name] for name in merge.PERCENTILES if name in values]
        if rising != sorted(rising) or values['samples'] < 1:
            raise Failure(f'{what}: the percentiles of {call} do not rise: {values}')


def options():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true',
                        help='fewer rows, less time each: a minute and a half, not 25')
    parser.add_argument('--smoke', action='store_true',
                        help='every row once, in seconds; only whether they work')
    parser.add_argument('--only', action='append', metavar='NAME', choices=NAMES,
                        help=f'one of {", ".join(NAMES)}; may be given again')
    parser.add_argument('--allocators', metavar='A,B,...',
                        default=','.join(known_allocators.known()),
                        help='which to compare (%(default)s); glibc is always the baseline')
    parser.add_argument('--with', dest='extra', action='append', default=[],
                        metavar='NAME=FILE', help='another allocator, a shared library')
    parser.add_argument('--output', metavar='DIR', default='micro-report',
                        help='where the report goes (%(default)s)')
    return parser.parse_args()


def _extra(pairs):
    for pair in pairs:
        if not all(pair.partition('=')):
            raise Failure(f'--with {pair}: give NAME=FILE')
    return dict(pair.split('=', 1) for pair in pairs)


def main():
    given = options()
    extra = _extra(given.extra)
    names = [name for name in given.allocators.split(',') if name]
    only = given.only or NAMES
    chosen = known_allocators.find(names, extra)
    if given.smoke:
        wanted = [one for one in chosen if one.name in (*names, *extra)]
        print(f'{smoke(wanted, only)} rows work')
        return 0
    rows = run(chosen, given.quick, given.output, only=only)
    print(table.summary(rows, [allocator.name for allocator in chosen]))
    print(f'\nThe report is {given.output}/report.md')
    return 1 if any(row['failure'] for row in rows) else 0


if __name__ == '__main__':
    run_main(main)
