#!/usr/bin/python3
"""What a process on loam pays while `loam top` and `loam map` look at it.

usage: looked_at.py [--seconds N] [--rounds N] CROWD

CROWD is that of tests/look/crowd.c, LOAM_SO the library.  32 threads allocate and free; for so many seconds nobody looks,
in another process `loam top` does once a second, in a third one `loam map` draws it again and again; and so on.  Printed
are the sums of all rounds, by operation of the threads, so that no figure depends on how much of the processors they had:

    instructions   that the process itself executed, in user mode; where perf can count them
    faults/K       page faults, of a thousand operations
    waits/M        of a million operations, waits for reader-writer semaphores of the kernel, of which the lock of the process's
                   mappings is one; as root
    cpu ns         processor time: the only figure that wants an idle machine

Nothing is asserted.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOOK = Path(__file__).resolve().parents[2] / 'preload/look'
EVENTS = {'instructions': 'instructions:u', 'faults': 'page-faults', 'waits': 'lock:contention_begin'}
SEMAPHORES = 'flags == 2 || flags == 4'


def can_count(event):
    return subprocess.run(['perf', 'stat', '-x,', '-e', event, 'true'], capture_output=True, text=True).stderr.strip()[:1].isdigit()


class Crowd:
    """Under perf from its start to its end."""

    def __init__(self, program, events, report):
        counts = [word for name in events for word in ('-e', EVENTS[name], *(('--filter', SEMAPHORES) if name == 'waits' else ()))]
        self.perf = subprocess.Popen(['perf', 'stat', '-x,', '-o', report, *counts, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     text=True, env=os.environ | {'LD_PRELOAD': os.environ['LOAM_SO']})
        self.perf.stdout.readline()
        children = Path(f'/proc/{self.perf.pid}/task/{self.perf.pid}/children').read_text().split()
        self.pid, self.events, self.report = children[0], events, report

    def end(self):
        """All that was counted, with its operations and nanoseconds of processor time."""
        said = self.perf.communicate('work\n')[0].split()
        rows = [line.split(',') for line in Path(self.report).read_text().splitlines() if line[:1].isdigit()]
        return dict(zip(self.events, (int(row[0]) for row in rows))) | {'operations': int(said[0]), 'cpu': int(said[1])}


def nobody(pid, until):
    time.sleep(until - time.monotonic())


def top(pid, until):
    while time.monotonic() < until - 1:
        subprocess.run([LOOK / 'top', str(pid), '--once'], stdout=subprocess.DEVNULL, check=True)
        time.sleep(1)


def draw(pid, until):
    while time.monotonic() < until:
        subprocess.run([LOOK / 'map', str(pid)], stdout=subprocess.DEVNULL, check=True)


def row(name, sums):
    n = sums['operations']

    def by(key, scale=1, form='.1f'):
        return format(sums[key] * scale / n, form) if key in sums else '-'
    print(f'{name:12}{n:14,}{by("instructions"):>14}{by("faults", 1000, ".3f"):>10}{by("waits", 1e6, ".2f"):>10}{by("cpu"):>9}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seconds', type=float, default=10)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('crowd')
    arguments = parser.parse_args()
    kinds = {'nobody': nobody, 'top': top, 'map': draw}
    events = [name for name in EVENTS if can_count(EVENTS[name])]
    sums = {name: {} for name in kinds}
    for _ in range(arguments.rounds):
        for name, look in kinds.items():
            with tempfile.NamedTemporaryFile() as report:
                crowd = Crowd(arguments.crowd, events, report.name)
                try:
                    look(crowd.pid, time.monotonic() + arguments.seconds)
                    found = crowd.end()
                finally:
                    crowd.perf.kill()
                for key, value in found.items():
                    sums[name][key] = sums[name].get(key, 0) + value
    print(f'{"who looks":12}{"operations":>14}{"instructions":>14}{"faults/K":>10}{"waits/M":>10}{"cpu ns":>9}')
    for name in kinds:
        row(name, sums[name])


if __name__ == '__main__':
    sys.exit(main())
