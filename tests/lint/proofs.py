#!/usr/bin/env python3
"""Each invariant of docs/invariants.md is shown to be broken where its row says that it is tested.

usage: proofs.py FOLDER, where the unit tests were built

Each test that the table names runs once; among what it prints must be "LABEL does not hold" for
each label of its rows.  A proof that can find nothing would be worth nothing.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

from documents import rows_of_table

SKIPPED = 77


def printed(program):
    """The labels that a test says do not hold, and whether some of it was skipped."""
    environment = {**os.environ, 'MALLOC_PERTURB_': '0'}
    done = subprocess.run([program], capture_output=True, text=True, errors='replace',
                          env=environment)
    return set(re.findall(r'\b([A-Z]\d+) does not hold', done.stdout + done.stderr)), done.returncode == SKIPPED


def main():
    folder, wrong, labels_of = Path(sys.argv[1]), [], {}
    for label, row in rows_of_table().items():
        floor, test = re.fullmatch(r'unit/(\w+)/test_(\w+)\.c', row.test).groups()
        labels_of.setdefault(f'unit-{floor}-{test}', []).append(label)
    for program, labels in labels_of.items():
        found, skipped = printed(folder / program)
        missing = [label for label in labels if label not in found]
        if skipped and missing:
            print(f'{program}: skipped, and with it {", ".join(missing)}')
        else:
            wrong += [f'invariant {label}: {program} does not show that its proof can fail' for label in missing]
    print('\n'.join(wrong))
    return 1 if wrong or not labels_of else 0


sys.exit(main())
