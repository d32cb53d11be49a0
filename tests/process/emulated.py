"""A program on loam under an emulator of the kernel: it works, and threads that are gone leave their memory to others.

usage: emulated.py PROGRAM RUNNER..., with the library in LOAM_SO.  A runner is like-emulator, or qemu-user's
qemu-x86_64, which gives variables to its program by -E; the program is short_lives.c.
"""
import os
import re
import subprocess
import sys

# What three thousand threads one after the other leave, in MiB; each has up to 10 in use.
LEFT_MOST = 100


def main(program, runner):
    variables = {'LD_PRELOAD': os.environ['LOAM_SO'], 'LOAM_OPTIONS': 'stats=exit'}
    command, env = [runner, program], variables
    if os.path.basename(runner).startswith('qemu'):
        settings = [word for name, value in variables.items() for word in ('-E', f'{name}={value}')]
        command, env = [runner, *settings, program], {}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    print(done.stdout, done.stderr, sep='')
    if done.returncode or done.stdout != 'ok\n':
        print('exit status', done.returncode)
        return 1
    left = sum(map(float, re.search(r'([\d.]+) MiB in use, ([\d.]+) free and kept', done.stderr).groups()))
    print(f'{left:.1f} MiB are left')
    return left > LEFT_MOST


sys.exit(main(*sys.argv[1:]))
