"""Signals that are not loam's concern, under guard: as they are with libc alone.

faults.py PROGRAM, which is faults.c, with the library in LOAM_SO.
"""
import os
import resource
import subprocess
import sys

# The rate at which every way has sampled objects before, but one at which a program finds no handler yet.
RATES = {'looked_for': 1000000}


def run(program, way, options):
    env = {'LD_PRELOAD': os.environ['LOAM_SO'], 'LOAM_OPTIONS': options} if options else {}
    done = subprocess.run([program] + way, env=env, capture_output=True, text=True,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
    return done.returncode, done.stdout, done.stderr


def main():
    program = sys.argv[1]
    ways = run(program, [], None)[1].split()
    failures = 0
    for way in ways:
        expected = run(program, [way], None)
        got = run(program, [way], f'guard={RATES.get(way, 50)}')
        if got != expected:
            failures += 1
            print(f'{way}: status, output and errors are {got}, not {expected}')
    print(f'{len(ways)} ways, {failures} not as with libc alone')
    return failures > 0 or not ways


sys.exit(main())
