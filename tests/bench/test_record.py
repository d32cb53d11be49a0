"""Records real programs, and compares with an independent count; then replays what was recorded.

test_record.py COUNT_CALLS: the library that counts calls (count_calls.c), preloaded before the one
in LOAM_SO.  The replayer is in the build folder LOAM_BENCH_BUILD.
"""
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

COUNT_CALLS = pathlib.Path(sys.argv.pop(1)).resolve()
LOAM = os.environ['LOAM_SO']
REPLAY = pathlib.Path(os.environ['LOAM_BENCH_BUILD'], 'bench/trace/replay')
COUNTED = 'malloc', 'calloc', 'realloc', 'free', 'aligned'     # in the order of a count's file
SECONDS = 240

OBJECTS = """
import json, threading
def work(seed):
    rows = [{'id': i, 'name': str(i * seed) * 99, 'values': [i] * 99} for i in range(3000)]
    return json.loads(json.dumps(rows)) == rows
threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert work(7)
"""

FORKS = """
import os
held = [bytes(1000) for _ in range(2000)]
for _ in range(3):
    if os.fork() == 0:
        del held
        more = [bytes(2000) for _ in range(1000)]
        os._exit(0)
    os.wait()
"""

TEMPLATES = """
#include <map>
#include <regex>
#include <string>
int main() { std::map<std::string, std::regex> m; m.emplace("a", "b*"); return (int)m.size(); }
"""


class Record(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='loam-record-'))
        self.addCleanup(shutil.rmtree, self.dir)

    def environment(self):
        return {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8',
                'LD_PRELOAD': f'{COUNT_CALLS}:{LOAM}', 'COUNT_FILE': str(self.dir / 'count'),
                'LOAM_OPTIONS': f'record={self.dir / "trace"}'}

    def record(self, *argv, status=0):
        done = subprocess.run(argv, env=self.environment(), cwd=self.dir, timeout=SECONDS,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stderr, '')

    def replay(self, *arguments, preload=''):
        done = subprocess.run([REPLAY, *arguments], env={'LD_PRELOAD': preload}, timeout=SECONDS,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def check(self, processes, least):
        """Each process has a trace, whose counts are those of the independent count."""
        traces = sorted(self.dir.glob('trace*'))
        self.assertEqual(len(traces), processes)
        calls = 0
        for trace in traces:
            pid, = struct.unpack_from('Q', trace.read_bytes(), 16)
            counts = self.replay('--counts', trace)
            told, = struct.unpack_from('Q', trace.read_bytes(), 128)
            self.assertEqual(told, counts['events'])
            counted = struct.unpack('5Q', (self.dir / f'count.{pid}').read_bytes()[:40])
            with self.subTest(trace=trace.name):
                self.assertEqual({name: counts[name] for name in COUNTED},
                                 dict(zip(COUNTED, counted)))
                self.assertEqual(counts['lost'], 0)
            calls += counts['events']
            self.check_replays(trace, counts)
        self.assertGreater(calls, least)

    def check_replays(self, trace, counts):
        for preload in ('', LOAM):
            self.assertEqual(self.replay(trace, preload=preload), counts)

    def test_python_with_threads(self):
        self.record('/usr/bin/python3', '-c', OBJECTS)
        self.check(1, least=20_000)

    def test_python_that_forks(self):
        self.record('/usr/bin/python3', '-c', FORKS)
        self.check(4, least=10_000)

    def test_compiler(self):
        (self.dir / 'templates.cc').write_text(TEMPLATES)
        self.record('/usr/bin/g++', '-O1', '-c', 'templates.cc', '-o', 'templates.o')
        self.check(3, least=100_000)        # the driver, the compiler and the assembler

    def test_redis(self):
        socket = self.dir / 'socket'
        server = subprocess.Popen(['/usr/bin/redis-server', '--port', '0', '--unixsocket', socket,
                                   '--dir', self.dir, '--save', '', '--appendonly', 'no'],
                                  env=self.environment(), stdout=subprocess.DEVNULL)
        try:
            for _ in range(SECONDS * 10):
                if socket.exists():
                    break
                time.sleep(0.1)
            plain = {'PATH': '/usr/bin:/bin'}
            subprocess.run(['/usr/bin/redis-benchmark', '-s', socket, '-q', '-n', '5000',
                            '-r', '1000', '-t', 'set,get,lpush,hset'], env=plain, check=True,
                           timeout=SECONDS, stdout=subprocess.DEVNULL)
            subprocess.run(['/usr/bin/redis-cli', '-s', socket, 'shutdown', 'nosave'], env=plain,
                           timeout=SECONDS, stdout=subprocess.DEVNULL)
            self.assertEqual(server.wait(SECONDS), 0)
        finally:
            server.kill()
            server.wait()
        self.check(1, least=20_000)

    def test_quick_exit(self):
        self.record('/usr/bin/python3', '-c', 'import ctypes\nctypes.CDLL(None).quick_exit(0)')
        self.check(1, least=1000)
        self.assertEqual(self.replay('--counts', self.dir / 'trace')['state'], 'whole')

    def test_killed(self):
        self.record('/usr/bin/python3', '-c', 'import os, signal\nx = [bytes(i) for i in range(9000)]\n'
                    'os.kill(os.getpid(), signal.SIGKILL)', status=-signal.SIGKILL)
        self.check(1, least=9000)


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
    unittest.main()
