#!/usr/bin/env python3
"""symbols.py LIBLOAM_SO LIBLOAM_A: the names of the shipped libraries.

The names that libloam.so gives are exactly those of preload/exports.map, and of libraries it
needs libc alone.  libloam.a gives the same names, but for those that stand in dlopen.c, from
one object.
"""
import re
import subprocess
import sys
from pathlib import Path

EXPORTS = Path(__file__).resolve().parents[2] / 'preload/exports.map'
NOT_IN_ARCHIVE = {'dlopen', 'dlmopen'}
NEEDED = {'libc.so.6', 'ld-linux-x86-64.so.2', 'ld-linux-aarch64.so.1'}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def defined(*options):
    """Names of what others can link with."""
    lines = output('nm', '--defined-only', '--extern-only', *options).splitlines()
    return {words[2].split('@')[0] for words in map(str.split, lines) if len(words) == 3}


def disagreements(library, given, expected):
    for name in sorted(given - expected):
        yield f'{library}: {name} is not in exports.map'
    for name in sorted(expected - given):
        yield f'{library}: {name} is missing'


def main(shared, archive):
    expected = set(re.findall(r'^\t(\w+);', EXPORTS.read_text(), re.M))
    wrong = [*disagreements(shared, defined('--dynamic', shared), expected),
             *disagreements(archive, defined(archive), expected - NOT_IN_ARCHIVE)]
    needed = set(re.findall(r'NEEDED.*\[(.*)\]', output('readelf', '--dynamic', shared)))
    wrong += [f'{shared} needs {library}' for library in sorted(needed - NEEDED)]
    objects = output('ar', 't', archive).split()
    wrong += [f'{archive} has {len(objects)} objects'] if len(objects) != 1 else []
    print('\n'.join(wrong))
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:]))
