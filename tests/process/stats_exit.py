"""The line for people of stats=exit: its figures against those that the program has itself.

stats_exit.py, with the library in LOAM_SO.
"""
import os
import re
import subprocess
import sys

# Holds 40 MB in small objects and 20 MB in large ones, has freed 4 MB, and says what the kernel says of it.
PROGRAM = """
import os
held = [bytes(1000) for _ in range(40000)] + [bytearray(b'x') * 10_000_000 for _ in range(2)]
freed = [bytes(1000) for _ in range(4000)]
del freed
pages = int(open('/proc/self/statm').read().split()[1])
print(os.getpid(), pages * os.sysconf('SC_PAGE_SIZE') / 2**20)
"""
LINE = (r'loam: (\S+), process (\d+): ([\d.]+) MiB in use, ([\d.]+) free and kept, ([\d.]+) metadata; '
        r'the process holds ([\d.]+) MiB \(RSS\), at most ([\d.]+)$')


def main():
    env = {'LD_PRELOAD': os.environ['LOAM_SO'], 'LOAM_OPTIONS': 'stats=exit', 'PYTHONMALLOC': 'malloc'}
    program = os.path.realpath(sys.executable)
    done = subprocess.run([program, '-I', '-S', '-c', PROGRAM], env=env, capture_output=True, text=True, check=True)
    print(done.stdout, done.stderr)
    first = done.stderr.splitlines()[0]
    match = re.fullmatch(LINE, first)
    if not match:
        print('the first line is another')
        return 1
    pid, resident = done.stdout.split()
    in_use, kept, metadata, held, most = map(float, match.groups()[2:])
    # At the end the interpreter has freed what it held: most is kept or has gone back to the system.
    checks = {'the program': match[1] == program,
              'its number': match[2] == pid,
              'RSS, which falls as the program ends': held <= float(resident) + 1,
              'the most': float(resident) - 1 <= most <= float(resident) + 15,
              'what adds up': in_use + kept + metadata <= held + 12,
              'what was freed': in_use < 20}
    for what, holds in checks.items():
        if not holds:
            print(f'wrong: {what}')
    return 0 if all(checks.values()) else 1


sys.exit(main())
