"""What many processors would see of an allocator: the workloads on simulated ones.

A run is one process of scale.c, which follows the workload from its mark on.
"""
import json
import os
import pathlib
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass

from measure import build
from measure.failure import Failure
from scaling.names import Names

NOT_PERMITTED = 77          # exit status of scale.c
OPERATIONS_BEFORE = 60_000  # of each thread before the mark
FULL, QUICK = (200_000, 400_000), (20_000, 40_000)  # calls to warm up, calls to count
# AVX-512 addresses are scaled in a way of their own, and rep movsb takes a step for each byte.
TUNABLES = 'glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX2_Usable,-ERMS,-FSRM'


@dataclass(frozen=True)
class Work:
    """A workload of bench/macro with so much work that it does not end."""
    program: str
    scale: float        # for each thread
    least: float = 0    # of the whole
    by: int = 1         # threads for one of --threads

    def argv(self, folder, threads):
        scale = max(self.scale * threads, self.least)
        return [str(folder / self.program), '--threads', str(threads // self.by),
                '--scale', f'{min(scale, 1000):g}']


WORKLOADS = {
    'larson': Work('larson', scale=0.0125),     # 50,000 replacements a generation
    'xmalloc': Work('xmalloc', scale=0.02, least=1, by=2),
    'threadtest': Work('threadtest', scale=0.02, least=1),
    'server': Work('server', scale=1, least=10),
}


@dataclass
class Row:
    """What one allocator did; of counts, those of an operation."""
    workload: str
    threads: int
    allocator: str
    failure: str = ''
    operations: int = 0
    moved: float = 0        # lines between processors
    far: float = 0          # of these, between sockets
    allocator_moved: float = 0  # by instructions of the allocator
    own: float = 0          # of these, lines that were never part of a block
    upgrades: float = 0     # writes of the allocator that waited for other copies of its line
    atomics: float = 0
    locks: float = 0
    waits: float = 0        # acquisitions that found the lock taken
    held: float = 0         # share of the time that the most held lock is held
    system_calls: float = 0
    steps: float = 0        # instructions, the program's too
    locks_held: list = None     # [{name, held, acquisitions, waits}], the most held first
    functions: list = None      # [{name, moved, own, upgrades}] of the allocator
    lines: list = None          # [{name, moved, own, functions}] of the allocator


def tracer():
    path = build.built() / 'bench' / 'scaling' / 'scale'
    if not path.exists():
        raise Failure('processors are simulated on x86-64 alone')
    return path


def run(workload, threads, allocator, quick=False, options=()):
    """The Row of one run."""
    row = Row(workload, threads, allocator.name)
    warm_up, counted = QUICK if quick else FULL
    env = allocator.environment({'BENCH_MARK': str(OPERATIONS_BEFORE), 'LD_BIND_NOW': '1'})
    env.setdefault('GLIBC_TUNABLES', TUNABLES)
    with tempfile.TemporaryDirectory(prefix='bench-') as folder:
        output = pathlib.Path(folder, 'figures')
        argv = [tracer(), '-o', output, '-p', str(threads), '-w', str(warm_up),
                '-n', str(counted), *options]
        if allocator.path:
            argv += ['-l', allocator.path]
        for name, value in env.items():
            argv += ['-e', f'{name}={value}']
        work = WORKLOADS[workload].argv(build.built() / 'bench' / 'macro', threads)
        done = subprocess.run([*argv, '--', *work], cwd=folder, capture_output=True, text=True,
                              env=clean(os.environ), stdin=subprocess.DEVNULL)
        if done.returncode == NOT_PERMITTED:
            raise Failure(done.stderr.strip().splitlines()[-1])
        if done.returncode:
            row.failure = (done.stderr.strip().splitlines() or [f'status {done.returncode}'])[-1]
            return row
        figures = json.loads(output.read_text())
    if not figures['enough']:
        row.failure = 'ended too early'
        return row
    return fill(row, figures)


def clean(environment):
    return {name: value for name, value in environment.items()
            if not name.startswith(('LD_', 'BENCH_'))}


def fill(row, figures):
    """The figures of scale.c, by operation and with names."""
    n, names = figures['operations'], Names(figures['maps'])

    def both(*parts):
        return sum(figures[part]['near'] + figures[part]['far'] for part in parts) / n

    row.operations = n
    row.moved = both('program', 'allocator')
    row.far = (figures['program']['far'] + figures['allocator']['far']) / n
    row.allocator_moved, row.own = both('allocator'), both('own')
    row.upgrades = figures['upgrades']['allocator'] / n
    row.atomics, row.system_calls = figures['atomics'] / n, figures['system_calls'] / n
    row.steps = figures['steps'] / n
    row.locks = sum(lock['acquisitions'] for lock in figures['locks']) / n
    row.waits = sum(lock['waits'] for lock in figures['locks']) / n
    row.locks_held = most_held(figures, names)
    row.held = row.locks_held[0]['held'] if row.locks_held else 0
    row.functions, row.lines = functions(figures, names), lines(figures, names)
    return row


def most_held(figures, names, most=10):
    found = sorted(figures['locks'], key=lambda lock: -lock['held'])[:most]
    return [{'name': names.of(lock['address']), 'held': lock['held'] / figures['time'],
             'acquisitions': lock['acquisitions'], 'waits': lock['waits']} for lock in found]


def functions(figures, names, most=20):
    moved, own, upgrades = Counter(), Counter(), Counter()
    for ip, _, is_own, near, far, upgraded in figures['sites']:
        name = names.function(ip)
        moved[name] += near + far
        own[name] += (near + far) * is_own
        upgrades[name] += upgraded
    n = figures['operations']
    return [{'name': name, 'moved': count / n, 'own': own[name] / n,
             'upgrades': upgrades[name] / n} for name, count in moved.most_common(most)]


def lines(figures, names, most=20):
    moved, own, by = Counter(), {}, {}
    for ip, line, is_own, near, far, _ in figures['sites']:
        moved[line] += near + far
        own[line] = is_own
        by.setdefault(line, Counter())[names.function(ip)] += near + far
    n = figures['operations']
    return [{'name': names.of(line), 'moved': count / n, 'own': own[line],
             'functions': [name for name, _ in by[line].most_common(3)]}
            for line, count in moved.most_common(most)]


# ---- What is printed.

COLUMNS = (
    ('lines moved', 'moved', '{:.3f}'), ('between sockets', 'far', '{:.3f}'),
    ('by the allocator', 'allocator_moved', '{:.3f}'), ('its own', 'own', '{:.3f}'),
    ('atomics', 'atomics', '{:.3f}'), ('locks', 'locks', '{:.4f}'),
    ('waits', 'waits', '{:.5f}'), ('most held', 'held', '{:.1%}'),
    ('system calls', 'system_calls', '{:.4f}'))


def table(rows):
    """Of one workload and count of threads, as Markdown."""
    text = [f'| | {" | ".join(head for head, _, _ in COLUMNS)} |',
            '|---|' + '---:|' * len(COLUMNS)]
    for row in rows:
        cells = [form.format(getattr(row, field)) for _, field, form in COLUMNS]
        text.append(f'| {row.allocator} | {row.failure} |' if row.failure else
                    f'| {row.allocator} | {" | ".join(cells)} |')
    return '\n'.join(text)


def causes(row, most=8):
    """Which functions of the allocator moved lines, and which locks are held."""
    text = [f'{row.workload}, {row.threads} threads, {row.allocator}:']
    for one in row.functions[:most]:
        text.append(f'  {one["moved"]:.4f} moved ({one["own"]:.4f} own), {one["upgrades"]:.4f}'
                    f' upgrades: {one["name"]}')
    for one in row.lines[:most]:
        text.append(f'  {one["moved"]:.4f} moved: {"own " if one["own"] else ""}line of'
                    f' {one["name"]}, by {", ".join(one["functions"])}')
    for one in row.locks_held[:3]:
        text.append(f'  {one["held"]:.1%} held: {one["name"]}, {one["acquisitions"]} times,'
                    f' {one["waits"]} waited for')
    return '\n'.join(text)
