"""Builds each configuration of loam, runs its tests, and counts; tests/run installs, then calls it.

Each configuration has a build folder of its own, build/tests-NAME, which later runs bring up to
date.  What failed is shown at the end, with the command that runs it alone, and named again in the
last lines, which are all that some keep.  A build that fails, and a configuration in which no test
ran, count as one failed.
"""
import argparse
import fcntl
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPILERS = {'gcc': 'g++', 'clang': 'clang++'}
TAIL = 100  # lines shown of a failure's output


@dataclass(frozen=True)
class Configuration:
    name: str
    cc: str
    options: str        # for meson setup
    tests: str = ''     # for meson test: which suites, under what
    build: str = ''     # the configuration whose build it shares, if not its own

    @property
    def folder(self):
        return ROOT / 'build' / f'tests-{self.build or self.name}'


RELEASE = '-Dbuildtype=release -Dassert_level=0'
CHECKED = '-Dbuildtype=debugoptimized -Dassert_level=2'
# What hangs is ended, and a machine may be slow: the timeouts are of one that is idle.
PATIENT = '--timeout-multiplier=3'
SHORT = '--no-suite=programs --no-suite=protocol --no-suite=install'
# Cross-built, and run by qemu-user, under which glibc's malloc fails some of the tests that it proves.
AARCH64 = '-Dbuildtype=release -Dassert_level=1 --cross-file=tests/support/aarch64.ini'
EMULATED = '--no-suite=glibc --timeout-multiplier=5'
CONFIGURATIONS = [
    Configuration('release', 'gcc', f'{RELEASE} -Dbench=true', PATIENT),
    Configuration('debug', 'gcc', CHECKED, f'{PATIENT} {SHORT}'),
    Configuration('clang', 'clang', '-Dbuildtype=release -Dassert_level=1', f'{PATIENT} {SHORT}'),
    Configuration('asan', 'gcc', f'{CHECKED} -Db_sanitize=address,undefined', f'{PATIENT} --no-suite=protocol'),
    Configuration('tsan', 'clang', '-Dbuildtype=debugoptimized -Dassert_level=1'
                  ' -Db_sanitize=thread -Db_lundef=false', f'{PATIENT} --no-suite=protocol'),
    Configuration('valgrind', 'gcc', RELEASE, '--suite=unit --setup=valgrind', build='release'),
    *(Configuration(f'pages-{kib}k', 'gcc', RELEASE, f'--suite=unit --no-suite=system --setup=pages{kib}',
                    build='release') for kib in (16, 64)),
    Configuration('aarch64', 'gcc', AARCH64, f'{EMULATED} --suite=unit --suite=model --suite=api'),
    *(Configuration(f'aarch64-{kib}k', 'gcc', AARCH64, f'{EMULATED} --suite=model --suite=api --setup=pages{kib}',
                    build='aarch64') for kib in (16, 64)),
]
COVERAGE = Configuration('coverage', 'gcc', '-Dbuildtype=debug -Dassert_level=0 -Db_coverage=true'
                         ' -Dc_args=-fprofile-update=atomic', '--suite=unit --suite=model')


@dataclass
class Outcome:
    passed: int = 0
    skipped: list = field(default_factory=list)     # (name, reason)
    failed: list = field(default_factory=list)      # (name, output, command that runs it again)
    seconds: float = 0

    def __str__(self):
        text = f'{self.passed} passed, {len(self.failed)} failed'
        return text + (f', {len(self.skipped)} skipped' if self.skipped else '')


START = time.monotonic()


def clock(seconds):
    return f'{int(seconds) // 60}:{int(seconds) % 60:02}'


def progress(text):
    print(f'[{clock(time.monotonic() - START):>5}] {text}', flush=True)


def tail(text):
    return '\n'.join(text.rstrip().splitlines()[-TAIL:])


def environment(configuration):
    """Ours, without what would change how loam is built or what the tests run on."""
    foreign = re.compile('(C|CPP|CXX|LD)FLAGS|LD_PRELOAD|LOAM_OPTIONS|LOAM_SO|'
                         'MALLOC_.*|GLIBC_TUNABLES')
    env = {name: value for name, value in os.environ.items() if not foreign.fullmatch(name)}
    return env | {'CC': configuration.cc, 'CXX': COMPILERS[configuration.cc]}


def build(configuration, env):
    """Returns the output of the step that failed and its command, or None."""
    folder = configuration.folder
    again = ['--reconfigure'] if (folder / 'meson-private/coredata.dat').exists() else []
    for command in (['meson', 'setup', *again, *configuration.options.split(), folder, ROOT],
                    ['meson', 'compile', '-C', folder]):
        step = subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors='replace')
        if step.returncode != 0:
            return step.stdout, shlex.join(map(str, command))
    return None


def run_tests(configuration, env):
    """Runs meson test, shows failures as they come, and returns the records of its log and its exit status."""
    setup = re.search(r'--setup=(\w+)', configuration.tests)
    log = configuration.folder / 'meson-logs' / f'tests{"-" + setup[1] if setup else ""}.json'
    log.unlink(missing_ok=True)
    command = ['meson', 'test', '-C', configuration.folder, '--no-rebuild', '--logbase=tests',
               *configuration.tests.split()]
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors='replace') as process:
        output = []
        for line in process.stdout:
            output.append(line)
            if re.match(r' *\d+/\d+ .* (FAIL|TIMEOUT|ERROR|INTERRUPT|UNEXPECTEDPASS) ', line):
                progress(f'{configuration.name}: {" ".join(line.split())}')
    records = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return records, process.returncode, ''.join(output), shlex.join(map(str, command))


def count(configuration, record, outcome):
    output = '\n'.join(filter(None, (record.get('stdout'), record.get('stderr'))))
    name = f'{configuration.name}: {record["name"]}'
    if record['result'] in ('OK', 'EXPECTEDFAIL'):
        outcome.passed += 1
        if some := re.search(r'^OK \(.*?skipped=(\d+)', output, re.M):   # of a program of unittest
            outcome.skipped.append((name, f'{some[1]} of its tests'))
    elif record['result'] == 'SKIP':
        reasons = re.findall(r'skipped: (.*)', output) or ['no reason given']
        outcome.skipped.append((name, '; '.join(dict.fromkeys(reasons))))
    else:
        setup = [word for word in configuration.tests.split() if word.startswith('--setup')]
        command = ['meson', 'test', '-C', configuration.folder.relative_to(ROOT), '-v', *setup,
                   record['name'].rpartition(' / ')[2]]
        what = f'{record["result"]}, exit status {record["returncode"]}'
        outcome.failed.append((f'{name}: {what}', output, shlex.join(map(str, command))))


def run(configuration):
    outcome, start, env = Outcome(), time.monotonic(), environment(configuration)
    progress(f'{configuration.name}: building')
    failure = build(configuration, env)
    if failure:
        outcome.failed.append((f'{configuration.name}: does not build', *failure))
    else:
        progress(f'{configuration.name}: testing')
        records, status, output, command = run_tests(configuration, env)
        for record in records:
            count(configuration, record, outcome)
        if not records:
            outcome.failed.append((f'{configuration.name}: no test ran', output, command))
        elif status and not outcome.failed:     # it has not run all
            outcome.failed.append((f'{configuration.name}: meson test ended with {status}', output, command))
    outcome.seconds = time.monotonic() - start
    progress(f'{configuration.name}: {outcome} in {clock(outcome.seconds)}')
    return outcome


def report_coverage():
    """Prints the lines that ran of each file of src, and of all."""
    subprocess.run(['gcovr', '--root', ROOT, '--filter', ROOT / 'src', '--sort-percentage',
                    COVERAGE.folder], cwd=ROOT, check=True)


def report(outcomes):
    total = Outcome()
    for name, outcome in outcomes.items():
        total.passed += outcome.passed
        total.failed += outcome.failed
        total.skipped += outcome.skipped
    for name, reason in total.skipped:
        print(f'skipped: {name}: {reason}')
    for name, output, command in total.failed:
        print(f'\n---- {name}\n{tail(output)}\n---- again: {command}')
    print()
    for name, outcome in outcomes.items():
        print(f'{name:<12} {clock(outcome.seconds):>6}  {outcome}')
    for name, _, _ in total.failed:
        print(f'failed: {name}')
    print(f'{total.passed} passed, {len(total.failed)} failed', flush=True)
    return 1 if total.failed else 0


def lock_builds():
    """Returns a file that is locked while it is open: two runs would spoil each other's build folders."""
    file = ROOT / 'build/tests.lock'
    try:
        file.parent.mkdir(exist_ok=True)
        lock = file.open('a')
    except OSError as error:
        sys.exit(f'tests/run builds in {file.parent}, which cannot be written to: {error.strerror}')
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress('waiting for another tests/run in this tree to end')
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def main():
    parser = argparse.ArgumentParser(prog='tests/run', description='Runs the tests of loam.',
                                     allow_abbrev=False)
    parser.add_argument('names', nargs='*', metavar='NAME', help='a configuration (default: all)')
    parser.add_argument('--list', action='store_true', help='list the configurations')
    parser.add_argument('--coverage', action='store_true',
                        help='the lines of src that the unit and model tests reach')
    parser.add_argument('--check', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    known = {row.name: row for row in CONFIGURATIONS}
    unknown = set(arguments.names) - set(known)
    if unknown:
        parser.error(f'no configuration {", ".join(unknown)}; there are {", ".join(known)}')
    if arguments.list:
        for row in CONFIGURATIONS:
            print(f'{row.name:<12} {row.cc:<6} {row.options} {row.tests}'.rstrip())
        return 0
    if arguments.check:     # the command line, before anything is installed for it
        return 0
    with lock_builds():
        return run_all(arguments, known)


def run_all(arguments, known):
    if arguments.coverage:
        for counters in COVERAGE.folder.rglob('*.gcda'):
            counters.unlink()
        outcomes = {COVERAGE.name: run(COVERAGE)}
        report_coverage()
        return report(outcomes)
    return report({name: run(known[name]) for name in arguments.names or known})


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit('tests/run: interrupted; another run goes on with what is built')
