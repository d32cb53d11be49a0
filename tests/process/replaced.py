"""Programs on loam, with another preload that replaces a function of libc and allocates in it: before loam in
the list and behind it; at first use, in threads, and in reports.  Each runs as without loam.

usage: replaced.py MISUSER WRAPPER...
       replaced.py faketime
"""
import glob
import os
import subprocess
import sys

LIBRARY = os.environ['LOAM_SO']
SKIPPED = 77
THREADS = '''
import threading
def work():
    for i in range(20):
        bytearray(1 << i)
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print(len(bytearray(30 << 20)))
'''
PROGRAMS = [['/bin/true'], ['/bin/ls', '/'], ['/usr/bin/python3', '-c', THREADS]]


def run(command, preload, options='', **more):
    env = {'PATH': os.environ['PATH'], 'LD_PRELOAD': preload, 'LOAM_OPTIONS': options, 'LC_ALL': 'C', **more}
    return subprocess.run(command, env=env, capture_output=True, timeout=240, text=True)


def orders(library):
    return f'{library}:{LIBRARY}', f'{LIBRARY}:{library}'


def wrong_runs(library, **more):
    for command in PROGRAMS:
        alone = run(command, library, **more)
        for preload in orders(library):
            for options in ('confirm', 'confirm,guard=50,harden=3'):
                on_loam = run(command, preload, options, **more)
                if 'cannot be preloaded' in alone.stderr + on_loam.stderr:
                    yield f'{preload}: was not loaded'
                if (on_loam.returncode, on_loam.stdout) != (alone.returncode, alone.stdout):
                    yield (f'{command[0]} with {preload} and "{options}": {on_loam.returncode} instead of '
                           f'{alone.returncode}\n{on_loam.stderr[-500:]}')
                if 'loam: confirm=yes (LOAM_OPTIONS)' not in on_loam.stderr:
                    yield f'{command[0]} with {preload} and "{options}": not on loam'


def wrong_reports(library, misuser):
    for preload in orders(library):
        done = run([misuser, 'double_free_small'], preload, 'guard=1')
        if done.returncode != -6 or 'loam: free(): double free detected' not in done.stderr:
            yield f'a double free with {preload}: {done.returncode}\n{done.stderr[-500:]}'


def wrong_clock(libraries):
    """libfaketime's clock is the program's, and not loam's business."""
    for library in libraries:
        yield from wrong_runs(library, FAKETIME='@2000-01-01 00:00:00', TZ='UTC')
        for preload in orders(library):
            done = run(['date', '+%Y'], preload, FAKETIME='@2000-01-01 00:00:00', TZ='UTC')
            if done.stdout != '2000\n':
                yield f'date with {preload}: {done.returncode} {done.stdout}{done.stderr[-500:]}'


def of_faketime():
    """What libfaketime shares between processes; one that is killed leaves it."""
    return set(glob.glob('/dev/shm/*faketime*'))


def main(misuser, *wrappers):
    if misuser == 'faketime':
        before, wrappers = of_faketime(), glob.glob('/usr/lib/*/faketime/libfaketime*.so.1')
        wrong = list(wrong_clock(wrappers))
        for path in of_faketime() - before:
            if not os.path.exists(f'/proc/{path.rpartition("_")[2]}'):
                os.unlink(path)
    else:
        wrong = [line for wrapper in wrappers
                 for line in (*wrong_runs(wrapper), *wrong_reports(wrapper, misuser))]
    print('\n'.join(wrong))
    print(f'{len(wrappers)} libraries, {len(wrong)} wrong')
    return (1 if wrong else 0) if wrappers else SKIPPED


sys.exit(main(*sys.argv[1:]))
