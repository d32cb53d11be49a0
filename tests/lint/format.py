#!/usr/bin/env python3
"""The C sources are formatted as .clang-format says, and no line is over its column limit.

usage: format.py [--write] [PATH ...]

Without --write it prints how many lines of each file would change, and fails where one would.
PATH is a file or folder from the root; without any it is every folder that stands in FORMATTED.
"""
import difflib
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tree import SKIPPED, listed

ROOT = Path(__file__).resolve().parents[2]
FORMATTED = ('src', 'preload', 'include', 'tests', 'bench')
SUFFIXES = ('*.c', '*.h', '*.cc')
VERSION = '14'  # another version breaks other lines


def sources(folders):
    patterns = [f'{folder}/{suffix}' if (ROOT / folder).is_dir() else folder
                for folder in folders for suffix in SUFFIXES]
    return listed(*dict.fromkeys(patterns))


def formatted(name):
    done = subprocess.run(['clang-format', '--style=file', name], cwd=ROOT, capture_output=True,
                          text=True, check=True)
    return done.stdout


def changed(before, after):
    """How many lines differ, those that one line became counted each."""
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    return sum(max(a_end - a, b_end - b) for what, a, a_end, b, b_end in matcher.get_opcodes()
               if what != 'equal')


def too_long(text):
    limit = int(re.search(r'ColumnLimit: (\d+)', (ROOT / '.clang-format').read_text()).group(1))
    return [number for number, line in enumerate(text.splitlines(), 1)
            if len(line.expandtabs(8)) > limit]


def main():
    write = '--write' in sys.argv
    names = sources([path for path in sys.argv[1:] if path != '--write'] or FORMATTED)
    if not names:
        sys.exit('format.py: git knows no sources here')
    with ThreadPoolExecutor(2) as pool:
        results = list(zip(names, pool.map(formatted, names)))
    total = 0
    for name, after in results:
        before = (ROOT / name).read_text()
        lines = changed(before, after)
        if lines and write:
            (ROOT / name).write_text(after)
        elif lines:
            print(f'{name}: {lines} lines would change')
        for number in too_long(after if write else before):
            print(f'{name}:{number}: is longer than the limit')
            total += 1
        total += lines
    print(f'{total} lines in all')
    return 1 if total and not write else 0


def is_known():
    """Whether the clang-format that is here is the one whose lines are meant."""
    if not shutil.which('clang-format'):
        return False
    said = subprocess.run(['clang-format', '--version'], capture_output=True, text=True).stdout
    return f'version {VERSION}.' in said


if not is_known():
    print(f'skipped: there is no clang-format {VERSION}')
    sys.exit(SKIPPED)
sys.exit(main())
