"""A server under a fixed load: started with the meter, loaded by clients without preload, stopped.

Wall time is the load's; processor time and memory are the server's, of all its processes, from
start to end.  Each run has a directory of its own, which is gone afterwards.
"""
import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import tempfile
import time
from dataclasses import dataclass
from typing import Callable

from measure import run
from measure.failure import Failure
from programs.program import ENVIRONMENT, Program, ToolFailed, digest

READY_SECONDS = 60
# A server that refuses to be root is nobody.
UNPRIVILEGED = (['/usr/bin/setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', '--']
                if os.geteuid() == 0 else [])


@dataclass
class Service:
    """One start of a server, and what is done to it."""
    argv: list
    ready: Callable[[], bool]
    load: Callable[[], bytes]           # returns what is the same under every allocator
    stop: int = signal.SIGTERM


@dataclass
class Server(Program):
    """service(home, dir, size) -> Service, with home an empty directory and dir the input."""
    service: Callable
    make: Callable = lambda dir: None           # make(dir) writes its input

    def make_input(self, dir):
        self.make(dir)

    def run(self, allocator, dir, size):
        with temporary_home() as home:
            service = self.service(home, dir, size)
            command = run.Command([str(arg) for arg in service.argv], cwd=home,
                                  env=ENVIRONMENT | {'HOME': str(home)}, stdout='ignore')
            with run.start(command, readable(allocator, home)) as server:
                try:
                    wall, output, trouble = under_load(service, server)
                finally:    # asked, rather than killed, it ends its children too
                    measurement = server.stop(service.stop)
        if trouble and not measurement.failure:
            ended = f'; the server ended with status {measurement.status}: {measurement.message}'
            raise Failure(f'its load failed: {trouble}' + (ended if measurement.status else ''))
        return dataclasses.replace(measurement, wall=wall, output=digest(output))


def under_load(service, server):
    """Seconds that the load took, what must be equal of it, and what went wrong, if anything."""
    wait_until_ready(service, server)
    start = time.monotonic()
    try:
        output, trouble = service.load(), ''
    except ToolFailed as failure:
        output, trouble = b'', str(failure)
    return time.monotonic() - start, output, trouble


def wait_until_ready(service, server):
    """Returns when the server is ready, or has ended: then the load fails, and says so."""
    deadline = time.monotonic() + READY_SECONDS
    while not service.ready() and server.process.poll() is None:
        if time.monotonic() > deadline:
            raise Failure(f'{service.argv[0]} is not ready within {READY_SECONDS} s')
        time.sleep(0.02)


@contextlib.contextmanager
def temporary_home():
    # Its path is short, because that of a unix socket has to be, and open to other users.
    home = pathlib.Path(tempfile.mkdtemp(prefix='loam-', dir='/tmp'))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def readable(allocator, home):
    """The allocator, from a file that a server of another user may open too."""
    if not allocator.path or not UNPRIVILEGED:
        return allocator
    copy = pathlib.Path(shutil.copy(allocator.path, home))
    copy.chmod(0o755)
    return dataclasses.replace(allocator, path=copy)


def accepts(address):
    """Whether a server takes connections: address is a path, or a host and a port."""
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family) as client:
        return client.connect_ex(address if isinstance(address, tuple) else str(address)) == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]
