"""test_programs.py CROWD COUNTING: what each tool says of real programs under load, against what these know themselves.

CROWD is crowd.c, COUNTING a library that counts what a program holds, beside any allocator.  How far a figure may be
off is what docs/observing.md says.
"""
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
from pathlib import Path

from target import MAP, PROF, command, counters, ctl, environment, metrics, top

CROWD, COUNTING = map(os.path.abspath, sys.argv[1:3])
del sys.argv[1:3]
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


def sampled(pid):
    """By the heap profile."""
    lines = command(PROF, pid, '--format', 'folded').splitlines()
    return sum(int(line.rpartition(' ')[2]) for line in lines)


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
                                                          'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', **(env or {})}))
        try:
            yield made
        finally:
            made.send_signal(stop)
            made.communicate(timeout=SECONDS)

    def each_tool(self, pid, least, most, tools=LIVE):
        """Each says that between so many bytes are live."""
        for name in tools:
            found = LIVE[name](pid)
            print(f'{self.id().rpartition(".")[2]}: {name}: {found:,} of {least:,} to {most:,}')
            self.assertTrue(least <= found <= most, (name, found, least, most))

    def profile(self, pid, held):
        """Sampled bytes are those that were asked for: of usable ones an eighth may be padding."""
        found, error = sampled(pid), 5 * math.sqrt(held * RATE)
        print(f'{self.id().rpartition(".")[2]}: prof: {found:,} of {held:,}')
        self.assertTrue(held * 7 / 8 - error <= found <= held + error, (found, held, error))

    def answers(self, pid):
        """It does what it is asked for, under load."""
        self.assertRegex(ctl(pid, 'set', 'retain_floor=1M', '--wait', SECONDS), '^done: retain_floor=1M; it was ')
        self.assertRegex(ctl(pid, 'trim', '--wait', SECONDS), r'^done: .*; RSS is \S+$')

    def shows(self, pid, name):
        """In words, too."""
        self.assertRegex(top(pid, '--once'), rf'^{name} \({pid}\) of \S+, loam [\d.]+, \d+ threads?, \d+ arenas?\n'
                                             r'[\d.,]+ MiB held for [\d.,]+ live')
        self.assertRegex(command(MAP, pid), r'[\d.,]+ MiB held for [\d.,]+ live')
        self.assertRegex(ctl(pid, 'stats'), rf'process {pid}: [\d.]+ MiB in use')
        self.assertRegex(command(PROF, pid), r'in use, [\d,]+ objects; [\d,]+ samples, one in 16.0K\n')


class Crowd(Case):
    def say(self, made, line):
        made.stdin.write(line + '\n')
        made.stdin.flush()
        return made.stdout.readline().split()

    def test_32_threads(self):
        with self.running(CROWD, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as made:
            held, objects = map(int, made.stdout.readline().split())
            before = int(self.say(made, 'work')[0])
            self.each_tool(made.pid, held * (1 - SHARE), held * (1 + SHARE) + BESIDE)
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


SOURCE = '#include <map>\n#include <regex>\n#include <string>\n' + '\n'.join(
    f'bool f{i}(const std::string &s) {{ static std::map<int, std::string> m; m[{i}] = s;'
    f' return std::regex_match(s, std::regex(m[{i}], std::regex::{"icase" if i % 2 else "extended"})); }}' for i in range(400))


@unittest.skipUnless(shutil.which('g++'), 'g++ is not installed')
class Compiler(Case):
    def test_a_long_compile(self):
        """Stopped now and then, so that both are of one moment: what is live is what was counted, and headers."""
        source, most = self.folder / 'long.cc', 0
        source.write_text(SOURCE)
        with self.running('g++', '-O2', '-c', source, '-o', self.folder / 'long.o', options='verbose', stderr=subprocess.DEVNULL,
                          env={'LD_PRELOAD': f'{COUNTING} {self.library}', 'COUNTING': str(self.folder / 'count')}) as made:
            compiler = until(lambda: self.child(made.pid, 'cc1plus'), 'there is no compiler')
            try:
                for step in (2, 5, 9):
                    until(lambda step=step: self.counted(compiler)[0] > step * MIB, 'it holds too little')
                    self.moving(compiler)
                    os.kill(compiler, signal.SIGSTOP)
                    until(lambda: Path(f'/proc/{compiler}/stat').read_text().rpartition(')')[2].split()[0] == 'T', 'it runs')
                    held, objects = self.counted(compiler)
                    self.each_tool(compiler, held, held + HEADER * objects + BESIDE)
                    os.kill(compiler, signal.SIGCONT)
                    most = max(most, held)
                self.assertRegex(ctl(compiler, 'trim', '--wait', SECONDS), '^done: ')
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(compiler, signal.SIGKILL)

    def child(self, pid, name):
        for child in map(int, Path(f'/proc/{pid}/task/{pid}/children').read_text().split()):
            with contextlib.suppress(OSError):
                if Path(f'/proc/{child}/comm').read_text() == name + '\n':
                    return child
        return 0

    def counted(self, pid):
        with contextlib.suppress(OSError):
            data = Path(f'{self.folder}/count.{pid}').read_bytes()
            if len(data) == 16:
                return struct.unpack('<qq', data)
        return 0, 0

    def moving(self, pid):
        """While it runs: within the bound of what was counted before and after."""
        before = self.counted(pid)
        found = LIVE['ctl stats'](pid)
        after = self.counted(pid)
        least, most = (pick(before[0], after[0]) for pick in (min, max))
        self.assertTrue(least * (1 - SHARE) - BESIDE <= found <= most * (1 + SHARE) + HEADER * max(before[1], after[1]) + BESIDE,
                        (before, found, after))


if __name__ == '__main__':
    unittest.main()
