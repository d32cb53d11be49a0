"""Runs a real program twice, without the library and under it, and compares.

A program is a function under @program: it gets a Run, starts what it wants with it, and
returns what must be equal in both runs.  What the run without the library cannot repeat
(times, process ids) is left out by that function, which says why.  A program also names the
executable that must be seen in /proc with the library mapped, so that a preload which was
lost on the way is a failure and not an easy success.
"""
import contextlib
import ctypes
import difflib
import os
import pprint
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SOURCES = Path(__file__).parent / 'sources'
PROGRAMS = {}
PR_SET_CHILD_SUBREAPER = 36


class Failure(Exception):
    """The program did not do what it does without the library."""


def program(executable):
    """Registers a function under its own name; executable is what must map the library."""
    def register(body):
        PROGRAMS[body.__name__.replace('_', '-')] = (body, os.path.realpath(executable))
        return body
    return register


class Run:
    """One run of a program, in an empty directory; library is None or what is preloaded."""

    def __init__(self, directory, library):
        self.dir = directory
        self.sources = directory / 'sources'
        # The machine's own settings stay out; /usr/local may hold stand-ins of the programs.
        self.env = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': str(directory),
                    'TMPDIR': str(directory), 'LC_ALL': 'C.UTF-8', 'TZ': 'UTC'}
        self.env |= {k: v for k, v in os.environ.items() if k.startswith('LOAM_')}
        if library:
            self.env['LD_PRELOAD'] = str(library)

    def __call__(self, *argv, input=None, timeout=120, env=None):
        """Runs argv to its end, which must be exit status 0; returns its standard output."""
        process = self._start(argv, env, stdin=subprocess.PIPE if input else subprocess.DEVNULL,
                              stdout=subprocess.PIPE)
        try:
            output, _ = process.communicate(input, timeout)
        except subprocess.TimeoutExpired:
            raise self._failure(argv, f'still running after {timeout} s', stacks())
        self._ended(process, argv)
        return output

    @contextlib.contextmanager
    def server(self, *argv, ready, stop=signal.SIGTERM, timeout=60):
        """Runs argv from when ready() is true to the end of the caller's block."""
        process = self._start(argv, stdin=subprocess.DEVNULL, stdout=None)
        deadline = time.monotonic() + timeout
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise self._failure(argv, 'is not ready', self._errors() + stacks())
            time.sleep(0.02)
        try:
            yield
        except OSError as error:
            raise self._failure(argv, f'failed its client: {error}', self._errors() + stacks())
        process.send_signal(stop)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self._failure(argv, f'does not stop within {timeout} s', stacks())
        self._ended(process, argv)

    def _start(self, argv, env=None, *, stdin, stdout):
        argv = [str(arg) for arg in argv]
        # Servers refuse to be root, and would drop to some user of their own.
        user = {'user': 'nobody', 'group': 'nogroup', 'extra_groups': []} if is_root() else {}
        with open(self.dir / 'stderr', 'ab') as errors:
            return subprocess.Popen(argv, cwd=self.dir, env=self.env | (env or {}), stdin=stdin,
                                    stdout=stdout or errors, stderr=errors, **user)

    def _ended(self, process, argv):
        status = process.returncode
        if status:
            how = signal.Signals(-status).name if status < 0 else f'exit status {status}'
            raise self._failure(argv, f'ended by {how}', self._errors())
        # What loam reports, and what a server says of a child that it has replaced.
        if bad := re.findall(r'^loam: .*|.*(?:on|by) signal \d.*', self._errors(), re.M):
            raise self._failure(argv, 'ended well, but:', '\n'.join(bad))

    def _errors(self):
        return (self.dir / 'stderr').read_text(errors='replace')

    def _failure(self, argv, what, details):
        preload = f'LD_PRELOAD={p} ' if (p := self.env.get('LD_PRELOAD')) else ''
        line = shlex.join(map(str, argv))
        return Failure(f'cd {self.dir}; {preload}{line[:500]}\n{what}\n{details[-6000:]}')


class Watch(threading.Thread):
    """Looks through /proc until a process of the executable is seen to map the library.

    The library is a copy of this test's own, so whoever maps it was started by this test.
    """

    def __init__(self, executable, library):
        super().__init__(daemon=True)
        self.executable, self.library = executable, str(library)
        self.seen = False
        self.over = threading.Event()

    def run(self):
        while not self.seen and not self.over.wait(0.002):
            self.seen = any(self._maps(pid) for pid in os.listdir('/proc') if pid.isdigit())

    def _maps(self, pid):
        with contextlib.suppress(OSError):
            if os.readlink(f'/proc/{pid}/exe') == self.executable:
                return self.library in Path(f'/proc/{pid}/maps').read_text()
        return False

    def end(self):
        self.over.set()
        self.join()
        return self.seen


def is_root():
    return os.geteuid() == 0


def children(pid='self'):
    pids = Path(f'/proc/{pid}/task').glob('*/children')
    return [int(child) for thread in pids for child in thread.read_text().split()]


def descendants(pid='self'):
    return [each for child in children(pid) for each in (child, *descendants(child))]


def stacks():
    """The stack of every thread of what we started, if there is gdb to tell."""
    if not shutil.which('gdb'):
        return ''
    return '\n'.join(
        subprocess.run(['gdb', '-nx', '-batch', '-p', str(pid), '-ex', 'thread apply all bt 12'],
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        for pid in descendants())


def kill_children():
    """Ends every process this test has started; orphans come to us, the subreaper."""
    while pids := children():
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def run_once(body, directory, library):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    shutil.copytree(SOURCES, directory / 'sources', copy_function=shutil.copyfile)
    if is_root():
        shutil.chown(directory, 'nobody', 'nogroup')
    try:
        return body(Run(directory, library))
    finally:
        kill_children()


def compare(name, library, home):
    """Runs the program both ways; raises Failure if they differ or the library was not loaded."""
    body, executable = PROGRAMS[name]
    if not os.path.exists(executable):
        raise Failure(f'{executable} is not installed; see packages.txt')
    copy = Path(shutil.copy(library, home / 'libloam.so'))
    copy.chmod(0o755)
    start = time.monotonic()
    without = run_once(body, home / 'run', None)
    middle = time.monotonic()
    watch = Watch(executable, copy)
    watch.start()
    try:
        with_ = run_once(body, home / 'run', copy)
    finally:
        seen = watch.end()
    print(f'{name}: {middle - start:.1f} s without, {time.monotonic() - middle:.1f} s with')
    if not seen:
        raise Failure(f'no process of {executable} was seen with the library mapped')
    if with_ != without:
        lines = (pprint.pformat(value, width=100).splitlines() for value in (without, with_))
        diff = difflib.unified_diff(*lines, 'without', 'with', n=0, lineterm='')
        raise Failure('the results differ\n' + '\n'.join(list(diff)[:60]))


def main(name):
    os.umask(0o022)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('ended by SIGTERM'))
    # Short, because the path of a unix socket in it has to be.
    home = Path(tempfile.mkdtemp(prefix='loam-', dir='/tmp'))
    home.chmod(0o755)
    try:
        compare(name, os.environ['LOAM_SO'], home)
    except Failure as failure:
        sys.exit(f'{name}: {failure}')
    finally:
        if 'KEEP' not in os.environ:
            shutil.rmtree(home)
