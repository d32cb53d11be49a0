#!/usr/bin/python3
"""Counts the instructions of the commonest operations under callgrind.

usage: instructions.py [--update] [--other-compiler] [PROGRAM]

PROGRAM is that of operations.c; LOAM_SO the library, or the one of PROGRAM's build.  The counts
must be those of the table in docs/performance/instructions.md, which says what is in them;
--update writes them there.  --other-compiler: the table is not of this build's compiler, and
only the limit of the hot pair holds.
"""

import argparse
import concurrent.futures
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/performance/instructions.md"
BUILT = ROOT / "build/tests-release/tests/evidence/operations"
ROW = re.compile(r"^(\| `([\w-]+)` \| .* \| )(\d+)( \|)$", re.MULTILINE)
SYSTEM = re.compile(r"/(libc|libpthread|ld-linux[\w-]*)\.so[.\d]*$")

HOT_PAIRS = ("pair-16", "pair-64", "pair-200", "pair-1000")
MOST = 54
N = 8192
PROCESSES = 2


def operations(program):
    """By name: the empty loop, and LOAM_OPTIONS."""
    text = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return {name: (empty, options)
            for name, empty, options in (line.split(" ") for line in text.splitlines())}


def cost(profile):
    """The instructions in callgrind's output without libc's.  Some of loam's are in sections that
    it gives to no file."""
    total, counts, is_call = 0, False, False
    for line in profile.splitlines():
        if line.startswith("ob="):
            counts = not SYSTEM.search(line)
        elif re.match(r"\d+ \d+$", line):
            total += int(line.split()[1]) if counts and not is_call else 0
        is_call = line.startswith("calls=")
    return total


def instructions(program, library, name, options, n):
    env = {"PATH": "/usr/bin:/bin", "LD_PRELOAD": library, "LOAM_OPTIONS": options}
    with tempfile.NamedTemporaryFile() as output:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output.name}",
                   "--compress-strings=no", "--compress-pos=no", program, name, str(n)]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        profile = pathlib.Path(output.name).read_text()
    if done.returncode != 0:
        sys.exit(f"{name} ended with {done.returncode}:\n{done.stderr}")
    if f"={library}\n" not in profile:
        sys.exit(f"{name} did not run on {library}")
    return cost(profile)


def counts(program, library, known):
    """Instructions of each operation, by name."""
    runs = [(name, n) for name in known for n in (N, 2 * N)]
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        found = dict(zip(runs, pool.map(
            lambda run: instructions(program, library, run[0], known[run[0]][1], run[1]), runs)))
    each = {name: (found[name, 2 * N] - found[name, N]) / N for name in known}
    return {name: each[name] - each[empty] for name, (empty, _) in known.items() if name != empty}


def check_rows(table, known):
    """Every operation has a row, and every row an operation."""
    differing = set(table) ^ {name for name, (empty, _) in known.items() if name != empty}
    if differing:
        sys.exit(f"{DOCUMENT}: rows and operations differ: {' '.join(sorted(differing))}")


def judge(name, count, row):
    """What is to be said of an operation, and whether it fails."""
    # What a start costs varies by some hundred instructions, a few hundredths of each operation.
    if name in HOT_PAIRS and round(count) > MOST:
        return f"over {MOST}, the most for a hot pair", True
    if row is None:
        return "", False
    margin = math.ceil(row * 0.02)
    if count > row + margin:
        return f"{count - row:.2f} over its row", True
    if count < row - margin:
        return f"{row - count:.2f} under its row: the table may be lowered", False
    return "", False


def compare(found, table):
    """Prints each operation beside its row; whether one has too many instructions."""
    failed = False
    for name, count in found.items():
        row = table.get(name)
        words, fails = judge(name, count, row)
        print(f"{name:14} {count:9.2f}   row {row or 'none':>5}   {words}")
        failed |= fails
    return failed


def update(found, text):
    DOCUMENT.write_text(ROW.sub(lambda m: f"{m[1]}{round(found[m[2]])}{m[4]}", text))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--other-compiler", action="store_true")
    parser.add_argument("program", nargs="?", default=BUILT, metavar="PROGRAM")
    return parser.parse_args()


def main():
    given = arguments()
    program = os.path.realpath(given.program)
    library = os.path.realpath(os.environ.get("LOAM_SO") or
                               pathlib.Path(program).parents[2] / "preload/libloam.so")
    text = DOCUMENT.read_text()
    table = {m[2]: int(m[3]) for m in ROW.finditer(text)}
    known = operations(program)
    check_rows(table, known)
    found = counts(program, library, known)
    if given.update:
        update(found, text)
        table = {name: round(count) for name, count in found.items()}
    failed = compare(found, {} if given.other_compiler else table)
    if failed:
        print(f"\n{ROOT}/tests/evidence/instructions.py --update {program}\nwrites these into "
              f"{DOCUMENT.relative_to(ROOT)}; the commit then says why they are more.")
    return failed


if __name__ == "__main__":
    sys.exit(main())
