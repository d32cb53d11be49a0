#!/usr/bin/env python3
"""The documents say what is there.

1. Every file that a document links to or names exists, and so does each that a comment names.
2. Every function that a document names is in the source.
3. The table of docs/locking.md has the ranks of src/os/lock.h, in their order.
4. Each invariant's label stands in a header's comment, in the table of docs/invariants.md beside
   that header, and in a check of the same floor that prints it; no check prints another.
   tests/lint/proofs.py shows that each of these checks can fail.

usage: documents.py [ROOT], of another tree
"""
import re
import sys
from collections import namedtuple
from pathlib import Path

import tree

ROOT = Path(sys.argv[1]) if __name__ == '__main__' and sys.argv[1:] else Path(__file__).resolve().parents[2]


def listed(*patterns):
    return tree.listed(*patterns, root=ROOT)


# Logs and printed tables: what they name may be gone since.
HISTORY = ('docs/performance/experiments.md', 'docs/performance/results.md',
           'docs/security/misuse.md', 'docs/options.md')

FOLDERS = ('', 'src', 'tests', 'tests/unit', 'docs', 'docs/security', 'docs/performance', 'include')
SUFFIXES = '(?:c|cc|h|py|sh|md|txt|def|map|ld|S|pml|build|in)'
PATH = re.compile(rf'(?<![\w/.<*$-])(?:\.\./)*((?:[\w.-]+/)*[\w.-]+\.{SUFFIXES})(?![\w/(*-])')
FUNCTION = re.compile(r'`([a-z][a-z0-9]*(?:_[a-z0-9]+)+)(?:\(\))?`')
LABEL = re.compile(r'^ \*\s+([A-Z]\d+)\s', re.M)

# What stands for any name.
OTHERS = re.compile(r'.*\bNAME\.')


def read(path):
    return (ROOT / path).read_text()


def exists(path, beside):
    return any((ROOT / folder / path).exists() for folder in (*FOLDERS, beside))


def comments(text):
    return '\n'.join(re.findall(r'/\*.*?\*/', text, re.S))


def wrong_paths(name, text):
    for path in dict.fromkeys(PATH.findall(text)):
        if '/' in path and not OTHERS.match(path) and not exists(path, Path(name).parent):
            yield f'{name}: names {path}, which does not exist'


def wrong_links(name, text):
    for link in dict.fromkeys(re.findall(r'\]\(([^)#:]+)[^):]*\)', text)):
        if not (ROOT / name).parent.joinpath(link).exists():
            yield f'{name}: links to {link}, which does not exist'


def wrong_functions(name, text, words):
    for function in dict.fromkeys(FUNCTION.findall(text)):
        if function not in words:
            yield f'{name}: names {function}, which is not in the source'


def wrong_ranks():
    enum = re.search(r'enum lock_rank \{(.*?)\}', read('src/os/lock.h'), re.S).group(1)
    ranks = [rank for rank in re.findall(r'\b(LOCK_\w+)', enum) if rank != 'LOCK_RANKS']
    table = re.findall(r'^\| `(LOCK_\w+)`', read('docs/locking.md'), re.M)
    if ranks != table:
        yield f'docs/locking.md: has {" ".join(table)}, src/os/lock.h has {" ".join(ranks)}'


Row = namedtuple('Row', 'header check test')
ROW = re.compile(r'^\| ([A-Z]\d[^|]*?) \|[^|]*\| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|$', re.M)


def rows_of_table():
    """Label to its row in docs/invariants.md."""
    labels = {}
    for cell, *row in ROW.findall(read('docs/invariants.md')):
        numbers = [int(number) for number in re.findall(r'\d+', cell)]
        if ' to ' in cell:
            numbers = range(numbers[0], numbers[1] + 1)
        labels |= {f'{cell[0]}{number}': Row(*row) for number in numbers}
    return labels


def wrong_labels():
    table = {label: row.header for label, row in rows_of_table().items()}
    headers = {label: name.removeprefix('src/') for name in listed('src/*.h')
               for label in LABEL.findall(read(name))}
    printed = {}
    for name in listed('src/*.c', 'src/*.h'):
        for label in re.findall(r'"([A-Z]\d+)"', read(name)):
            printed.setdefault(label, set()).add(name.split('/')[1])
    for label in sorted({*table, *headers}):
        if table.get(label) != headers.get(label):
            yield (f'invariant {label}: is of {headers.get(label)}, '
                   f'docs/invariants.md has {table.get(label)}')
        if headers.get(label, '').split('/')[0] not in printed.get(label, ()):
            yield f'invariant {label}: no check of its floor prints it'
    for label in sorted({*printed} - {*headers}):
        yield f'invariant {label}: a check prints it, no header has it'


def main():
    documents = [name for name in listed('*.md') if name not in HISTORY]
    sources = listed('src/*.c', 'src/*.h', 'preload/*', 'include/*.h')
    words = set(re.findall(r'\w+', '\n'.join(read(name) for name in listed(
        'src/*', 'preload/*', 'include/*', 'tests/*.c', 'tests/*.h', 'tests/*.py', 'meson_options.txt'))))
    wrong = [*wrong_ranks(), *wrong_labels()]
    for name in documents:
        for wrong_of in (wrong_links, wrong_paths):
            wrong += wrong_of(name, read(name))
        wrong += wrong_functions(name, read(name), words)
    for name in sources:
        wrong += wrong_paths(name, comments(read(name)))
    print('\n'.join(wrong))
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
