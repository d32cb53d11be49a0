"""test_failures.py HOLDER: each tool, where it cannot do what it is asked for: one clear line, whatever happens.

What happens in the middle of a look happens just behind the moment at which the tool has opened the process: the tool
runs in this process then, and what opens processes is wrapped.
"""
import contextlib
import ctypes
import io
import json
import os
import random
import re
import runpy
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

from target import CTL, MAP, METRICS, PROF, ROOT, TOP, account, environment, is_first_of_root, page, process, target

HOLDER, *CHOSEN = sys.argv[1:]
sys.argv[1:] = CHOSEN
MIB = 1 << 20
NOISES = 12

# What looks at one process, by what it is called; {} is the process, FOLDER one to write to.
TOOLS = {'top --once': (TOP, '{}', '--once'), 'top --json': (TOP, '{}', '--json'), 'map': (MAP, '{}'),
         'map -o': (MAP, '{}', '-o', 'FOLDER/heap.html'), 'prof': (PROF, '{}'),
         'prof -o': (PROF, '{}', '-o', 'FOLDER/heap.svg'), 'prof stop': (PROF, '{}', 'stop', '--wait', '30'),
         'prof start': (PROF, '{}', 'start', '--wait', '30'), 'ctl stats': (CTL, '{}', 'stats'),
         'ctl trim': (CTL, '{}', 'trim', '--wait', '30'), 'ctl set': (CTL, '{}', 'set', 'retain_floor=1M', '--wait', '30')}
ASKS = ('prof start', 'prof stop', 'ctl trim', 'ctl set')


LEFT = tempfile.TemporaryDirectory()        # profiles that processes leave at exit
OPTIONS = f'prof=64K,prof_file={LEFT.name}/of'


def started(options=OPTIONS):
    return target(HOLDER, 'hot', LOAM_OPTIONS=options)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def words(self, tool, pid):
        return [str(word).replace('{}', str(pid)).replace('FOLDER', self.folder) for word in TOOLS[tool]]

    def run_tool(self, tool, pid, **more):
        return subprocess.run(self.words(tool, pid), capture_output=True, text=True, timeout=240, check=False, **more)

    def one_line(self, tool, status, said, pattern, wanted=1):
        self.assertEqual(status, wanted, (tool, said))
        self.assertRegex(said, rf'\Aloam: {pattern}[^\n]*\n\Z', tool)
        self.assertEqual(os.listdir(self.folder), [], tool)     # nothing is left of a picture

    def each(self, pid, pattern, tools=TOOLS):
        for tool in tools:
            with self.subTest(tool=tool):
                done = self.run_tool(tool, pid)
                self.assertEqual(done.stdout, '')
                self.one_line(tool, done.returncode, done.stderr, pattern)


def listed(said):
    """The processes that metrics, a list as text, or one as JSON are of."""
    return {int(''.join(one)) for one in re.findall(r'pid="(\d+)"|^ *(\d+) |"pid": (\d+)', said, re.M)}


class Before(Case):
    """What it finds so."""

    def test_there_is_no_process(self):
        self.each(4194303, 'there is no process 4194303')
        self.each('no-such-name', 'there is no process no-such-name that this user may look at')

    def test_it_does_not_run_on_loam(self):
        with target(HOLDER, preloaded=False) as made:
            self.each(made.pid, rf'process {made.pid} \(holder\S*\) does not run on loam: start it by `loam run`')

    def test_it_has_ended_and_nobody_has_waited_for_it(self):
        with started() as made:
            made.process.kill()
            os.waitid(os.P_PID, made.pid, os.WEXITED | os.WNOWAIT)
            self.each(made.pid, rf'process {made.pid} \(holder\S*\) has ended')

    def test_a_thread_of_the_kernel(self):
        kernel = next((int(name) for name in os.listdir('/proc') if name.isdigit() and is_of_kernel(name)), None)
        if kernel is None:
            self.skipTest('no thread of the kernel is seen')
        self.each(kernel, rf'process {kernel} \(.*\) is of the kernel: it has no heap')

    def test_another_users(self):
        if os.geteuid() != 0:
            if not is_first_of_root():
                self.skipTest('process 1 is not of root')
            self.each(1, r'process 1 \(.*\) may not be looked at: it is of user root: ask as that user, or as root')
            return
        with tempfile.TemporaryDirectory() as folder, started() as made:
            os.chmod(folder, 0o755)
            os.chmod(self.folder, 0o777)
            shutil.copytree(ROOT / 'preload/look', Path(folder) / 'look')
            for tool in TOOLS:
                with self.subTest(tool=tool):
                    words = self.words(tool, made.pid)
                    done = subprocess.run([f'{folder}/look/{Path(words[0]).name}', *words[1:]], user=65534, cwd='/', text=True,
                                          capture_output=True, timeout=240, check=False)
                    self.one_line(tool, done.returncode, done.stderr, rf'process {made.pid} \(holder\S*\) may not be looked at:'
                                                                      ' it is of user root: ask as that user, or as root')

    def test_tracing_that_is_forbidden(self):
        """What to do about it depends on how: at 3 root cannot either."""
        for scope, euid, pattern in ((3, 0, '3, with which .* everybody until the next boot'), (3, os.getuid(), '3, with which'),
                                     (2, 0, 'refuses root as well'), (2, 12345, 'of user')):
            with mock.patch.object(process, 'text_of', lambda _, scope=scope: f'{scope}\n'), \
                    mock.patch('os.geteuid', lambda euid=euid: euid):
                self.assertRegex(process.why_refused(os.getpid()), pattern)

    def test_names_of_any_bytes(self):
        """Ends of lines but the newline, which the kernel writes as they are, and what is no UTF-8."""
        for name in (b'a\rb', b'a\x0cb', b'a\x1cb', b'a\xe2\x80\xa8b', b'a\nb', b'a\xffb', b'a) R 1'):
            with self.subTest(name=name), tempfile.TemporaryDirectory() as folder:
                program = os.path.join(os.fsencode(folder), name)
                shutil.copy(HOLDER, program)
                with target(program) as made, started() as other:
                    for words in ((METRICS,), (TOP, '--once'), (TOP, '--json'), (TOP, str(made.pid), '--once'),
                                  (CTL, str(made.pid), 'stats'), (MAP, str(made.pid))):
                        done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
                        self.assertEqual((done.returncode, done.stderr), (0, ''), words)
                        if len(words) == 1 or words[1].startswith('-'):
                            self.assertLessEqual({made.pid, other.pid}, listed(done.stdout))
                    file = Path(self.folder) / 'of.prom'
                    subprocess.run([METRICS, '--output', file], timeout=240, check=True)
                    self.assertEqual(os.listdir(self.folder), ['of.prom'])
                    file.unlink()

    def test_it_is_not_profiled(self):
        with target(HOLDER) as made:
            self.each(made.pid, rf'process {made.pid} \(holder\S*\) is not profiled: begin it by `loam prof {made.pid} start`, or start',
                      ('prof', 'prof -o'))

    def test_a_folder_that_is_not_there(self):
        with started() as made:
            for tool in ('map -o', 'prof -o'):
                words = [word.replace(self.folder, '/no/such') for word in self.words(tool, made.pid)]
                done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
                self.one_line(tool, done.returncode, done.stderr, r'/no/such/heap\.\w+ cannot be written: No such file')


def is_of_kernel(pid):
    try:
        return os.readlink(f'/proc/{pid}/exe') is None
    except FileNotFoundError:
        return os.path.exists(f'/proc/{pid}') and Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z' \
            and not Path(f'/proc/{pid}/cmdline').read_bytes()
    except OSError:
        return False


TRACEME, SYSCALL = 0, 24     # of ptrace()
libc = ctypes.CDLL(None)


class Starting(Case):
    """It is stopped at each of its first system calls, as long as the dynamic linker is at work."""

    def step(self, pid):
        """To the next system call, or from it."""
        self.assertEqual(libc.ptrace(SYSCALL, pid, None, None), 0)
        self.assertTrue(os.WIFSTOPPED(os.waitpid(pid, 0)[1]))

    def test_before_it_is_relocated(self):
        """It is not damaged, and no list has it."""
        with started() as other, subprocess.Popen(['/bin/sleep', '100'], env=environment(True), stderr=subprocess.DEVNULL,
                                                  preexec_fn=lambda: libc.ptrace(TRACEME, 0, None, None)) as made:
            try:
                os.waitpid(made.pid, 0)
                while 'libloam' not in Path(f'/proc/{made.pid}/maps').read_text():
                    self.step(made.pid)
                for _ in range(20):     # until all of it is mapped
                    self.step(made.pid)
                said = subprocess.run((METRICS,), capture_output=True, text=True, timeout=240, check=True).stdout
                self.assertNotIn(made.pid, listed(said))
                self.assertIn(other.pid, listed(said))
                self.each(made.pid, rf'process {made.pid} \(\w+\) has just been started, and loam in it is not ready: look again')
            finally:
                made.kill()


class Damaged(Case):
    """Its page of figures is overwritten, through /proc as nothing in it could: the page is only read."""

    def write(self, pid, address, data):
        with open(f'/proc/{pid}/mem', 'r+b', buffering=0) as memory:
            memory.seek(address)
            memory.write(data)

    def address(self, pid):
        watched = account.Watched(pid)
        watched.close()
        return watched.page.address

    def test_another_layout(self):
        with started() as made:
            self.write(made.pid, self.address(made.pid) + 8, struct.pack('<I', 77))
            self.each(made.pid, rf'process {made.pid} \(holder\S*\) runs on loam [\d.]+, whose figures have layout 77, and this'
                                rf' loam reads layout {page.LAYOUT}: use the `loam top` of that version')

    def test_noise(self):
        """All of it, its beginning, and what is behind the part that each layout has."""
        for start, end in ((0, page.NBYTES), (0, 8), (page.HEAD.size, page.NBYTES), (page.HEAD.size + page.BODY.size, page.NBYTES)):
            with self.subTest(start=start, end=end), started() as made:
                self.write(made.pid, self.address(made.pid) + start, random.Random(end).randbytes(end - start))
                self.each(made.pid, rf'the page of figures of process {made.pid} \(holder\S*\) is damaged: ')

    def test_a_ring_of_arenas_that_leads_back(self):
        with started() as made:
            watched = account.Watched(made.pid)
            first = page.size_at(watched.process, watched.page.ring)
            watched.close()
            self.write(made.pid, first + watched.page.arena_next, struct.pack('<Q', first))
            self.each(made.pid, rf'the heap of process {made.pid} \(holder\S*\) makes no sense', ('top --json', 'ctl stats'))

    def test_it_goes_on(self):
        """Others are still seen, and the process itself does not mind: its page is for readers alone."""
        with started() as made, started() as other:
            self.write(made.pid, self.address(made.pid), bytes(page.NBYTES))
            made.do('call')
            for words in ((METRICS,), (TOP, '--once'), (TOP, '--json')):
                done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=True)
                self.assertIn(other.pid, listed(done.stdout))
            self.assertIsNone(made.process.poll())

    def test_what_cannot_be_read_is_listed(self):
        """One line each for a page that is damaged, and for one of another layout."""
        with started() as damaged, started() as older, started() as well:
            self.write(damaged.pid, self.address(damaged.pid), bytes(page.NBYTES))
            self.write(older.pid, self.address(older.pid) + 8, struct.pack('<I', 77))
            said, metrics = (subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout
                             for words in ((TOP, '--once'), (METRICS,)))
            found = {one['pid']: one for one in json.loads(subprocess.run(
                (TOP, '--json'), capture_output=True, text=True, timeout=120, check=True).stdout)}
            for made, reason, words in ((damaged, 'damaged', 'the page of figures of .* is damaged: .*'),
                                        (older, 'layout 77', 'process .*, whose figures have layout 77, .*')):
                rows = re.findall(rf'^ *{made.pid} .*', said, re.M)
                self.assertEqual(len(rows), 1, rows)
                self.assertRegex(rows[0], rf'^{made.pid}  holder\S* is not shown: {words}$')
                self.assertRegex(found[made.pid]['unreadable'], f'^{words}$')
                self.assertEqual(found[made.pid]['reason'], reason)
                rows = re.findall(rf'^.*pid="{made.pid}".*', metrics, re.M)
                self.assertEqual(len(rows), 1, rows)
                self.assertRegex(rows[0], rf'^loam_processes_unreadable\{{program="holder[^"]*",pid="{made.pid}",user="[^"]+",'
                                          rf'reason="{reason}"\}} 1$')
            self.assertIn('heap', found[well.pid])
            self.assertNotRegex(metrics, rf'loam_processes_unreadable.*pid="{well.pid}"')

    def test_noise_in_what_it_leads_to(self):
        """One line or a result, and soon: never a trace of Python."""
        failed = 0
        for seed in range(NOISES):
            chance = random.Random(seed)
            with target(HOLDER, LOAM_OPTIONS=OPTIONS) as made:       # it rests, so it does not crash
                watched = account.Watched(made.pid)
                places = [struct.unpack('<Q', watched.process.read(getattr(watched.page, name), 8))[0] for name in ('ring', 'caches')]
                places += [watched.page.samples, watched.page.pagemap]
                watched.close()
                self.write(made.pid, chance.choice(places), chance.randbytes(chance.choice((8, 64, 256))))
                for tool in TOOLS.keys() - ASKS:
                    done = self.run_tool(tool, made.pid)
                    failed += done.returncode != 0
                    if done.returncode:
                        self.one_line(tool, done.returncode, done.stderr, r'the \w+.* of process .* (makes no sense|is damaged)')
                    for name in os.listdir(self.folder):
                        os.unlink(f'{self.folder}/{name}')
        self.assertGreater(failed, NOISES)


class Meanwhile(Case):
    """What happens once the tool has opened the process."""

    def run_here(self, tool, pid, happens):
        """The tool's exit status, what it printed and what it said."""
        opened = account.Watched.__init__

        def open_and(watched, *args):
            opened(watched, *args)
            happens()

        out, err = io.StringIO(), io.StringIO()
        words = self.words(tool, pid)
        with mock.patch.object(account.Watched, '__init__', open_and), mock.patch.object(sys, 'argv', words), \
                contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), self.assertRaises(SystemExit) as ended:
            runpy.run_path(words[0], run_name='__main__')
        return ended.exception.code or 0, out.getvalue(), err.getvalue()

    def each_here(self, happens, pattern):
        for tool in TOOLS:
            with self.subTest(tool=tool), started() as made:
                status, _, said = self.run_here(tool, made.pid, lambda made=made: happens(made))
                self.one_line(tool, status, said, pattern)

    def test_it_is_killed(self):
        def kill(made):
            made.process.kill()
            made.process.wait()
        self.each_here(kill, r'process \d+ \(holder\S*\) has ended')

    def test_it_is_killed_and_nobody_waits_for_it(self):
        def kill(made):
            made.process.kill()
            os.waitid(os.P_PID, made.pid, os.WEXITED | os.WNOWAIT)
        self.each_here(kill, r'process \d+ \(holder\S*\) has ended')

    def test_it_becomes_another_program(self):
        def become(made):
            made.tell('exec /bin/cat')
            made.tell('here')
            self.assertEqual(made.process.stdout.readline(), 'here\n')
        self.each_here(become, r'process \d+ \(holder\S*\) has become another program')

    def test_it_forks(self):
        """Which is nothing to the parent."""
        for tool in TOOLS:
            with self.subTest(tool=tool), started('verbose' if tool == 'prof start' else OPTIONS) as made:
                status, _, said = self.run_here(tool, made.pid, lambda made=made: made.do('fork'))
                self.assertEqual((status, said), (0, ''))

    def test_what_the_list_and_metrics_leave_out(self):
        """One that ends while all are looked at is left out, and nothing is said."""
        for words in ((TOP, '--once'), (TOP, '--json'), (METRICS,)):
            with self.subTest(words=words), started() as made, started() as other:
                def kill(made=made):
                    made.process.kill()
                    made.process.wait()
                with mock.patch.dict(TOOLS, {'all': words}):
                    status, out, said = self.run_here('all', made.pid, kill)
                self.assertEqual((status, said), (0, ''))
                self.assertIn(other.pid, listed(out))
                self.assertNotIn(made.pid, listed(out))


FORKED = f'''
import ctypes, os, sys, threading, time
libc = ctypes.CDLL(None)
libc.malloc(ctypes.c_size_t({20 * MIB}))
child = os.fork()
if child == 0:
    libc.malloc(ctypes.c_size_t({30 * MIB}))
    print(os.getpid(), flush=True)
while True:
    libc.free(libc.malloc(ctypes.c_size_t(64)))
    time.sleep(0.001)
'''.replace('libc.free(libc.malloc(ctypes.c_size_t(64)))', 'bytes(600)')


class Headless(Case):
    def test_a_process_whose_first_thread_has_ended(self):
        """As by pthread_exit(): another thread goes on, and holds what there is; to the kernel it is a zombie."""
        code = 'import ctypes, threading, time; libc = ctypes.CDLL(None)\n' \
               f'libc.malloc(ctypes.c_size_t({40 * MIB}))\n' \
               'threading.Thread(target=lambda: [(bytes(600), time.sleep(0.001)) for _ in range(10**6)]).start()\n' \
               f'libc.syscall({60 if os.uname().machine == "x86_64" else 93}, 0)'
        with subprocess.Popen(['/usr/bin/python3', '-c', code], env=environment(True, LOAM_OPTIONS=OPTIONS,
                                                                                PYTHONMALLOC='malloc')) as made:
            try:
                while Path(f'/proc/{made.pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z':
                    time.sleep(0.01)
                for tool, pattern in (('top --once', r'held for (4\d\.\d) live'), ('map', r'held for (4\d\.\d) live'),
                                      ('ctl stats', r': 4\d\.\d MiB in use'), ('prof', ': 4\\d.\\dM in use'),
                                      ('ctl trim', '^done'), ('ctl set', '^done'), ('prof stop', '^done')):
                    done = self.run_tool(tool, made.pid)
                    self.assertEqual((done.returncode, done.stderr), (0, ''), tool)
                    self.assertRegex(done.stdout, pattern)
                for words in (METRICS,), (TOP, '--once'):
                    self.assertIn(made.pid, listed(subprocess.run(words, capture_output=True, text=True, timeout=240,
                                                                  check=True).stdout))
            finally:
                made.kill()


class Forked(Case):
    def test_parent_and_child_have_their_own(self):
        made = subprocess.Popen(['/usr/bin/python3', '-c', FORKED], stdout=subprocess.PIPE, text=True,
                                env=environment(True, LOAM_OPTIONS=OPTIONS, PYTHONMALLOC='malloc'))
        child = int(made.stdout.readline())
        try:
            for pid, held in ((made.pid, 20), (child, 50)):
                for tool, pattern in (('top --once', r'held for ([\d.]+) live'), ('map', r'held for ([\d.]+) live'),
                                      ('ctl stats', r'([\d.]+) MiB in use'), ('prof', r'([\d.]+)M in use')):
                    done = self.run_tool(tool, pid)
                    self.assertEqual((done.returncode, done.stderr), (0, ''))
                    self.assertAlmostEqual(float(re.search(pattern, done.stdout)[1]), held, delta=6, msg=(tool, pid))
                for tool in ('ctl trim', 'ctl set', 'prof stop', 'prof start'):
                    self.assertRegex(self.run_tool(tool, pid).stdout, '^done: ', (tool, pid))
        finally:
            os.kill(child, 9)
            made.kill()
            made.communicate()


if __name__ == '__main__':
    unittest.main()
