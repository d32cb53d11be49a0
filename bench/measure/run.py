"""Runs a command under an allocator, with the meter beside it, and says what it cost."""
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from measure import build
from measure.failure import Failure

GRACE = 30      # seconds that a command may take to end once it has been asked to


@dataclass
class Command:
    argv: list                      # program (a path, or looked up in PATH) and arguments
    cwd: object = None
    env: dict = field(default_factory=dict)     # on top of the environment
    stdin: object = None            # a file; nothing if None
    stdout: str = 'digest'          # or 'ignore': what it prints says nothing
    timeout: float = 600            # seconds
    sample: int = None              # sample the tree of this process instead of the command's own


@dataclass
class Measurement:
    """One run.  Times are seconds, times of samples CLOCK_MONOTONIC; sizes are bytes."""
    wall: float
    user: float
    system: float
    peak_rss_bytes: int             # of the largest process, file pages included (ru_maxrss)
    tree_peak_bytes: int            # anonymous memory of all processes at once, as sampled
    minor_faults: int
    major_faults: int
    voluntary_switches: int
    involuntary_switches: int
    status: int                     # exit status, or minus the signal
    timed_out: bool = False
    waited: float = 0               # for a processor that others had; 0 but for a lone thread
    start: float = 0                # CLOCK_MONOTONIC
    samples: list = field(default_factory=list)     # [[t, bytes of anonymous memory], ...]
    output: str = ''                # digest of standard output, '' if not asked for
    report: dict = field(default_factory=dict)      # what the workload said by BENCH_REPORT
    message: str = ''               # last line of standard error, to explain a failure

    @property
    def time(self):
        """Wall time, as it would be on a machine where nothing else runs."""
        return self.wall - self.waited

    @property
    def cpu(self):
        return self.user + self.system

    @property
    def peak(self):
        """Peak memory: of the one process, or of the tree where that is more."""
        return max(self.peak_rss_bytes, self.tree_peak_bytes)

    @property
    def mean(self):
        """Anonymous memory, averaged over time; 0 of a run too short for two samples."""
        pairs = list(zip(self.samples, self.samples[1:]))
        span = sum(after[0] - before[0] for before, after in pairs)
        area = sum((after[0] - before[0]) * (after[1] + before[1]) / 2 for before, after in pairs)
        return area / span if span else 0

    @property
    def switches(self):
        return self.voluntary_switches + self.involuntary_switches

    @property
    def failure(self):
        """Why the run is no measurement, or ''."""
        if self.timed_out:
            return 'did not end in time'
        if self.status < 0:
            return f'was ended by {signal_name(-self.status)}'
        return ''


def signal_name(number):
    """SIGTERM and the like; those between the named ones have a number."""
    return signal.Signals(number).name if number in set(signal.Signals) else f'signal {number}'


class Running:
    """A command that has been started, as a server is; end it by finish() or stop()."""

    def __init__(self, command, allocator):
        self.command = command
        check(command)
        self.folder = tempfile.TemporaryDirectory(prefix='bench-')
        self.path = Path(self.folder.name)
        try:
            self.process = self._started(allocator)
        except OSError as error:
            self.folder.cleanup()
            raise Failure(f'cannot run {command.argv[0]}: {error}') from error

    def _started(self, allocator):
        env = allocator.environment(os.environ | self.command.env)
        env['BENCH_REPORT'] = str(self.path / 'report')
        # The loader's variables are the program's alone; the meter runs without them.
        own = [name for name in env if name.startswith('LD_')]
        argv = [build.helper('meter'), '-o', self.path / 'meter',
                '-t', str(self.command.timeout)]
        for name in own:
            argv += ['-e', f'{name}={env.pop(name)}']
        if self.command.sample:
            argv += ['-s', str(self.command.sample)]
        with (open(self.command.stdin or os.devnull, 'rb') as stdin,
              open(self.path / 'stdout' if self.command.stdout == 'digest' else os.devnull,
                   'wb') as stdout,
              open(self.path / 'stderr', 'wb') as stderr):
            return subprocess.Popen([*argv, '--', *map(str, self.command.argv)], env=env,
                                    cwd=self.command.cwd, stdin=stdin, stdout=stdout, stderr=stderr)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def finish(self) -> Measurement:
        """Waits for the command to end."""
        return self._finish(None)

    def stop(self, signum=signal.SIGTERM) -> Measurement:
        """Sends the signal to the command, then waits for it to end.

        What it waited is not told: the wall time of a server is what its clients see.
        """
        self.process.send_signal(signum)
        return dataclasses.replace(self._finish(GRACE), waited=0)

    def kill(self):
        """Ends it and all below it now, if it runs; nothing is measured."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)
            try:
                self.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self.process.kill()     # and the program with it
                self.process.wait()
        self.folder.cleanup()

    def _finish(self, timeout):
        try:
            self.process.wait(timeout)
            if self.process.returncode:
                raise Failure(f'cannot run {self.command.argv[0]}: {self._message()}')
            return self._measurement()
        except subprocess.TimeoutExpired:
            raise Failure(f'{self.command.argv[0]} did not end when it was asked to') from None
        finally:
            self.kill()

    def _measurement(self):
        measured = Measurement(**json.loads((self.path / 'meter').read_text()))
        if self.command.stdout == 'digest':
            measured.output = _digest(self.path / 'stdout')
        measured.report = self._report()
        measured.message = self._message()
        return measured

    def _report(self):
        try:
            return json.loads((self.path / 'report').read_text())
        except (OSError, ValueError):   # it wrote none, or died on the way
            return {}

    def _message(self):
        lines = (self.path / 'stderr').read_text(errors='replace').split('\n')
        said = [line.strip() for line in lines if line.strip()]
        return said[-1][:200] if said else ''


def _digest(path):
    """hashlib.file_digest() is not in Python 3.10."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()[:16]


def check(command):
    """The program must be there before the meter looks for it."""
    name = str(command.argv[0])
    path = Path(command.cwd or '.', name) if '/' in name else shutil.which(name)
    if not path or not Path(path).exists():
        raise Failure(f'there is no program {name}: install it or give its path')
    if not os.access(path, os.X_OK) or Path(path).is_dir():
        raise Failure(f'{name} is not executable: name a program')
    if command.stdin and not os.access(command.stdin, os.R_OK):
        raise Failure(f'cannot read the input {command.stdin}')


def start(command, allocator) -> Running:
    """Starts a command.  `with start(...) as running:` kills what was not finished."""
    return Running(command, allocator)


def measure(command, allocator) -> Measurement:
    """Runs a command from start to end."""
    with start(command, allocator) as running:
        return running.finish()
