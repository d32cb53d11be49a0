#!/usr/bin/python3
"""Runs every misuse and every attack under loam at each level of harden, and checks what became of it.

At the levels 0 and 1 each runs a second time in a program in which the sizes that it uses are hot; at 2 and 3
all are hot from the start.  A case of freed.cc is a place and a call: how those of a place end is one line.

usage: misuse.py [--update] [--table] [PROGRAM...]

PROGRAMs are those of misuse.c, misuse_cxx.cc, freed.cc and attacks.c, and LOAM_SO names the library; without, both
are built in build/misuse.  expected.txt says how each case must end; --update writes how it ended there,
to be looked at.  --table prints the table of docs/security/misuse.md: the same cases under other allocators,
as far as they are installed.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXPECTED = HERE / 'expected.txt'
# Level of harden, and whether sizes are hot.
RUNS = (('0', ''), ('1', ''), ('2', ''), ('3', ''), ('0', 'hot'), ('1', 'hot'))
RUNS_OF_A_PLACE = RUNS[:4]
# The library, and its Debian package.
PEERS = {'glibc': (None, None), 'jemalloc': ('libjemalloc.so.2', 'libjemalloc2'),
         'mimalloc': ('libmimalloc.so.2', 'libmimalloc2.0'),
         'tcmalloc': ('libtcmalloc_minimal.so.4', 'libtcmalloc-minimal4')}
LIBRARIES = pathlib.Path('/usr/lib/x86_64-linux-gnu')
SECONDS = 60
SILENT, WON, FAULTED = 0, 3, 6
# Where chance places objects, a case may end in more than one way; how often it is run.
TIMES = {'0': 1, '1': 1, '2': 3, '3': 3}
TIMES_TO_UPDATE = 100
# However chance has it.
NEVER = {'won', 'crashed', 'hung'}
# What follows the message: pointers, sizes and threads, which differ.
MESSAGE = re.compile(r'^loam: (.*?): 0x', re.MULTILINE)


def build():
    """Builds library and programs; the programs, and LOAM_SO is set."""
    folder = ROOT / 'build/misuse'
    targets = [f'tests/misuse/{name}' for name in ('misuse', 'misuse-cxx', 'freed', 'attacks')]
    if not folder.exists():
        subprocess.run(['meson', 'setup', folder, '-Dbuildtype=release'], cwd=ROOT, stdout=sys.stderr, check=True)
    subprocess.run(['ninja', '-C', folder, 'preload/libloam.so', *targets], stdout=sys.stderr, check=True)
    os.environ['LOAM_SO'] = str(folder / 'preload/libloam.so')
    return [str(folder / target) for target in targets]


def cases(program):
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()


def line_of(case):
    """The line of a case in expected.txt: its place, or itself."""
    return case.split(':')[0]


def runs_of(case):
    return RUNS_OF_A_PLACE if ':' in case else RUNS


def times(case, run):
    return 1 if ':' in case else TIMES[run[0]]


def anonymous(case, ended):
    """How a case ended, without the name of its call, if the message has the right one."""
    call = case.split(':')[1] if ':' in case else ''
    named = re.match(r'found: (realloc|malloc_usable_size|.*)\(\):', ended)
    if not call or not named:
        return ended
    # What frees may say so; at the levels with fences, by which function.
    asks = next((name for name in ('realloc', 'malloc_usable_size') if call.startswith(name)), None)
    right = named[1] == asks or (named[1] in ('free', 'free_sized', 'operator delete') and
                                 asks in (None, 'realloc') and (not asks or call == 'realloc_to_nothing'))
    return ended.replace(f'{named[1]}()', 'CALL()') if right else ended


def outcome(program, case, environment, hot=''):
    """How a case ended: 'silent', 'won', 'crashed', 'faulted', 'hung', or what was said before it was aborted."""
    try:
        done = subprocess.run([program, case, *hot.split()], env={'PATH': '/usr/bin:/bin', **environment},
                              capture_output=True, text=True, errors='replace', timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return 'hung'
    if done.returncode == SILENT:
        # An error that is told and ignored is found, too.
        return 'found: warns' if re.search('error|attempt', done.stderr) else 'silent'
    if done.returncode == WON:
        return 'won'
    if done.returncode == FAULTED:
        return 'faulted'
    if done.returncode == -signal.SIGABRT:
        said = MESSAGE.search(done.stderr)
        return f'found: {said[1]}' if said else 'found'
    if done.returncode in (-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGTRAP):
        return 'crashed'
    sys.exit(f'{program} {case}: exit status {done.returncode}\n{done.stderr}')


def run_all(work):
    """{key: outcome} of {key: (program, case, environment, hot or nothing)}."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(work, pool.map(lambda key: outcome(*work[key]), work)))


def under_loam(programs, update):
    """{line: [{outcomes} of each run]}"""
    # A build with all assertions would find what was overwritten before the program's next call does.
    fixed = {'LD_PRELOAD': os.environ['LOAM_SO'], 'LOAM_STEPS': '0'}
    work = {(case, run, time): (program, case, {**fixed, 'LOAM_OPTIONS': f'harden={run[0]}'}, run[1])
            for program in programs for case in cases(program) for run in runs_of(case)
            for time in range(TIMES_TO_UPDATE if update and times(case, run) > 1 else times(case, run))}
    results = {}
    for (case, run, _), ended in run_all(work).items():
        outcomes = results.setdefault(line_of(case), [set() for _ in runs_of(case)])
        outcomes[RUNS.index(run)].add(anonymous(case, ended))
    return results


def text_of(outcomes):
    """The outcomes of a case by level."""
    return ' | '.join(' or '.join(sorted(level)) for level in outcomes)


def expected():
    lines = EXPECTED.read_text().splitlines()
    return dict(line.split(': ', 1) for line in lines if line and not line.startswith('#'))


def heading():
    return ''.join(line + '\n' for line in EXPECTED.read_text().splitlines() if line.startswith('#'))


def check(results):
    wanted, wrong = expected(), []
    for case, outcomes in results.items():
        wanted_here = wanted.get(case, '').split(' | ')
        for i, ((level, hot), ended) in enumerate(zip(RUNS, outcomes)):
            allowed = wanted_here[i].split(' or ') if len(wanted_here) == len(outcomes) else []
            # Where chance decides, it has not shown all that it can do; but what is never silent is found.
            by_chance = TIMES[level] > 1 and ('silent' in allowed or len(allowed) > 1)
            wrong += [f'{case} {hot}, harden={level}: {one}, instead of {" or ".join(allowed)}' for one in sorted(ended)
                      if one not in allowed and not (by_chance and ('silent' in allowed or one.startswith('found')))]
            if level != '0' and ended & NEVER:
                wrong.append(f'{case} {hot}, harden={level}: must never end so: {" or ".join(ended)}')
    wrong += [f'{case}: is expected, but there is no such case' for case in wanted.keys() - results.keys()]
    for line in wrong:
        print(line)
    print(f'{len(results)} lines of {len(RUNS)} runs, {len(wrong)} not as expected')
    return not wrong


def words_of(outcomes):
    """A word or two for the table."""
    return ' or '.join(sorted({'found' if one.startswith('found') else one for one in outcomes}))


def table(programs, results):
    peers = {}
    for name, (file, package) in PEERS.items():
        if not file or (LIBRARIES / file).exists():
            peers[name] = file and LIBRARIES / file
        else:
            print(f'misuse.py: no {name} in the table: apt-get install {package}', file=sys.stderr)
    work = {(case, name): (program, case, {'LD_PRELOAD': str(file)} if file else {})
            for program in programs for case in cases(program) for name, file in peers.items()}
    done = {}
    for (case, name), ended in run_all(work).items():
        done.setdefault((line_of(case), name), set()).add(ended)
    columns = [*peers, *(f'loam {level} {hot}'.strip() for level, hot in RUNS)]
    lines = ['| case | ' + ' | '.join(columns) + ' |', '|---' * (len(columns) + 1) + '|']
    for case, outcomes in results.items():
        words = [words_of(done[case, name]) for name in peers] + [words_of(run) for run in outcomes]
        words += ['' for _ in columns[len(words):]]
        lines.append(f'| {case.replace("_", " ")} | ' + ' | '.join(words) + ' |')
    return '\n'.join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--update', action='store_true', help='write what happened to expected.txt')
    parser.add_argument('--table', action='store_true', help='print the table with other allocators')
    parser.add_argument('programs', nargs='*')
    arguments = parser.parse_args()
    programs = arguments.programs or build()
    results = under_loam(programs, arguments.update or arguments.table)
    if arguments.update:
        EXPECTED.write_text(heading() + ''.join(
            f'{case}: {text_of(outcomes)}\n' for case, outcomes in results.items()))
    if arguments.table:
        print(table(programs, results))
        return 0
    return 0 if check(results) else 1


if __name__ == '__main__':
    sys.exit(main())
