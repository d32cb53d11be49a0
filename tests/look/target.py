"""Processes that tests look into, what is read with noise, and the commands of `loam`."""
import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
ROOT = Path(__file__).resolve().parents[2]
TOP, CTL, MAP, METRICS, PROF = (ROOT / 'preload/look' / name for name in ('top', 'ctl', 'map', 'metrics', 'prof'))
sys.path.insert(0, str(ROOT / 'preload/look'))
from outside import account, cells, counters, heap, page, process  # noqa: E402,F401
from outside.failure import Failure  # noqa: E402

CPUS = os.cpu_count()
# How far the kernel's own count of RAM may be off: from Linux 6.2 to 6.15 each processor has up to so many pages of
# files, and of other memory, that are not in the sum yet. And 1 MiB of what changes meanwhile.
KERNEL = (1 << 20) + 2 * CPUS * max(32, 2 * CPUS) * os.sysconf('SC_PAGE_SIZE')


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


class Noisy(process.Process):
    """Of what is read, a byte in so many is another."""

    def __init__(self, pid, seed, rate):
        super().__init__(pid)
        self.random, self.rate, self.is_noisy = random.Random(seed), rate, False

    def read_some(self, address, nbytes):
        data = bytearray(super().read_some(address, nbytes))
        for _ in range(self.random.randrange(2 * len(data) // self.rate + 2) if self.is_noisy else 0):
            data[self.random.randrange(len(data))] = self.random.choice((0, 1, 0x7f, 0xff, self.random.randrange(256)))
        return bytes(data)


def ends_in_noise(look, noises):
    """How looks at a process end whose memory is read through each of the noises: well, or by a Failure; all soon."""
    ends = collections.Counter()
    for seed, noisy in enumerate(noises):
        watched = account.Watched(noisy.pid)
        watched.process.close()
        watched.process = noisy
        began = time.process_time()
        try:
            look(watched)
            ends['well'] += 1
        except Failure:
            ends['by a failure'] += 1
        except Exception:
            print(f'seed {seed}')
            raise
        watched.close()
        assert time.process_time() - began < 40, seed
    print(dict(ends))
    return ends


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
    done = subprocess.run([program, *map(str, argv)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)
    assert done.returncode == status, f'{argv}: ended with {done.returncode}, not {status}: {done.stdout}{done.stderr}'
    assert not done.stderr if status == 0 else done.stderr.count('\n') == 1, done.stderr
    return done.stdout if status == 0 else done.stderr


def is_first_of_root():
    """Whether process 1 is seen and is root's: in a container it may be of the same user."""
    return os.path.exists('/proc/1') and os.stat('/proc/1').st_uid == 0


class Refused:
    """A mixin: what each command that looks into a process says where there is none of loam's. run_command() calls it."""

    def refused(self, pattern, *argv, status=1):
        self.assertRegex(self.run_command(*argv, status=status), f'^loam: {pattern}')

    def test_no_process_of_loams(self):
        with subprocess.Popen(['/bin/sleep', '100'], env={}) as plain:
            self.refused(rf'process {plain.pid} \(sleep\) does not run on loam: start it by', plain.pid)
            plain.kill()
        self.refused('there is no process 4194303$', 4194303)


def look(pid):
    return json.loads(top(pid, '--json'))
