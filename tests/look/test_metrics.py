"""test_metrics.py HOLDER STATIC: the counters, from inside and outside, as text, JSON and metrics.

STATIC is the same program, linked with libloam.a.
"""
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from target import METRICS, ROOT, account, counters, ctl, environment, metrics, process, target

HOLDER, STATIC, *CHOSEN = sys.argv[1:]
sys.argv[1:] = CHOSEN
NAMES = [row.name for row in counters.ROWS]
BESIDE = 128 << 10      # libc's own blocks, headers of chunks, ends of heaps
TABLE = (ROOT / 'src/observe/counter_rows.def').read_text()
BOTH = ((HOLDER, True), (STATIC, False))


def inside(made):
    """What loam_stats() says, by name; what it does not know is 0."""
    made.tell('stats')
    values = list(map(int, made.process.stdout.readline().split()))
    assert made.process.stdout.readline() == 'done\n'
    assert not any(values[len(NAMES):])
    return dict(zip(NAMES, values))


def outside(made):
    watched = account.Watched(made.pid)
    try:
        return watched.counters()
    finally:
        watched.close()


class Table(unittest.TestCase):
    def test_the_reader_has_the_rows_of_counters_def(self):
        rows = re.findall(r'^COUNTER\((\w+), (\w+), (\w+), (\w+), [\w.]+, "([^"]*)"\)$', TABLE, re.M)
        self.assertEqual(rows, [tuple(row) for row in counters.ROWS])
        self.assertEqual(len(rows), TABLE.count('\nCOUNTER('))

    def test_bytes_are_named_so(self):
        for row in counters.ROWS:
            self.assertEqual(row.name.endswith('_bytes'), row.unit != 'NUMBER', row)


class Figures(unittest.TestCase):
    def test_the_same_from_inside_and_outside(self):
        for program, preloaded in BOTH:
            for mode in ('rest', 'rest and drop'):
                with self.subTest(program=program, mode=mode), target(program, preloaded=preloaded) as made:
                    if mode != 'rest':
                        made.do('drop')
                    found = inside(made)
                    self.assertEqual(outside(made), found)
                    self.assertEqual(json.loads(ctl(made.pid, 'stats', '--json')).items() & found.items(), found.items())

    def test_what_the_program_holds(self):
        for program, preloaded in BOTH:
            with self.subTest(program=program), target(program, preloaded=preloaded) as made:
                found = outside(made)
                self.assertTrue(made.held <= found['live_bytes'] <= made.held + BESIDE, (made.held, found))
                self.assertAlmostEqual(made.info, found['live_bytes'], delta=8192)     # the line's buffer, too
                self.assertEqual((found['huge_objects'], found['huge_bytes']), (1, made.huge))
                # By the walk over all blocks, too.
                watched = account.Watched(made.pid)
                heap = watched.look()['heap']
                watched.close()
                self.assertEqual(heap['live'], found['live_bytes'])
                self.assertEqual(heap['cached'], found['cached_bytes'])

    def test_a_busy_program(self):
        """Eight threads at full speed: from outside live bytes are true within a bound, and totals never fall."""
        with target(HOLDER, 'busy') as made:
            watched = account.Watched(made.pid)
            self.addCleanup(watched.close)
            worst, last = 0, watched.counters()
            for _ in range(300):
                found = watched.counters()
                worst = max(worst, abs(found['live_bytes'] - made.held))
                for row in counters.ROWS:
                    if row.kind == 'TOTAL':
                        self.assertGreaterEqual(found[row.name], last[row.name], row.name)
                last = found
            print(f'{made.held} bytes held: seen within {worst}')
            self.assertLessEqual(worst, made.held / 20)

    def test_time_does_not_grow_with_the_heap(self):
        """Of a heap of 200,000 objects it reads what it reads of an empty one."""
        reads = []
        for mode in ('rest', 'none'):
            with target(HOLDER, mode) as made:
                watched = account.Watched(made.pid)
                count, read = [0], watched.process.read

                def counted(address, nbytes, count=count, read=read):
                    count[0] += 1
                    return read(address, nbytes)

                watched.process.read = counted
                watched.counters()
                watched.close()
                reads.append(count[0])
        self.assertLessEqual(reads[0], reads[1] + 4)    # its slabs, and its magazines


class Text(unittest.TestCase):
    def test_as_at_exit(self):
        """`loam ctl PID stats` prints what the process itself prints at its end."""
        with subprocess.Popen([HOLDER, 'rest'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, env=environment(True, LOAM_OPTIONS='stats=exit')) as made:
            made.stdout.readline()
            said = ctl(made.pid, 'stats').splitlines()
            itself = made.communicate()[1].splitlines()
        self.assertEqual(said[1:], itself[1:])
        form = r'loam: (\S+, process \d+: [\d.]+ MiB in use, [\d.]+ free and kept, [\d.]+ metadata); the process holds' \
               r' [\d.]+ MiB \(RSS\), at most [\d.]+'
        self.assertEqual(re.fullmatch(form, said[0])[1], re.fullmatch(form, itself[0])[1])

    def test_while_it_rests(self):
        with target(HOLDER) as made:
            self.assertEqual(ctl(made.pid, 'stats'), ctl(made.pid, 'stats'))


def samples(said, parser):
    """Values by name and process; each family has a help text and a type."""
    found = {}
    for family in parser(said):
        if not family.name.startswith('loam_'):
            continue
        assert family.documentation and family.type in ('gauge', 'counter'), family
        for one in family.samples:
            assert (one.name, one.labels['pid']) not in found
            found[one.name, one.labels['pid']] = one
    return found


def sample_name(row):
    return f'loam_{row.name}' + ('_total' if row.kind == 'TOTAL' else '')


class Metrics(unittest.TestCase):
    def agrees(self, found, pid, expected):
        for row in counters.ROWS:
            self.assertEqual(found[sample_name(row), str(pid)].value, expected[row.name], row.name)

    def test_all_processes(self):
        with target(HOLDER) as made, target(STATIC, preloaded=False) as static:
            for argv, parser in (((), openmetrics), (('--format', 'prometheus'), prometheus)):
                found = samples(metrics(*argv), parser)
                for one in (made, static):
                    self.agrees(found, one.pid, outside(one))
                    labels = found['loam_live_bytes', str(one.pid)].labels
                    self.assertEqual(labels['program'], os.path.basename(HOLDER if one is made else STATIC))

    def test_a_file(self):
        with tempfile.TemporaryDirectory() as folder, target(HOLDER) as made:
            path = Path(folder) / 'loam.prom'
            for _ in range(2):
                self.assertEqual(metrics('--output', path), '')
            self.agrees(samples(path.read_text(), prometheus), made.pid, outside(made))
            self.assertNotIn('# EOF', path.read_text())
            self.assertEqual(os.listdir(folder), ['loam.prom'])
            self.assertEqual(path.stat().st_mode & 0o777, 0o644)
            self.assertIn('cannot be written', metrics('--output', f'{folder}/nowhere/x', status=1))

    def test_what_is_no_file_is_not_replaced(self):
        with tempfile.TemporaryDirectory() as folder:
            pipe, link = f'{folder}/pipe', f'{folder}/link'
            os.mkfifo(pipe)
            os.symlink('/dev/null', link)
            for path in (pipe, link):
                self.assertIn(f'{path} is a link, device or pipe', metrics('--output', path, status=1))
                done = subprocess.run([HOLDER, 'rest'], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
                                      env=environment(True, LOAM_OPTIONS=f'metrics={path}'))
                self.assertEqual(done.stderr, f'loam: metrics: {path} is a link, device or pipe, and is not replaced:'
                                 ' nothing is written\n')
            self.assertTrue(stat.S_ISFIFO(os.lstat(pipe).st_mode) and os.path.islink(link))
            self.assertEqual(len(os.listdir(folder)), 2)

    def test_one_user(self):
        with target(HOLDER) as made:
            self.assertNotIn(f'pid="{made.pid}"', metrics('--user', 'nobody'))
            for user in {os.geteuid(), process.user_name(os.geteuid())}:
                self.assertIn(f'pid="{made.pid}"', metrics('--user', user))
        self.assertIn('there is no user no-such-user', metrics('--user', 'no-such-user', status=2))

    def test_in_utf_8_whatever_the_locale(self):
        with tempfile.TemporaryDirectory() as folder:
            program = shutil.copy(HOLDER, Path(folder) / 'caf\u00e9')
            with target(program) as made:
                done = subprocess.run([METRICS], capture_output=True, timeout=240, check=True,
                                      env=os.environ | {'PYTHONIOENCODING': 'latin-1'})
                self.assertIn(f'program="caf\u00e9",pid="{made.pid}"', done.stdout.decode())

    def test_labels_are_escaped(self):
        found = dict.fromkeys(NAMES, 1)
        said = counters.metrics([({'program': 'a"b\\c\nd', 'pid': '1'}, found)], classic=False)
        self.assertEqual(samples(said, openmetrics)['loam_arenas', '1'].labels['program'], 'a"b\\c\nd')


class Option(unittest.TestCase):
    def until(self, path, holds, seconds=120):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if path.exists() and holds(path.read_text()):
                return path.read_text()
            time.sleep(0.05)
        return self.fail(f'{path}: {path.read_text() if path.exists() else "is not there"}')

    def test_a_file_now_and_then(self):
        for name, parser in (('loam.prom', prometheus), ('loam.om', openmetrics)):
            for program, preloaded in BOTH:
                with self.subTest(name=name, program=program), tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / name
                    with target(program, 'slow', preloaded=preloaded,
                                LOAM_OPTIONS=f'metrics={path},metrics_interval=1') as made:
                        held = made.held

                        def full(said, pid=made.pid, parser=parser, held=held):
                            return samples(said, parser)['loam_live_bytes', str(pid)].value > held * 0.9

                        said = self.until(path, full)
                        refills = samples(said, parser)['loam_refills_total', str(made.pid)].value
                        self.until(path, lambda said, pid=made.pid, parser=parser, refills=refills:
                                   samples(said, parser)['loam_refills_total', str(pid)].value > refills)
                        self.assertEqual(samples(said, parser)['loam_live_bytes', str(made.pid)].labels['program'],
                                         os.path.basename(os.path.realpath(program)))

    def test_a_reader_finds_it_whole(self):
        """Read as often as possible, it is never there in part; and it is not written more often than asked for."""
        with tempfile.TemporaryDirectory() as folder:
            path, inodes = Path(folder) / 'loam.om', set()
            began = time.monotonic()
            with target(HOLDER, 'slow', LOAM_OPTIONS=f'metrics={path},metrics_interval=1') as made:
                while time.monotonic() < began + 4:
                    with open(path, encoding='utf-8') as file:
                        inodes.add(os.fstat(file.fileno()).st_ino)
                        said = file.read()
                    self.assertTrue(said.endswith('# EOF\n'))
                    self.assertEqual(said.count('# HELP '), len(NAMES))
                self.assertLessEqual(set(os.listdir(folder)), {'loam.om', f'loam.om.{made.pid}.new'})
            self.assertLessEqual(len(inodes), 7)

    def test_at_exit_and_by_number(self):
        with tempfile.TemporaryDirectory() as folder:
            with subprocess.Popen([HOLDER, 'rest'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                  env=environment(True, LOAM_OPTIONS=f'metrics={folder}/%p.prom')) as made:
                made.stdout.readline()
                made.communicate('fork\n')
            files = sorted(os.listdir(folder))
            self.assertEqual(len(files), 2, files)     # the child's, too
            self.assertIn(f'{made.pid}.prom', files)
            for name in files:
                found = samples((Path(folder) / name).read_text(), prometheus)
                self.assertEqual({pid for _, pid in found}, {name.removesuffix('.prom')})
            self.assertGreater(found['loam_refills_total', name.removesuffix('.prom')].value, 100)

    def test_what_cannot_be_written(self):
        done = subprocess.run([HOLDER, 'rest'], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
                              env=environment(True, LOAM_OPTIONS='metrics=/nowhere/x.prom'))
        self.assertEqual(done.stderr, 'loam: metrics: /nowhere/x.prom cannot be written: No such file or directory\n')

    def test_the_interval_can_be_set_while_it_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'loam.prom'
            with target(HOLDER, 'slow', LOAM_OPTIONS=f'metrics={path},metrics_interval=3600') as made:
                first = path.read_text()
                threading.Timer(0.2, lambda: ctl(made.pid, 'set', 'metrics_interval=1')).start()
                self.until(path, lambda said: said != first)


if __name__ == '__main__':
    unittest.main()
