"""What all programs share: Debian packages, three sizes, scripts, and a plain environment.

A program is measured by the path that its package gives it, since /usr/local may hold a stand-in,
and with no home and no locale of the user's, which would change what it does.
"""
import hashlib
import pathlib
import subprocess
from dataclasses import dataclass, field
from typing import Callable

from measure import packages, run
from measure.failure import Failure
from measure.workload import Workload

SCRIPTS = pathlib.Path(__file__).parent / 'scripts'
ENVIRONMENT = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8', 'TZ': 'UTC',
               'HOME': '/nonexistent', 'GIT_CONFIG_NOSYSTEM': '1',
               'PYTHONDONTWRITEBYTECODE': '1'}


def digest(data):
    return hashlib.sha256(data).hexdigest()


class ToolFailed(Failure):
    """A program beside the measured one did not do its part."""


def call(*argv, **options):
    """Runs what is not measured, without any preload; returns what it prints."""
    argv = [str(arg) for arg in argv]
    try:
        done = subprocess.run(argv, env=ENVIRONMENT, capture_output=True, timeout=600, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolFailed(str(error))
    if done.returncode:
        said = done.stderr.decode(errors='replace').strip().rpartition('\n')[2]
        raise ToolFailed(f'{argv[0]} ended with {done.returncode}: {said}')
    return done.stdout


@dataclass
class Program(Workload):
    """A workload of a Debian program; kinds of programs override make_input() and run()."""
    packages: tuple     # Debian's names of what it needs
    sizes: tuple        # what run() gets for a smoke run (no time at all), a quick and a full one

    def prepare(self, dir):
        packages.need(*self.packages)
        self.make_input(pathlib.Path(dir))

    def measure(self, allocator, dir, quick):
        return self.run(allocator, pathlib.Path(dir), self.sizes[1 if quick else 2])

    def make_input(self, dir):
        """Writes its input into dir."""

    def run(self, allocator, dir, size) -> run.Measurement:
        """Runs once with one of the sizes."""
        raise NotImplementedError


@dataclass
class CommandProgram(Program):
    """One command from start to end, which prints the same under every allocator."""
    argv: Callable                              # argv(dir, size) -> list
    make: Callable = lambda dir: None           # make(dir) writes its input
    env: dict = field(default_factory=dict)

    def make_input(self, dir):
        self.make(dir)

    def run(self, allocator, dir, size):
        command = run.Command([str(arg) for arg in self.argv(dir, size)], cwd=dir,
                              env=ENVIRONMENT | self.env)
        return run.measure(command, allocator)
