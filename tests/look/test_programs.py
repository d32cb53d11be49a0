"""test_programs.py CROWD COUNTING [TEST ...]: what each tool says of real programs under load, against what these know
themselves.

CROWD is crowd.c, COUNTING a library that counts what a program holds, beside any allocator.  How far a figure may be
off is what docs/observing.md says.  Every tool looks at every program: a run of all tests proves the matrix that
docs/testing.md shows.
"""
import collections
import contextlib
import json
import math
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from target import MAP, PROF, command, counters, ctl, environment, metrics, top

CROWD, COUNTING = map(os.path.abspath, sys.argv[1:3])
del sys.argv[1:3]
IS_WHOLE = len(sys.argv) == 1
MIB = 1 << 20
RATE = 16 << 10         # of heap profiles
OPTIONS = f'prof={RATE}'
BESIDE = 128 << 10      # libc's own blocks, and ends of heaps
HEADER = 16             # of a chunk, and what its size is rounded up by
PADDING = 16            # of what crowd.c holds so much is behind small runs, which may have an eighth and a page more
SHARE = 0.05            # of what is held: how far a figure may be off while threads change it
SECONDS = 240           # for what is waited for
POSTGRES = max(Path('/usr/lib/postgresql').glob('*/bin'), key=lambda folder: int(folder.parent.name), default=None)
NOBODY = {'user': 'nobody', 'group': 'nogroup', 'extra_groups': []} if os.geteuid() == 0 else {}


def until(holds, what):
    deadline = time.monotonic() + SECONDS
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
    return found


def live_of_map(pid):
    with tempfile.TemporaryDirectory() as folder:
        command(MAP, pid, '-o', f'{folder}/map.json')
        return json.loads(Path(f'{folder}/map.json').read_text())['heap']['live']


def live_of_metrics(pid):
    return int(re.search(rf'^loam_live_bytes\{{[^}}]*pid="{pid}"[^}}]*\}} (\d+)$', metrics(), re.M)[1])


# What a process holds, as each tool has it.
LIVE = {'top': lambda pid: json.loads(top(pid, '--json'))['heap']['live'],
        'map': live_of_map,
        'ctl stats': lambda pid: json.loads(ctl(pid, 'stats', '--json'))['live_bytes'],
        'metrics': live_of_metrics}

# What was held against a program's own figures, or was done by it when it was asked.
MATRIX = {'top', 'map', 'prof', 'prof start', 'prof stop', 'ctl stats', 'ctl set', 'ctl trim', 'metrics'}
PROGRAMS = ('crowd', 'memcached', 'postgres', 'python3', 'g++')


def folded_bytes(stacks):
    return sum(int(line.rpartition(' ')[2]) for line in stacks.splitlines())


def sampled(pid, shown='live'):
    """By the heap profile."""
    return folded_bytes(command(PROF, pid, '--format', 'folded', '--show', shown))


class Load:
    """Calls a function again and again, in so many threads, until the block ends."""

    def __init__(self, body, nthreads=2):
        self.over, self.rounds, self.failed = threading.Event(), 0, None
        self.threads = [threading.Thread(target=self.run, args=(body, i)) for i in range(nthreads)]

    def run(self, body, number):
        try:
            while not self.over.is_set():
                body(number)
                self.rounds += 1
        except Exception as why:
            self.failed = why

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert self.failed is None, self.failed
        assert self.rounds, 'there was no load'


class Case(unittest.TestCase):
    program = None      # of the matrix
    used = collections.defaultdict(set)     # tools, by program

    def tool(self, name):
        self.used[self.program].add(name)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='loam-', dir='/tmp')    # short: the path of a socket
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.folder.chmod(0o755)
        if NOBODY:
            shutil.chown(self.folder, 'nobody', 'nogroup')
        self.library = shutil.copy(os.environ['LOAM_SO'], self.folder / 'libloam.so')
        os.chmod(self.library, 0o755)

    @contextlib.contextmanager
    def running(self, *argv, stop=signal.SIGKILL, env=None, options=OPTIONS, **more):
        made = subprocess.Popen([str(word) for word in argv], cwd=self.folder, text=True, **more,
                                env=environment(False, **{'LD_PRELOAD': self.library, 'LOAM_OPTIONS': options,
                                                          'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'TMPDIR': str(self.folder),
                                                          **(env or {})}))
        try:
            yield made
        finally:
            made.send_signal(stop)
            made.communicate(timeout=SECONDS)

    def each_tool(self, pid, least, most, tools=LIVE):
        """Each says that between so many bytes are live."""
        for name in tools:
            self.tool(name)
            found = LIVE[name](pid)
            print(f'{self.id().rpartition(".")[2]}: {name}: {found:,} of {least:,} to {most:,}')
            self.assertTrue(least <= found <= most, (name, found, least, most))

    def profile(self, pid, held):
        """Sampled bytes are those that were asked for: of usable ones an eighth may be padding."""
        self.tool('prof')
        found, error = sampled(pid), 5 * math.sqrt(held * RATE)
        print(f'{self.id().rpartition(".")[2]}: prof: {found:,} of {held:,}')
        self.assertTrue(held * 7 / 8 - error <= found <= held + error, (found, held, error))

    def answers(self, pid, profiled=True):
        """It does what it is asked for, under load."""
        for what, pattern in (('stop', r'the profile has [\d,]+ samples'), ('start 16K', 'it is profiled from now on'))[not profiled:]:
            self.tool(f'prof {what.split()[0]}')
            self.assertRegex(command(PROF, pid, *what.split(), '--wait', SECONDS), f'^done: {pattern}')
        self.tool('ctl set')
        self.assertRegex(ctl(pid, 'set', 'retain_floor=1M', '--wait', SECONDS), '^done: retain_floor=1M; it was ')
        self.tool('ctl trim')
        self.assertRegex(ctl(pid, 'trim', '--wait', SECONDS), r'^done: .*; RSS is \S+$')

    def shows(self, pid, name):
        """In words, too."""
        self.assertRegex(top(pid, '--once'), rf'^{name} \({pid}\) of \S+, loam [\d.]+, \d+ threads?, \d+ arenas?\n'
                                             r'[\d.,]+ MiB held for [\d.,]+ live')
        self.assertRegex(command(MAP, pid), r'[\d.,]+ MiB held for [\d.,]+ live')
        self.assertRegex(ctl(pid, 'stats'), rf'process {pid}: [\d.]+ MiB in use')
        self.assertRegex(command(PROF, pid), r'in use, [\d,]+ objects; [\d,]+ samples, one in 16.0K\n')


class Crowd(Case):
    program = 'crowd'

    def say(self, made, line):
        made.stdin.write(line + '\n')
        made.stdin.flush()
        return made.stdout.readline().split()

    def test_32_threads(self):
        with self.running(CROWD, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as made:
            held, objects = map(int, made.stdout.readline().split())
            before = int(self.say(made, 'work')[0])
            beside = held // PADDING + HEADER * objects + BESIDE
            self.each_tool(made.pid, held * (1 - SHARE), held * (1 + SHARE) + beside)
            self.profile(made.pid, held)
            self.shows(made.pid, Path(CROWD).name)
            self.answers(made.pid)
            self.assertGreater(int(self.say(made, 'work')[0]), before)
            held = int(self.say(made, 'pause')[2])
            self.each_tool(made.pid, held, held + held // PADDING + HEADER * objects + BESIDE)
            self.assertEqual(len({LIVE[name](made.pid) for name in LIVE}), 1)
            self.say(made, 'go')


@unittest.skipUnless(shutil.which('memcached'), 'memcached is not installed')
class Memcached(Case):
    program = 'memcached'

    def setUp(self):
        super().setUp()
        self.socket = self.folder / 'memcached.sock'

    def ask(self, line):
        with socket.socket(socket.AF_UNIX) as client, client.makefile('rwb') as stream:
            client.connect(str(self.socket))
            stream.write(line + b'\r\n')
            stream.flush()
            words = iter(stream.readline, b'END\r\n')
            return {row[1]: row[2] for row in map(bytes.split, words)}

    def known(self):
        """Bytes that it says it allocated: pages of its own slabs, and its table."""
        return int(self.ask(b'stats slabs')[b'total_malloced']) + int(self.ask(b'stats')[b'hash_bytes'])

    def fill(self, number):
        with socket.socket(socket.AF_UNIX) as client, client.makefile('rwb') as stream:
            client.connect(str(self.socket))
            for i in range(200):
                value = bytes(100 + i * 97 % 9000)
                stream.write(b'set %d-%d 0 0 %d\r\n%s\r\n' % (number, time.monotonic_ns() % 20000, len(value), value))
            stream.flush()
            for _ in range(200):
                assert stream.readline() in (b'STORED\r\n', b'SERVER_ERROR out of memory storing object\r\n')

    def test_a_server_under_load(self):
        with self.running('memcached', '-s', self.socket, '-m', '64', '-t', '4', **NOBODY) as made:
            until(self.socket.exists, 'memcached is not there')
            started = LIVE['top'](made.pid) - self.known()     # threads, rings of logs, connections
            self.assertTrue(0 <= started <= 8 * MIB, started)
            with Load(self.fill):
                until(lambda: int(self.ask(b'stats')[b'evictions']), 'it does not fill')
                known = self.known() + started
                self.each_tool(made.pid, known * (1 - SHARE), known * (1 + SHARE) + BESIDE)
                self.assertLessEqual(abs(self.known() + started - known), known * SHARE)
                self.profile(made.pid, known)
                self.answers(made.pid)
                self.shows(made.pid, 'memcached')


@unittest.skipUnless(POSTGRES, 'postgresql is not installed')
class Postgres(Case):
    program = 'postgres'

    def run_as_nobody(self, *argv):
        return subprocess.run(list(map(str, argv)), cwd=self.folder, check=True, capture_output=True, text=True, env={'PATH': '/usr/bin:/bin'}, **NOBODY)

    def setUp(self):
        super().setUp()
        self.data = self.folder / 'data'
        self.run_as_nobody(POSTGRES / 'initdb', '-D', self.data, '-A', 'trust', '-U', 'loam', '--no-sync', '--locale=C.UTF-8')
        self.host = ('-h', self.folder, '-U', 'loam')

    def session(self, psql, *lines):
        """The rows that come before the mark."""
        psql.stdin.write('\n'.join([*lines, r'\echo mark', '']))
        psql.stdin.flush()
        return list(iter(psql.stdout.readline, 'mark\n'))

    def test_a_backend_beside_others(self):
        status = self.data / 'postmaster.pid'
        with self.running(POSTGRES / 'postgres', '-D', self.data, '-k', self.folder, '-F', '-c', 'listen_addresses=',
                          stop=signal.SIGQUIT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **NOBODY):
            until(lambda: status.exists() and 'ready' in status.read_text(), 'postgres is not ready')
            self.run_as_nobody(POSTGRES / 'pgbench', *self.host, '-i', '-q', 'postgres')
            with Load(lambda _: self.run_as_nobody(POSTGRES / 'pgbench', *self.host, '-c', 2, '-t', 200, 'postgres'), 1), \
                    subprocess.Popen(list(map(str, (POSTGRES / 'psql', *self.host, '-qAt', 'postgres'))), stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True, cwd=self.folder, **NOBODY) as psql:
                self.looks_at(psql)
                psql.stdin.close()

    def looks_at(self, psql):
        """Of a session that holds a sorted table its contexts say what was allocated."""
        rows = self.session(psql, "SET work_mem = '400MB'; SET jit = off;", 'BEGIN;',
                            "DECLARE c CURSOR FOR SELECT g, repeat('x', 100) FROM generate_series(1, 200000) g ORDER BY 1 DESC;",
                            'MOVE 1 FROM c;', 'SELECT pg_backend_pid();')
        pid = int(rows[-1])
        contexts = int(self.session(psql, 'SELECT sum(total_bytes) FROM pg_backend_memory_contexts;')[-1])
        self.assertGreater(contexts, 20 * MIB)
        self.each_tool(pid, contexts * (1 - SHARE), contexts * (1 + SHARE) + MIB)
        self.profile(pid, contexts)
        self.shows(pid, 'postgres')
        # It waits for its client: what it is asked for it does when it works again.
        ctl(pid, 'set', 'retain_floor=1M', '--wait', 0.1, status=3)
        with Load(lambda _: self.session(psql, 'SELECT count(*) FROM pg_class;'), 1):
            self.answers(pid)


PYTHON = '''
import ctypes, json, sys, threading
def load():
    while True:
        json.loads(json.dumps([{"name": str(i), "values": list(range(20))} for i in range(200)]))
threading.Thread(target=load, daemon=True).start()
print("started", flush=True)
sys.stdin.readline()
kept = [bytes(20 + i % 3000) for i in range(20000)]
print(sum(map(sys.getsizeof, kept)) + sys.getsizeof(kept), flush=True)
sys.stdin.readline()
'''


class Python(Case):
    program = 'python3'

    def test_what_getsizeof_says(self):
        with self.running('/usr/bin/python3', '-c', PYTHON, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env={'PYTHONMALLOC': 'malloc'}) as made:
            made.stdout.readline()
            before = LIVE['top'](made.pid)
            made.stdin.write('\n')
            made.stdin.flush()
            held = int(made.stdout.readline())
            # Sizes of classes are at most an eighth apart; the load holds more or less by a MiB.
            self.each_tool(made.pid, before + held - MIB, before + held * 9 / 8 + MIB)
            self.profile(made.pid, before + held)
            self.shows(made.pid, 'python3')
            self.answers(made.pid)


def source_of(functions):
    return '#include <map>\n#include <regex>\n#include <string>\n' + '\n'.join(
        f'bool f{i}(const std::string &s) {{ static std::map<int, std::string> m; m[{i}] = s;'
        f' return std::regex_match(s, std::regex(m[{i}], std::regex::{"icase" if i % 2 else "extended"})); }}' for i in range(functions))


# Of a compiler: usable bytes and objects in use, bytes asked for so far; by counting.c.
Counted = collections.namedtuple('Counted', 'held objects asked')


@unittest.skipUnless(shutil.which('g++'), 'g++ is not installed')
class Compiler(Case):
    program = 'g++'

    def counting(self):
        return {'LD_PRELOAD': f'{COUNTING} {self.library}', 'COUNTING': str(self.folder / 'count')}

    @contextlib.contextmanager
    def compiling(self, options):
        """The number of a cc1plus that has work for a minute; it is killed at the end."""
        source = self.folder / 'long.cc'
        source.write_text(source_of(400))
        with self.running('g++', '-O2', '-c', source, '-o', self.folder / 'long.o', options=options, stderr=subprocess.DEVNULL,
                          env=self.counting()) as made:
            compiler = until(lambda: self.child(made.pid, 'cc1plus'), 'there is no compiler')
            try:
                yield compiler
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(compiler, signal.SIGKILL)

    @contextlib.contextmanager
    def stopped(self, compiler):
        """So that a look and what was counted are of one moment, which is given."""
        os.kill(compiler, signal.SIGSTOP)
        until(lambda: Path(f'/proc/{compiler}/stat').read_text().rpartition(')')[2].split()[0] == 'T', 'it runs')
        yield self.counted(compiler)
        os.kill(compiler, signal.SIGCONT)

    def test_a_long_compile(self):
        """What is live is what was counted, and headers."""
        with self.compiling('verbose') as compiler:
            for step in (2, 5, 9):
                until(lambda step=step: self.counted(compiler).held > step * MIB, 'it holds too little')
                self.moving(compiler)
                with self.stopped(compiler) as now:
                    self.each_tool(compiler, now.held, now.held + HEADER * now.objects + BESIDE)
            self.answers(compiler, profiled=False)

    def test_profiled_from_its_start(self):
        with self.compiling(OPTIONS) as compiler:
            for step in (1, 5):
                until(lambda step=step: self.counted(compiler).held > step * MIB, 'it holds too little')
                with self.stopped(compiler) as now:
                    self.profile(compiler, now.held)
                    self.agrees('allocated', sampled(compiler, 'allocated'), now.asked, now.asked)
            self.shows(compiler, 'cc1plus')

    def test_profiled_from_the_middle_on(self):
        """What it asked for since the start is what was allocated; what was there before is in no figure."""
        with self.compiling('verbose') as compiler:
            until(lambda: self.counted(compiler).held > 2 * MIB, 'it holds too little')
            before = self.counted(compiler)
            self.assertIn('about one sample in 16.0K', command(PROF, compiler, 'start', '16K', '--wait', SECONDS))
            after = self.counted(compiler)
            until(lambda: self.counted(compiler).asked > after.asked + 16 * MIB, 'it asks for too little')
            with self.stopped(compiler) as now:
                self.agrees('allocated', sampled(compiler, 'allocated'), now.asked - after.asked, now.asked - before.asked)
                live = sampled(compiler)
                # Of what was there at the start some may have been freed.
                self.agrees('live', live, (now.held - after.held) * 7 / 8, now.held)
                self.dumps(compiler, live)
            self.answers(compiler)
            self.assertRegex(command(PROF, compiler, 'stop', '--wait', SECONDS), r'^done: the profile has [\d,]+ samples')
            left, asked = command(PROF, compiler, '--format', 'folded', '--show', 'allocated'), self.counted(compiler).asked
            until(lambda: self.counted(compiler).asked > asked + 4 * MIB, 'it asks for nothing')
            self.assertEqual(command(PROF, compiler, '--format', 'folded', '--show', 'allocated'), left)

    def agrees(self, what, found, least, most):
        """In bytes asked for, within five deviations of the sampling."""
        error = 5 * math.sqrt(most * RATE)
        print(f'{self.id().rpartition(".")[2]}: prof: {what} {found:,} of {least:,} to {most:,}')
        self.assertTrue(least - error <= found <= most + error, (what, found, least, most, error))

    def dumps(self, compiler, live):
        """In each form; while it is stopped all are of the same samples."""
        for name in ('svg', 'folded', 'pb.gz', 'heap', 'txt'):
            path = self.folder / f'dump.{name}'
            command(PROF, compiler, 'dump', '-o', path)
            self.assertGreater(path.stat().st_size, 1000, name)
        self.assertEqual(folded_bytes((self.folder / 'dump.folded').read_text()), live)
        self.assertIn('cc1plus', (self.folder / 'dump.txt').read_text())
        self.assertEqual(folded_bytes(command(PROF, self.folder / 'dump.heap', '--format', 'folded')), live)

    def test_killed_while_profiled(self):
        """In the midst of what looks at it: a whole result, or one line and no file."""
        path = self.folder / 'dump.svg'
        for words in (('-o', path), ('stop', '--wait', '60')):
            with self.subTest(words=words), self.compiling(OPTIONS) as compiler:
                until(lambda compiler=compiler: self.counted(compiler).held > MIB, 'it holds too little')
                with subprocess.Popen(list(map(str, (PROF, compiler, *words))), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True) as tool:
                    until(lambda tool=tool, compiler=compiler: has_open(tool, f'/proc/{compiler}/mem'), 'it does not look')
                    os.kill(compiler, signal.SIGKILL)
                    out, said = tool.communicate(timeout=SECONDS)
                if tool.returncode == 0:
                    self.assertEqual(said, '')
                    self.assertTrue(path.exists() if path in words else out.startswith('done: '))
                else:
                    self.gone(compiler, tool.returncode, said)
                    self.assertFalse(path in words and path.exists())
                done = subprocess.run(list(map(str, (PROF, compiler))), capture_output=True, text=True, timeout=SECONDS, check=False)
                self.gone(compiler, done.returncode, done.stderr)
                self.assertFalse((self.folder / f'loam.{compiler}.heap').exists())

    def gone(self, compiler, status, said):
        self.assertEqual(status, 1)
        self.assertRegex(said, rf'\Aloam: (process {compiler} \(\S+\) has ended|there is no process {compiler})\n\Z')

    def test_profiled_to_its_end(self):
        """The object file is that of a compile without loam, and the profile that is left agrees with what was counted."""
        source = self.folder / 'short.cc'
        source.write_text(source_of(3))
        argv = ['g++', '-O1', '-c', source, '-o']
        subprocess.run([*argv, self.folder / 'plain.o'], check=True, cwd=self.folder, env={'PATH': '/usr/bin:/bin'})
        with self.running(*argv, self.folder / 'profiled.o', env=self.counting()) as made:
            self.assertEqual(made.wait(SECONDS), 0)
        self.assertEqual((self.folder / 'plain.o').read_bytes(), (self.folder / 'profiled.o').read_bytes())
        counts = {path.suffix[1:]: self.counted(path.suffix[1:]) for path in self.folder.glob('count.*')}
        compiler = max(counts, key=lambda pid: counts[pid].asked)
        left = self.folder / f'loam.{compiler}.heap'
        self.assertIn('cc1plus+0x', command(PROF, left))
        asked = counts[compiler].asked
        self.agrees('allocated', folded_bytes(command(PROF, left, '--format', 'folded', '--show', 'allocated')), asked, asked)

    def child(self, pid, name):
        for child in map(int, Path(f'/proc/{pid}/task/{pid}/children').read_text().split()):
            with contextlib.suppress(OSError):
                if Path(f'/proc/{child}/comm').read_text() == name + '\n':
                    return child
        return 0

    def counted(self, pid):
        with contextlib.suppress(OSError):
            data = Path(f'{self.folder}/count.{pid}').read_bytes()
            if len(data) == 24:
                return Counted(*struct.unpack('<qqq', data))
        return Counted(0, 0, 0)

    def moving(self, pid):
        """While it runs: within the bounds of what was counted meanwhile."""
        counts = [self.counted(pid)]
        with ThreadPoolExecutor(1) as pool:
            look = pool.submit(LIVE['ctl stats'], pid)
            while not look.done():
                counts.append(self.counted(pid))
        counts.append(self.counted(pid))
        found, held = look.result(), [count.held for count in counts if count.held]
        beside = HEADER * max(count.objects for count in counts) + BESIDE
        self.assertTrue(min(held) * (1 - SHARE) - BESIDE <= found <= max(held) * (1 + SHARE) + beside,
                        (min(held), found, max(held), beside))


def tearDownModule():
    """A whole run has tested each tool on each program: none was skipped."""
    missing = {program: MATRIX - Case.used[program] for program in PROGRAMS if Case.used[program] != MATRIX}
    assert not IS_WHOLE or not missing, f'not tested: {missing}'


def has_open(tool, path):
    """Whether a process has that file open, or has ended."""
    if tool.poll() is not None:
        return True
    with contextlib.suppress(OSError):
        return any(os.readlink(entry) == path for entry in Path(f'/proc/{tool.pid}/fd').iterdir())
    return False


if __name__ == '__main__':
    unittest.main()
