#!/usr/bin/python3
"""Runs every misuse and every attack under loam at each level of harden, and checks what became of it.

usage: misuse.py [--update] [--table] [PROGRAM...]

PROGRAMs are those of misuse.c, misuse_cxx.cc and attacks.c, and LOAM_SO names the library; without, both
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
LEVELS = ('0', '1', '2', '3')
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
    targets = [f'tests/misuse/{name}' for name in ('misuse', 'misuse-cxx', 'attacks')]
    if not folder.exists():
        subprocess.run(['meson', 'setup', folder, '-Dbuildtype=release'], cwd=ROOT, stdout=sys.stderr, check=True)
    subprocess.run(['ninja', '-C', folder, 'preload/libloam.so', *targets], stdout=sys.stderr, check=True)
    os.environ['LOAM_SO'] = str(folder / 'preload/libloam.so')
    return [str(folder / target) for target in targets]


def cases(program):
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()


def outcome(program, case, environment):
    """How a case ended: 'silent', 'won', 'crashed', 'faulted', 'hung', or what was said before it was aborted."""
    try:
        done = subprocess.run([program, case], env={'PATH': '/usr/bin:/bin', **environment},
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
    """{key: outcome} of {key: (program, case, environment)}."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(work, pool.map(lambda key: outcome(*work[key]), work)))


def under_loam(programs, update):
    """{case: [{outcomes} at each level]}"""
    library = os.environ['LOAM_SO']
    work = {(case, level, time): (program, case, {'LD_PRELOAD': library, 'LOAM_OPTIONS': f'harden={level}'})
            for program in programs for case in cases(program) for level in LEVELS
            for time in range(TIMES_TO_UPDATE if update and TIMES[level] > 1 else TIMES[level])}
    results = {}
    for (case, level, _), ended in run_all(work).items():
        results.setdefault(case, [set() for _ in LEVELS])[int(level)].add(ended)
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
        for level, ended in zip(LEVELS, outcomes):
            allowed = wanted_here[int(level)].split(' or ') if len(wanted_here) == len(LEVELS) else []
            # Where chance decides, it has not shown all that it can do.
            by_chance = TIMES[level] > 1 and ('silent' in allowed or len(allowed) > 1)
            wrong += [f'{case}, harden={level}: {one}, instead of {" or ".join(allowed)}'
                      for one in sorted(ended) if one not in allowed and not by_chance]
            if level != '0' and ended & NEVER:
                wrong.append(f'{case}, harden={level}: must never end so: {" or ".join(ended)}')
    wrong += [f'{case}: is expected, but there is no such case' for case in wanted.keys() - results.keys()]
    for line in wrong:
        print(line)
    print(f'{len(results)} cases at {len(LEVELS)} levels, {len(wrong)} not as expected')
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
    done = run_all(work)
    columns = [*peers, *(f'loam {level}' for level in LEVELS)]
    lines = ['| case | ' + ' | '.join(columns) + ' |', '|---' * (len(columns) + 1) + '|']
    for case, outcomes in results.items():
        words = [words_of({done[case, name]}) for name in peers] + [words_of(level) for level in outcomes]
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
