"""What memcheck says of a program on loam is what it says of it on libc's malloc.

mistakes.py PROGRAM ON_LOAM: the same program, ON_LOAM linked with libloam.a.
"""
import os
import shutil
import subprocess
import sys

SKIP = 77
# What memcheck calls a mistake, by the words in its output.
WORDS = {
    'read_behind': 'Invalid read of size 1',
    'write_before': 'Invalid write of size 1',
    'read_after_free': 'Invalid read of size 1',
    'write_after_realloc': 'Invalid write of size 1',
    'use_uninitialised': 'depends on uninitialised value',
    'leak': 'definitely lost: 100 bytes in 1 blocks',
    'leak_first': 'definitely lost: 5,000 bytes in 1 blocks',
    'leak_run': 'definitely lost: 300,000 bytes in 1 blocks',
    'nothing_wrong': 'ERROR SUMMARY: 0 errors',
}
COMMAND = ['valgrind', '--leak-check=full', '--show-leak-kinds=definite', '--error-exitcode=99']
# It would put its own malloc in the place of a program's, too.
OWN = ['--soname-synonyms=somalloc=nowhere']


def run(command):
    env = {'PATH': os.environ['PATH']}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace')
    return done.returncode, done.stdout


def main():
    on_libc, on_loam = sys.argv[1:]
    if not shutil.which('valgrind'):
        print('skipped: no valgrind')
        return SKIP
    failed = 0
    for mistake, words in WORDS.items():
        for program, own in ((on_libc, []), (on_loam, OWN)):
            status, text = run([*COMMAND, *own, program, mistake])
            if words not in text or (mistake != 'nothing_wrong') != (status != 0):
                failed += 1
                print(f'{program} {mistake}: status {status}, not {words}:\n{text[-3000:]}')
    return 1 if failed else 0


sys.exit(main())
