#!/usr/bin/env python3
"""symbols.py LIBLOAM_SO LIBLOAM_A: the names of the shipped libraries.

Each library gives exactly the names of preload/names.txt, with the version or the weakness that stands
there.  libloam.so needs libc alone, and libloam.a is one object.
"""
import re
import subprocess
import sys
from pathlib import Path

NAMES = Path(__file__).resolve().parents[2] / 'preload/names.txt'
# How a name stands in libloam.so and in libloam.a, by the word in names.txt; None: not at all.
SHARED = {'strong': 'T', 'weak': 'T', 'so': 'T', 'old': 'T@GLIBC_2.2.5', 'c23': 'T@GLIBC_2.43',
          'dl': 'T@GLIBC_2.2.5@GLIBC_2.34'}
ARCHIVE = {'strong': 'T', 'weak': 'W', 'so': None, 'old': None, 'c23': None, 'dl': None}
# A weak name's strong twin, where that is no __loam_<name>.
STRONG = {'mallinfo': '__libc_mallinfo'} # libc's headers call it deprecated
OLDEST = '@GLIBC_2.17', '@GLIBC_2.2.5' # of aarch64
NEEDED = {'libc.so.6', 'ld-linux-x86-64.so.2', 'ld-linux-aarch64.so.1'}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def defined(*options):
    """Type and versions of what others can link with, by name.  A version is itself a name."""
    lines = output('nm', '--defined-only', '--extern-only', *options).splitlines()
    found = {}
    for kind, name in sorted(words[1:] for words in map(str.split, lines) if len(words) == 3):
        name, at, version = name.partition('@')
        if kind != 'A':
            found[name] = kind, found.get(name, (kind, ''))[1] + at + version
    return found


def disagreements(library, given, expected):
    """Both are what stands for each name; None in expected: it is not there."""
    for name in sorted(given.keys() | expected.keys()):
        is_there, must_be = given.get(name), expected.get(name)
        if is_there != must_be:
            yield f'{library}: {name} is {is_there!r}, in names.txt {must_be!r}'


def main(shared, archive):
    words = dict(re.findall(r'^(\w+) +(\w+)$', NAMES.read_text(), re.M))
    of_shared = {name: kind + version.replace(*OLDEST)
                 for name, (kind, version) in defined('--dynamic', shared).items()}
    of_archive = {name: kind for name, (kind, _) in defined(archive).items()}
    in_archive = {name: ARCHIVE[how] for name, how in words.items()}
    in_archive |= {STRONG.get(name, '__loam_' + name): 'T' for name, how in words.items() if how == 'weak'}
    in_archive['_.stapsdt.base'] = 'R'  # hidden: others than one program's own do not see it
    wrong = [*disagreements(shared, of_shared, {name: SHARED[how] for name, how in words.items()}),
             *disagreements(archive, of_archive, in_archive)]
    needed = set(re.findall(r'NEEDED.*\[(.*)\]', output('readelf', '--dynamic', shared)))
    wrong += [f'{shared} needs {library}' for library in sorted(needed - NEEDED)]
    objects = output('ar', 't', archive).split()
    wrong += [f'{archive} has {len(objects)} objects'] if len(objects) != 1 else []
    print('\n'.join(wrong))
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:]))
