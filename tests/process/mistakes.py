"""What memcheck or AddressSanitizer says of a program on loam is what it says of it on libc's malloc.

mistakes.py memcheck|asan PROGRAM ON_LOAM: the same program, ON_LOAM linked with libloam.a.
"""
import os
import re
import shutil
import subprocess
import sys

SKIP = 77
# What each tool calls a mistake, by the words in its output.
WORDS = {
    'memcheck': {
        'read_behind': 'Invalid read of size 1',
        'write_before': 'Invalid write of size 1',
        'read_after_free': 'Invalid read of size 1',
        'write_after_realloc': 'Invalid write of size 1',
        'use_uninitialised': 'depends on uninitialised value',
        'leak': 'definitely lost: 100 bytes in 1 blocks',
        'leak_first': 'definitely lost: 5,000 bytes in 1 blocks',
        'leak_run': 'definitely lost: 300,000 bytes in 1 blocks',
        'nothing_wrong': 'ERROR SUMMARY: 0 errors',
    },
    'asan': {
        'read_behind': 'ERROR: AddressSanitizer',
        'write_before': 'ERROR: AddressSanitizer',
        'read_after_free': 'ERROR: AddressSanitizer',
        'write_after_realloc': 'ERROR: AddressSanitizer',
        'nothing_wrong': None,
    },
}
COMMAND = {'memcheck': ['valgrind', '--leak-check=full', '--show-leak-kinds=definite', '--error-exitcode=99'],
           'asan': []}
# memcheck would put its own malloc in the place of a program's, too.
OWN = {'memcheck': ['--soname-synonyms=somalloc=nowhere'], 'asan': []}


def run(command):
    env = {'PATH': os.environ['PATH'], 'ASAN_OPTIONS': 'detect_leaks=0'}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace')
    return done.returncode, done.stdout


def main():
    tool, on_libc, on_loam = sys.argv[1:]
    if tool == 'memcheck' and not shutil.which('valgrind'):
        print('skipped: no valgrind')
        return SKIP
    failed = 0
    for mistake, words in WORDS[tool].items():
        for program, own in ((on_libc, []), (on_loam, OWN[tool])):
            status, text = run([*COMMAND[tool], *own, program, mistake])
            held = words in text if words else status == 0
            if not held or (mistake != 'nothing_wrong') != (status != 0):
                failed += 1
                print(f'{program} {mistake}: status {status}, not {words}:\n{text[-3000:]}')
    return 1 if failed else 0


sys.exit(main())
