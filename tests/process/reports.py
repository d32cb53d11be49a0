"""What reports say at length: of the pointer and of who called, on standard error and as JSON.

usage: reports.py MISUSER LINKED_MISUSER: the second one is linked with libloam.a and libc, statically.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

# LOAM_OPTIONS, case of tests/misuse, what must be said, and the stacks that must be known.
CASES = [
    ('report=full', 'double_free_chunk',
     {'what': 'double free detected', 'call': 'free', 'kind': 'in free memory', 'arena': 1}, ['called']),
    ('report=full', 'free_of_stack', {'what': 'invalid pointer', 'call': 'free'}, ['called']),
    ('report=full,harden=2', 'overflow_small_by_8',
     {'what': 'heap buffer overflow', 'note': 'overwritten at byte 40', 'number': 40}, ['called']),
    ('guard=1', 'double_free_small',
     {'what': 'double free detected', 'kind': 'sampled object', 'bytes': 40, 'state': 'free'},
     ['called', 'allocated', 'freed']),
    ('guard=1', 'underflow_small_by_8',
     {'what': 'heap buffer underflow', 'note': 'overwritten at byte -8'}, ['called', 'allocated']),
    ('guard=1', 'overflow_small_by_8',
     {'what': 'heap buffer overflow', 'note': 'overwritten at byte 40', 'state': 'in use'}, ['called', 'allocated']),
    ('guard=1', 'write_after_free_small_at_0',
     {'what': 'use after free', 'bytes': 40, 'state': 'free'}, ['touched', 'allocated', 'freed']),
    ('', 'double_free_chunk', {'what': 'double free detected', 'call': 'free'}, []),
]
STACKS = {'called', 'touched', 'found', 'allocated', 'freed'}


def reported(command, library, options):
    """The JSON of a program's one report, {} without, and what stood on standard error."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, 'report')
        env = {'PATH': os.environ['PATH'], 'LOAM_OPTIONS': ','.join(filter(None, [options, f'report_file={file}']))}
        if library:
            env['LD_PRELOAD'] = library
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        with open(file) as lines:
            text = lines.read()
        return json.loads(text or '{}'), done.stderr


def faults(report, said, program, case, fields, stacks):
    """What is wrong with a report."""
    for name, value in fields.items():
        if report.get(name) != value:
            yield f'{name} is {report.get(name)!r} instead of {value!r}'
    if set(report) & STACKS != set(stacks):
        yield f'it has the stacks of {sorted(set(report) & STACKS)} instead of {sorted(stacks)}'
    for name in stacks:
        frames = report.get(name, {}).get('frames', [])
        own = [frame for frame in frames if frame.startswith(program + '+0x')]
        if not own:
            yield f'{name}: {program} is not among {frames}'
        elif not any(f' {case}+0x' in frame for frame in own) and 'stripped' not in program:
            yield f'{name}: no frame has the name of {case}: {frames}'
        first = frames[0] if frames else ''
        if not first.startswith(program + '+0x'):
            yield f'{name}: the first frame is not of the program: {frames}'
        if f'loam:   {name} by thread' not in said:
            yield f'no lines of who {name} it'
    for name in STACKS - set(stacks):
        if f'loam:   {name} by thread' in said:
            yield f'lines of who {name} it, which is not known'


def has_environment(library, options):
    """Whether a program finds its environment, though a library is opened before libc's own constructor ran."""
    env = {'PATH': os.environ['PATH'], 'LOAM_OPTIONS': options, 'LD_PRELOAD': library}
    said = subprocess.run(['env'], env=env, capture_output=True, text=True).stdout
    return {f'{name}={value}' for name, value in env.items()} <= set(said.splitlines())


def main():
    misuser, linked = map(os.path.realpath, sys.argv[1:])
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        # A name that JSON has to escape.
        odd = os.path.join(os.path.realpath(folder), 'a "b" \\ c')
        shutil.copy(misuser, odd)
        stripped, linked_stripped = (os.path.join(os.path.realpath(folder), name)
                                     for name in ('stripped', 'linked-stripped'))
        subprocess.run(['strip', '-o', stripped, misuser], check=True)
        subprocess.run(['strip', '-o', linked_stripped, linked], check=True)
        shared = os.environ['LOAM_SO']
        programs = ((misuser, shared), (odd, shared), (stripped, shared), (linked, None), (linked_stripped, None))
        for program, library in programs:
            for options, case, fields, stacks in CASES:
                report, said = reported([program, case], library, options)
                for fault in faults(report, said, program, case, fields, stacks):
                    failed += 1
                    print(f'{os.path.basename(program)} {case}, LOAM_OPTIONS={options}: {fault}\n{report}\n{said}')
    for options in 'report=full', 'guard=1000':
        if not has_environment(shared, options):
            failed += 1
            print(f'LOAM_OPTIONS={options}: a program has lost its environment')
    print(f'{len(CASES)} cases of {len(programs)} programs, {failed} faults')
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
