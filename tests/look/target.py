"""Processes that tests look into, and `loam top` as a command."""
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOP, CTL, METRICS = (ROOT / 'preload/look' / name for name in ('top', 'ctl', 'metrics'))
sys.path.insert(0, str(ROOT / 'preload/look'))
from outside import account, counters, heap, page, process  # noqa: E402,F401


def environment(preloaded, **more):
    foreign = ('LD_PRELOAD', 'LOAM_OPTIONS', 'MALLOC_PERTURB_')
    env = {name: value for name, value in os.environ.items() if name not in foreign}
    return env | ({'LD_PRELOAD': os.environ['LOAM_SO']} if preloaded else {}) | more


class Target:
    """A holder that has said what it holds."""

    def __init__(self, program, mode='rest', preloaded=True, **env):
        self.process = subprocess.Popen([program, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment(preloaded, **env))
        self.pid = self.process.pid
        self.held, self.small, self.huge, self.info = map(int, self.process.stdout.readline().split())

    def tell(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()

    def do(self, line):
        self.tell(line)
        assert self.process.stdout.readline() == 'done\n'

    def poke(self, address, data):
        for i, byte in enumerate(data):
            self.do(f'poke {address + i:x} {byte:x}')

    def end(self):
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def target(*args, **options):
    made = Target(*args, **options)
    try:
        yield made
    finally:
        made.end()


def top(*argv, status=0):
    """What `loam top` printed; a line on standard error where it fails."""
    return command(TOP, *argv, status=status)


def ctl(*argv, status=0):
    return command(CTL, *argv, status=status)


def metrics(*argv, status=0):
    return command(METRICS, *argv, status=status)


def command(program, *argv, status=0):
    done = subprocess.run([program, *map(str, argv)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, f'{argv}: ended with {done.returncode}, not {status}: {done.stdout}{done.stderr}'
    assert not done.stderr if status == 0 else done.stderr.count('\n') == 1, done.stderr
    return done.stdout if status == 0 else done.stderr


def look(pid):
    return json.loads(top(pid, '--json'))
