#!/usr/bin/python3
"""The acceptance trial of bench/compare, run by hand: does it tell a difference from noise?

    tests/bench/trial_compare.py [TIMES] [compare's own options]

TIMES (10) times it compares loam with itself under another name, which must come out as no
difference at least 9 times of 10; and glibc's malloc, behind an idle interposer, with ones that are
made worse: one spins for 2% of the time, one sleeps for 2%, one wastes 5% of memory.  These must be
found as often.
"""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from test_compare import COMPARE, PROGRAM, built

PASSED = 0.9


def compared(folder, options, names):
    """{allocator: verdict} of one run of compare."""
    argv = [COMPARE, '--output', folder, *options, '--', *PROGRAM]
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f'compare ended with {done.returncode}:\n{done.stderr}')
    [workload] = json.loads((Path(folder) / 'results.json').read_text())['workloads']
    rows = workload['allocators']
    for name in names:
        figures = {metric: '{value:.4f} [{low:.4f}, {high:.4f}]'.format(**interval)
                   for metric, interval in rows[name]['ratios'].items()}
        print(f'  {len(rows[name]["runs"])} rounds, {figures}')
        print(f'  {rows[name]["verdict"]}', flush=True)
    return {name: rows[name]['verdict'] for name in names}


def main():
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    more = sys.argv[2:]
    right = dict.fromkeys(('same', 'spins', 'sleeps', 'wastes'), 0)
    with tempfile.TemporaryDirectory() as folder:
        library = Path(subprocess.run(
            [sys.executable, '-c', 'from measure import build; print(build.built())'],
            cwd=COMPARE.parent, capture_output=True, text=True, check=True).stdout.strip())
        same = ['--baseline', 'loam', '--allocators', 'loam',
                '--with', f'same={library / "preload/libloam.so"}', *more]
        idle = built(folder, 'slow_malloc', '-DSLOW_PERCENT=0')
        worse = {'spins': built(folder, 'slow_malloc'),
                 'sleeps': built(folder, 'slow_malloc', '-DSLOW_SLEEPS=1'),
                 'wastes': built(folder, 'wasteful_malloc')}
        worse_options = ['--baseline', 'idle', '--allocators', 'idle', *more,
                         '--with', f'idle={idle}']
        for name, file in worse.items():
            worse_options += ['--with', f'{name}={file}']
        for number in range(1, times + 1):
            print(f'trial {number} of {times}', flush=True)
            said = compared(folder, same, ['same']) | compared(folder, worse_options, worse)
            right['same'] += not re.search(r' (is|uses) \S+ (faster|slower|more|less) ', said['same'])
            right['spins'] += ' slower than idle ' in said['spins']
            right['sleeps'] += ' slower than idle ' in said['sleeps']
            right['wastes'] += 'more memory' in said['wastes']
    for name, count in right.items():
        print(f'{name}: right in {count} of {times}')
    return min(right.values()) < PASSED * times


if __name__ == '__main__':
    sys.exit(main())
