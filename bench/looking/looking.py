"""A target of fixed work, those who look at it, and what its times say.

The target (target.c) does one piece of work after another, in one process: what alternates is who looks at it
meanwhile, so that neither the place of its memory nor a slow minute of the machine favours anybody.
"""
import os
import pty
import resource
import subprocess
import threading
import time
from collections import namedtuple
from pathlib import Path

from measure import build
from measure.allocators import Allocator
from measure.failure import Failure

LOOK = build.ROOT / 'preload/look'
TARGETS = {'small, 1 thread': ('small', 1), 'small, 2 threads': ('small', 2),
           'large, 1 thread': ('large', 1), 'large, 2 threads': ('large', 2)}
INTERVAL = 2.0      # seconds between two looks of `loam top`, by default
FIRST = 20000       # operations of the first piece of work
SECONDS = 120       # for what is waited for

# Seconds that a piece of work took, of wall and of processor time; and what who looked took of a processor meanwhile
Piece = namedtuple('Piece', 'wall cpu taken')


class Target:
    """Ends with the block."""

    def __init__(self, kind, threads, library):
        program = build.built() / 'bench/looking/target'
        self.process = subprocess.Popen([program, kind, str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=Allocator('loam', library).environment(os.environ))
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def work(self, operations):
        """Seconds of wall and of processor time."""
        try:
            self.process.stdin.write(f'{operations}\n')
            self.process.stdin.flush()
            wall, cpu = self.process.stdout.readline().split()
        except (OSError, ValueError):
            raise Failure('the target ended') from None
        return int(wall) / 1e9, int(cpu) / 1e9

    def operations_in(self, seconds):
        """How many take so long; until it holds as much as it ever does."""
        n = FIRST
        while (took := self.work(n)[0]) < seconds / 2:
            n = int(n * min(4, max(1.5, seconds / took)))
        n = int(n * seconds / took)
        return max(1, int(n * seconds / self.work(n)[0]))


class Nobody:
    """Who looks: ready() before a piece of work, end() behind it."""
    name, goal = 'nobody', None     # the goal: what part of its time the target may lose

    def __init__(self, pid):
        self.pid = pid

    def ready(self):
        """Begins to look; returns where a piece of work may begin."""

    def taken(self):
        """Seconds of processor time so far."""
        return 0.0

    def end(self):
        pass


class Top(Nobody):
    """`loam top` in a terminal."""
    name, goal = 'top', 0.01

    def ready(self):
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            try:
                os.execve(LOOK / 'top', ['top', str(self.pid)], os.environ | {'TERM': 'xterm', 'LINES': '40', 'COLUMNS': '120'})
            finally:
                os._exit(127)
        shown = threading.Event()
        self.reader = threading.Thread(target=self.read, args=(shown,), daemon=True)
        self.reader.start()
        if not shown.wait(SECONDS):
            raise Failure('loam top shows nothing')
        time.sleep(INTERVAL / 2)    # its looks fall into the middle of what follows

    def read(self, shown):
        try:
            while data := os.read(self.terminal, 1 << 16):
                if b'loam top: ' in data or b'VIRT' in data:
                    shown.set()
        except OSError:
            pass

    def taken(self):
        return on_processor(self.process)

    def end(self):
        if os.waitpid(self.process, os.WNOHANG)[0]:
            raise Failure('loam top ended')
        os.write(self.terminal, b'q')
        os.waitpid(self.process, 0)
        self.reader.join()
        os.close(self.terminal)


class Map(Nobody):
    """`loam map`, again and again."""
    name, goal = 'map', 0.05

    def ready(self):
        self.over, self.current, self.failed, self.before = threading.Event(), None, False, children()
        self.drawer = threading.Thread(target=self.draw)
        self.drawer.start()
        time.sleep(0.2)

    def draw(self):
        while not self.over.is_set():
            with subprocess.Popen([LOOK / 'map', str(self.pid)], stdout=subprocess.DEVNULL) as made:
                self.current = made.pid
                self.failed |= made.wait() != 0
                self.current = None

    def taken(self):
        while True:     # until no map ended meanwhile
            current, before = self.current, children()
            now = on_processor(current) if current else 0
            if (current, before) == (self.current, children()):
                return before - self.before + now

    def end(self):
        self.over.set()
        self.drawer.join()
        if self.failed:
            raise Failure('loam map failed')


VIEWERS = (Nobody, Top, Map)


def on_processor(pid):
    """Seconds that a process of one thread ran."""
    try:
        return int(Path(f'/proc/{pid}/schedstat').read_text().split()[0]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def children():
    """Seconds of processor time of all that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def piece(target, operations, viewer):
    try:
        viewer.ready()
        taken = viewer.taken()
        wall, cpu = target.work(operations)
        return Piece(wall, cpu, viewer.taken() - taken)
    finally:
        viewer.end()
