"""Real programs on loam, under a filter that ends them when loam makes a system call that docs/design.md does
not name; and that the filter does so.

usage: filtered.py FILTER MISUSER
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

THREADS = '''
import json, threading
def work():
    for i in range(30):
        json.loads(json.dumps([{str(k): [k] * 40} for k in range(400)]))
threads = [threading.Thread(target=work) for _ in range(6)]
[t.start() for t in threads]
[t.join() for t in threads]
big = [bytearray(n << 20) for n in (1, 5, 40, 3)]
print(sum(map(len, big)))
'''
PROGRAMS = {
    'python3': ['/usr/bin/python3', '-c', THREADS],
    'perl': ['perl', '-e', 'my %h; $h{$_ x 3} = [1..50] for 1..20000; print scalar(keys %h), "\\n"'],
    'gcc': ['gcc', '-O2', '-x', 'c', '-c', '-o', 'out.o', '/dev/stdin'],
    'sqlite3': ['sqlite3', ':memory:', 'create table t(a,b); with recursive n(i) as (select 1 union all select i+1 '
                'from n where i<50000) insert into t select i, hex(i) from n; select count(*) from t;'],
    'sh': ['sh', '-c', 'echo $LC_ALL; echo $0'],
    'sort': ['sort', '--parallel=4', '-S', '8M', '/dev/stdin'],
    'xz': ['xz', '-T2', '-c', '/dev/stdin'],
}
TEXT = ''.join(f'int f{i * 7919 % 100003}(int x) {{ return x * {i}; }}\n' for i in range(1000))


def run(command, libraries, folder, options=''):
    env = {'PATH': os.environ['PATH'], 'LD_PRELOAD': libraries, 'LOAM_OPTIONS': options, 'LC_ALL': 'C'}
    return subprocess.run(command, cwd=folder, env=env, input=TEXT.encode(), capture_output=True)


def main():
    filter_so, misuser = map(os.path.abspath, sys.argv[1:])
    library = os.environ['LOAM_SO']
    failed, ran = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for name, command in PROGRAMS.items():
            if not shutil.which(command[0]):
                continue
            plain = run(command, library, folder)
            for options in ('', 'harden=2', 'harden=3', 'guard=50'):
                filtered = run(command, f'{library} {filter_so}', folder, options)
                if plain.returncode or filtered.returncode or plain.stdout != filtered.stdout:
                    failed += 1
                    print(f'{name} with LOAM_OPTIONS={options}: {filtered.returncode}, without the filter '
                          f'{plain.returncode}\n{filtered.stderr.decode(errors="replace")[-2000:]}')
            ran += 1
        # A full report reads /proc/self/maps.
        for options, wanted in (('report=full', -signal.SIGSYS), ('report=line', -signal.SIGABRT)):
            done = run([misuser, 'double_free_small'], f'{library} {filter_so}', folder, options)
            if done.returncode != wanted:
                failed += 1
                print(f'a double free with {options}: {done.returncode} instead of {wanted}\n{done.stderr}')
    print(f'{ran} programs')
    return failed > 0 or ran == 0


if __name__ == '__main__':
    sys.exit(main())
