#!/usr/bin/env python3
"""documents.py finds what it is there for: a copy of the tree, with one thing broken at a time."""
import subprocess
import sys
import tempfile
from pathlib import Path

from tree import listed

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
TABLE = 'docs/invariants.md'
NOBODY = 'zone_' + 'checks'  # no word of the tree

# What is broken, and what is said of it: file, text, what stands there instead, words.
BROKEN = (
    (TABLE, '| D1 to D3 |', '| D1 |', 'invariant D2: is of cache/depot.h, docs/invariants.md has None'),
    (TABLE, '`cache/depot.h`', '`cache/cache.h`', 'invariant D1: is of cache/depot.h'),
    ('src/cache/depot.h', ' *\tD3  ', ' *\tD4  ', 'invariant D4: is of cache/depot.h'),
    ('src/cache/depot.c', '"D1"', '"D9"', 'invariant D1: no check of its floor prints it'),
    ('src/cache/depot.c', '"D1"', '"D9"', 'invariant D9: a check prints it, no header has it'),
    ('docs/locking.md', '| `LOCK_DEPOT`', '| `LOCK_DEEP`', 'docs/locking.md: has '),
    ('README.md', 'docs/performance/README.md', 'docs/none/README.md', 'README.md: links to'),
    (TABLE, '`zone_check`', '`' + NOBODY + '`', f'names {NOBODY}, which is not in the source'),
)


def copy(to):
    for name in listed():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(['git', 'init', '-q', to], check=True)


def said(root):
    done = subprocess.run([sys.executable, HERE.with_name('documents.py'), root],
                          capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def main():
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copy(root)
        code, text = said(root)
        if code:
            failed.append(f'of the whole tree:\n{text}')
        for name, old, new, words in BROKEN:
            whole = (root / name).read_text()
            (root / name).write_text(whole.replace(old, new))
            code, text = said(root)
            (root / name).write_text(whole)
            if old not in whole or code != 1 or words not in text:
                failed.append(f'{name} with {new} for {old}: said with {code}:\n{text}')
    print('\n'.join(failed))
    return 1 if failed else 0


sys.exit(main())
