"""Counts the instructions of a malloc/free pair of a hot class under callgrind.

usage: instructions.py PAIR      (PAIR: the program of pair.c; LOAM_SO: the library)

The difference between N and 2N pairs leaves out all that is done once; the same difference of
an empty loop leaves out the loop.  Calls, their way through the PLT and all default checks
are in.  What callgrind counts is the same on every machine for the same code.
"""

import os
import re
import subprocess
import sys

MOST = 56
N = 20000


def instructions(program, n, size):
    env = dict(os.environ, LD_PRELOAD=os.environ["LOAM_SO"])
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
               program, str(n), str(size)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def each(program, size):
    return (instructions(program, 2 * N, size) - instructions(program, N, size)) / N


def main():
    program = sys.argv[1]
    loop = each(program, 0)
    failed = False
    for size in (16, 64, 200, 1000):
        count = each(program, size) - loop
        print(f"{size:5} bytes: {count:.2f} instructions a pair, at most {MOST}")
        failed |= count > MOST
    return failed


if __name__ == "__main__":
    sys.exit(main())
