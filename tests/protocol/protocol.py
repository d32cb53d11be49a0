#!/usr/bin/python3
"""Checks models of loam's protocols with spin: all states of each, and that what breaks them is found.

usage: protocol.py MODEL.pml

Each model proves its assertions, and that no process waits for ever; with BROKEN defined, as its comment says,
it must not, or it would prove nothing; nor with any other name that begins so.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

DEPTH = 1000000


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f'{" ".join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}')
    return done.stdout


def errors(model, defines):
    """How many errors spin finds, and how many states it looked at."""
    with tempfile.TemporaryDirectory() as folder:
        run(['spin', *defines, '-a', str(model)], folder)
        run(['gcc', '-O2', '-w', '-DSAFETY', '-DCOLLAPSE', '-o', 'pan', 'pan.c'], folder)
        text = run(['./pan', f'-m{DEPTH}'], folder)
    if 'max search depth too small' in text or 'out of memory' in text:
        sys.exit(f'{model.name}: not all states were looked at\n{text}')
    return (int(re.search(r'errors: (\d+)', text)[1]),
            int(float(re.search(r'([\d.e+]+) states, stored', text)[1])), text)


def main():
    model = pathlib.Path(sys.argv[1]).resolve()
    found, states, text = errors(model, [])
    if found:
        sys.exit(f'{model.name}: spin found errors\n{text}')
    variants = sorted({'BROKEN', *re.findall(r'BROKEN_\w+', model.read_text())})
    for variant in variants:
        if not errors(model, [f'-D{variant}'])[0]:
            sys.exit(f'{model.name}: with {variant} spin finds nothing: it proves nothing')
    print(f'{model.name}: {states} states, no error; found: {", ".join(variants)}')


if __name__ == '__main__':
    main()
