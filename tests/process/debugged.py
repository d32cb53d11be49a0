"""glibc's debugger of malloc beside loam, debugged.py PROGRAM: before loam it does its work, on libc's
malloc, and loam says in one line that it stands aside; behind loam nobody calls it.

Takes the library's path from LOAM_SO.
"""
import os
import subprocess
import sys
import tempfile

DEBUGGER = 'libc_malloc_debug.so.0'
ASIDE = (f"loam: {DEBUGGER} is preloaded before loam, and works with libc's malloc alone: "
         'loam serves nothing here; preload one of the two\n')
SETTINGS = [{}, {'MALLOC_CHECK_': '3'}, {'GLIBC_TUNABLES': 'glibc.malloc.check=3'},
            {'LOAM_OPTIONS': 'harden=2'}]


def run(preload, settings, *command):
    with tempfile.NamedTemporaryFile() as trace:
        env = {'PATH': '/usr/bin:/bin', 'LD_PRELOAD': ':'.join(preload), 'MALLOC_TRACE': trace.name}
        done = subprocess.run(command, env={**env, **settings}, capture_output=True, text=True)
        with open(trace.name) as text:
            traced = sum(line.startswith('@ ') for line in text)
    return done.returncode, done.stdout + done.stderr, traced


def main():
    program, loam, failed = sys.argv[1], os.environ['LOAM_SO'], 0
    commands = [(program, 'trace'), (program,), ('/bin/ls', '-d', '/')]
    for settings in SETTINGS:
        for command in commands:
            alone = run([DEBUGGER], settings, *command)
            expected = alone[0], alone[1] + ASIDE, alone[2]
            before = run([DEBUGGER, loam], settings, *command)
            behind = run([loam, DEBUGGER], settings, *command)
            if alone[0] or before != expected or behind != (alone[0], alone[1], 0):
                print(settings, command, 'alone', alone, 'before', before, 'behind', behind)
                failed += 1
            if command[-1] == 'trace' and alone[2] < 10000:
                print('nothing was traced', alone)
                failed += 1
    return 1 if failed else 0


sys.exit(main())
