"""leak=1: what loam finds lost against what a program knows of itself, and against memcheck.

leaks.py LEAKS LEAKS-CXX, with the library in LOAM_SO. memcheck sees the same programs on libc's malloc.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TOTALS = (r'loam: leak: definitely lost: (\d+) bytes in (\d+) blocks; '
          r'indirectly lost: (\d+) bytes in (\d+) blocks; still reachable: \d+ bytes in \d+ blocks')
STATUS = 3
# Options that serve blocks otherwise: the totals are the same.
OTHERS = ('leak=1,harden=2', 'leak=1,harden=3', 'leak=1,guard=3', 'leak=1,promote_after=1', 'leak=1,prof=1')


def run(command, **variables):
    env = {name: value for name, value in os.environ.items() if name != 'LOAM_OPTIONS'}
    return subprocess.run(command, env={**env, **variables}, capture_output=True, text=True, timeout=240)


def on_loam(program, kind, options):
    return run([program, kind, str(STATUS)], LD_PRELOAD=os.environ['LOAM_SO'], LOAM_OPTIONS=options)


def numbers(line):
    return [int(number) for number in line.split()]


def totals(lines):
    found = [match for match in map(re.compile(TOTALS).fullmatch, lines) if match]
    return [int(number) for number in found[0].groups()] if len(found) == 1 else lines


def wrong_on_loam(program, kind, options):
    done = on_loam(program, kind, options)
    lines, expected = done.stderr.splitlines(), numbers(done.stdout)
    if totals(lines) != expected:
        yield f'{kind}, {options}: {totals(lines)}, not {expected}'
    if done.returncode != (0 if kind in ('register', 'frame', 'quick', 'other') else STATUS):
        yield f'{kind}, {options}: status {done.returncode}'
    by_stack = [int(number) for line in lines
                for number in re.findall(r'(\d+) bytes in \d+ blocks (?:definitely lost|indirectly lost|more),', line)]
    if sum(by_stack) != expected[0] + expected[2]:
        yield f'{kind}, {options}: {sum(by_stack)} bytes by stack'


def wrong_by_memcheck(program, kind):
    """Under memcheck mappings lie so low that any number may point into one: then what is lost is possibly so."""
    done = run(['valgrind', '--leak-check=full', program, kind])
    expected = numbers(done.stdout)
    found = {}
    for what in 'definitely', 'indirectly', 'possibly':
        match = re.search(what + r' lost: ([\d,]+) bytes in ([\d,]+) blocks', done.stderr)
        found[what] = [int(number.replace(',', '')) for number in match.groups()] if match else [0, 0]
    sums = [sum(one) for one in zip(*found.values())]
    if found['definitely'] + found['indirectly'] != expected and \
            sums != [sum(expected[::2]), sum(expected[1::2])]:
        yield f'{kind}: memcheck says {found}, not {expected}'


def wrong_lines(program):
    """The stacks are those that allocated, the one that lost most first; without the option nothing is said."""
    lines = on_loam(program, 'huge', 'leak=1').stderr.splitlines()
    lost = [int(re.search(r'(\d+) bytes', line)[1]) for line in lines if line.endswith('allocated here:')]
    if lost != sorted(lost, reverse=True) or len(lost) != 3:
        yield f'order: {lost}'
    names = [line.split()[3].split('+')[0] for line in lines if re.match(r'loam:     #0', line)]
    if names != ['huge', 'huge', 'list']:
        yield f'names: {names}'
    lines = on_loam(program, 'depths', 'leak=1').stderr.splitlines()
    lost = [int(re.search(r'(\d+) bytes', line)[1]) for line in lines if line.endswith('allocated here:')]
    if lost != list(range(1290, 1090, -10)):
        yield f'the largest of many: {lost}'
    if lines[-1] != 'loam: leak: 10450 bytes in 10 blocks more, of 10 other stacks':
        yield f'the others: {lines[-1]}'
    if on_loam(program, 'huge', 'prof=64M,prof_file=/dev/null/none').stderr.count('leak'):
        yield 'something is said without the option'
    sampled = on_loam(program, 'many', 'leak=1,prof=64G,prof_file=/dev/null/none').stderr.splitlines()
    if totals(sampled)[1] != 1000 or 'not noted' not in sampled[1]:
        yield f'with a rate: {sampled}'


def wrong_profile(program):
    """A profile is written to its end, whatever the program made unreadable."""
    with tempfile.TemporaryDirectory() as folder:
        done = on_loam(program, 'protected', f'prof=1,promote_after=1,prof_file={folder}/profile')
        texts = [path.read_text() for path in pathlib.Path(folder).iterdir()]
        if done.returncode != STATUS or len(texts) != 1 or 'MAPPED_LIBRARIES' not in texts[0]:
            yield f'profile: status {done.returncode}, {done.stderr[:300]}, {texts}'


def wrong_while_busy(program):
    """What other threads unmap, free and lock up while loam looks does not end the process otherwise."""
    for options in ('leak=1', 'leak=1,harden=2', 'leak=1,harden=3', 'leak=1,guard=10') * 3:
        done = on_loam(program, 'busy', options)
        if done.returncode != STATUS or len(re.findall(TOTALS, done.stderr)) != 1:
            yield f'busy, {options}: status {done.returncode}, {done.stderr[:300]}'


def main(program, cxx):
    wrong = [*wrong_lines(program), *wrong_profile(program), *wrong_while_busy(program)]
    for path in program, cxx:
        kinds = run([path]).stdout.split()
        if not kinds:
            wrong.append(f'{path} names no kinds')
        for kind in kinds:
            wrong += wrong_by_memcheck(path, kind)
            for options in ('leak=1', *OTHERS):
                wrong += wrong_on_loam(path, kind, options)
    print('\n'.join(wrong))
    return len(wrong) > 0


sys.exit(main(*map(os.path.realpath, sys.argv[1:])))
