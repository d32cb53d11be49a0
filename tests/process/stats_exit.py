"""The line for people of stats=exit: its figures against those that the program has itself.

stats_exit.py HOLDER, with the library in LOAM_SO.
"""
import os
import re
import subprocess
import sys

LINE = (r'loam: (\S+), process (\d+): ([\d.]+) MiB in use, ([\d.]+) free and kept, ([\d.]+) metadata; '
        r'the process holds ([\d.]+) MiB \(RSS\), at most ([\d.]+)$')
MIB = 2 ** 20
# What headers, size classes and the C library's own blocks add at most, as a share.
MORE = 1.1
# What is in RAM without being loam's: code, stacks, and pages that were not there when the program looked.
OTHER = 4


def wrong(holder, step):
    env = {'LD_PRELOAD': os.environ['LOAM_SO'], 'LOAM_OPTIONS': 'stats=exit'}
    done = subprocess.run([holder, str(step)], env=env, capture_output=True, text=True, check=True)
    first = done.stderr.splitlines()[0]
    print(done.stdout + first)
    match = re.fullmatch(LINE, first)
    if not match:
        return ['the form of the line']
    pid, held, freed, resident = map(int, done.stdout.split())
    held, freed, resident = held / MIB, freed / MIB, resident / MIB
    in_use, kept, metadata, rss, most = map(float, match.groups()[2:])
    checks = {'the program': match[1] == holder,
              'its number': int(match[2]) == pid,
              'in use': held - 0.1 <= in_use <= held * MORE + 0.2,
              'RSS': abs(rss - resident) <= 1,
              'the peak': rss <= most,
              'the sum is what is in RAM': abs(in_use + kept + metadata - rss) <= OTHER}
    if step > 1:  # every page has blocks in use, and none can go back to the system
        checks['kept'] = freed * 0.95 <= kept <= freed * MORE + 1
    if step == 1:
        checks['peak of what was freed'] = most >= 40
    return [what for what, holds in checks.items() if not holds]


def main(holder):
    failures = [f'with a step of {step}: {what}' for step in (0, 2, 3, 1) for what in wrong(holder, step)]
    print('\n'.join(failures))
    return len(failures) > 0


sys.exit(main(os.path.realpath(sys.argv[1])))
