"""test_prof.py PROFILED REPLACING OPERATIONS: heap profiles, from outside and as files, against what the program knows.

How far a figure may be off: what samples stand for has a variance of at most the true bytes times the rate
(src/observe/poisson.h). Five deviations are exceeded once in 1.7 million times.
"""
import collections
import gzip
import math
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree
from pathlib import Path

from target import PROF, environment
from outside import failure, flame, profile, stacks, symbols

PROFILED, REPLACING, *CHOSEN = *map(os.path.abspath, sys.argv[1:3]), *sys.argv[3:]
sys.argv[1:] = CHOSEN
RATE = 16 << 10
MUTATIONS = 400
PROTO = Path('/usr/share/gocode/src/github.com/google/pprof/proto/profile.proto')


def prof(*argv, status=0, text=True):
    """What `loam prof` printed; a line on standard error where it fails."""
    done = subprocess.run([PROF, *map(str, argv)], stdin=subprocess.DEVNULL, capture_output=True, text=text,
                          timeout=240)
    assert done.returncode == status, f'{argv}: ended with {done.returncode}, not {status}: {done.stdout}{done.stderr}'
    assert not done.stderr if status == 0 else done.stderr.count('\n') == 1, done.stderr
    return done.stdout if status == 0 else done.stderr


class Program:
    """A run of PROFILED in a folder of its own, where its profiles go; with `with`."""

    def __init__(self, mode, options=f'prof={RATE}', program=PROFILED):
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen([program, mode], cwd=self.folder.name, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=environment(True, LOAM_OPTIONS=options))
        self.pid = self.process.pid
        self.held = collections.defaultdict(dict)       # by process and function: live and allocated bytes
        for line in iter(self.process.stdout.readline, 'ready\n'):
            pid, name, live, allocated = line.split()
            self.held[int(pid)][name] = int(live), int(allocated)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.folder.cleanup()

    def end(self):
        """The names of the profiles that it leaves, and what it said."""
        _, said = self.process.communicate('')
        assert self.process.returncode == 0, said
        return sorted(path.name for path in Path(self.folder.name).iterdir()), said

    def path(self, name):
        return Path(self.folder.name) / name


def by_function(folded):
    """Bytes by function, counted once a stack."""
    sums = collections.Counter()
    for line in folded.splitlines():
        names, _, nbytes = line.rpartition(' ')
        for name in set(names.split(';')):
            sums[name] += int(nbytes)
    return sums


class Case(unittest.TestCase):
    def agree(self, known, live, allocated, rate=RATE):
        for name, (held, all_held) in known.items():
            for found, true in ((live[name], held), (allocated[name], all_held)):
                self.assertLessEqual(abs(found - true), 5 * math.sqrt(true * rate), (name, found, true))

    def agree_as_folded(self, of, known):
        live, allocated = (by_function(prof(of, '--format', 'folded', '--show', shown))
                           for shown in ('live', 'allocated'))
        self.agree(known, live, allocated)
        return live


class Shares(Case):
    def test_of_a_running_process_and_of_its_file(self):
        with Program('hold') as made:
            live = self.agree_as_folded(made.pid, made.held[made.pid])
            self.assertEqual(live['delta'], 0)
            names, said = made.end()
            self.assertEqual((names, said), ([f'loam.{made.pid}.heap'], ''))
            self.agree_as_folded(made.path(names[0]), made.held[made.pid])

    def test_the_peak(self):
        with Program('hold') as made:
            peak = by_function(prof(made.pid, '--format', 'folded', '--show', 'peak'))
            held = {name: live for name, (live, _) in made.held[made.pid].items()} | {'delta': 16 << 20}
            for name, true in held.items():
                self.assertLessEqual(abs(peak[name] - true), 5 * math.sqrt(true * RATE), (name, peak[name], true))

    def test_of_a_program_with_an_operator_of_its_own(self):
        with Program('hold', program=REPLACING) as made:
            self.agree_as_folded(made.pid, made.held[made.pid])

    def test_threads_that_ended(self):
        with Program('threads') as made:
            self.agree_as_folded(made.pid, made.held[made.pid])

    def test_a_signal_handler(self):
        """Behind it stands the function that the signal came in, and not the one before that by address."""
        with Program('signal') as made:
            self.agree_as_folded(made.pid, made.held[made.pid])
            names, _ = made.end()
            self.assertRegex(prof(made.path(names[0]), '--format', 'folded'),
                             r';main;in_signal;touch;\(signal handler\);on_fault;alpha[; ]')   # which clang leaves by a jump

    def test_the_child_of_a_fork_has_its_own(self):
        with Program('fork') as made:
            names, _ = made.end()
            self.assertEqual(names, sorted(f'loam.{pid}.heap' for pid in made.held))
            self.assertEqual(len(names), 2)
            for pid, known in made.held.items():
                self.agree_as_folded(made.path(f'loam.{pid}.heap'), known)

    def test_at_a_coarse_rate_and_at_each_allocation(self):
        for option, rate in (('prof', 512 << 10), ('prof=1', 1)):
            with self.subTest(option=option), Program('threads', options=option) as made:
                live = by_function(prof(made.pid, '--format', 'folded'))
                for name, (held, _) in made.held[made.pid].items():
                    self.assertLessEqual(abs(live[name] - held), 5 * math.sqrt(held * rate) + 96)

    def test_beside_fences_guards_and_a_trace(self):
        for others in ('harden=2', 'guard=1000', 'record=trace', 'guard=10,record=trace', 'perturb=7'):
            with self.subTest(others=others), Program('threads', options=f'prof={RATE},{others}') as made:
                self.agree_as_folded(made.pid, made.held[made.pid])
                made.end()


class Files(Case):
    def test_no_file_where_nothing_was_sampled(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(['/bin/true'], cwd=folder, check=True, env=environment(True, LOAM_OPTIONS='prof=1G'))
            self.assertEqual(os.listdir(folder), [])

    def test_another_name_and_one_that_is_there(self):
        with Program('threads', options=f'prof={RATE},prof_file=mine') as made:
            made.path(f'mine.{made.pid}.heap').write_text('precious')
            names, _ = made.end()
            self.assertEqual(names, [f'mine.{made.pid}.2.heap', f'mine.{made.pid}.heap'])
            self.assertEqual(made.path(f'mine.{made.pid}.heap').read_text(), 'precious')

    def test_where_no_file_can_be_made(self):
        with Program('threads', options=f'prof={RATE},prof_file=no/where') as made:
            names, said = made.end()
            self.assertEqual(names, [])
            self.assertEqual(said, f'loam: prof: no/where.{made.pid}.heap cannot be made: No such file or directory;'
                                   ' name a file that can by prof_file\n')

    def test_what_is_read_is_written_again(self):
        with Program('threads') as made:
            again = made.path('again.heap')
            prof(made.pid, '-o', again)
            names, _ = made.end()
            first, second = (profile.read_file(path) for path in (again, made.path(names[-1])))
            self.assertEqual({site.frames for site in first.sites} - {site.frames for site in second.sites}, set())
            self.assertEqual(profile.as_text(first), again.read_text())

    def test_damaged_ones_end_with_a_line(self):
        seed = int(os.environ.get('LOAM_TEST_SEED', time.time_ns() % 10**9))
        print(f'seed {seed}')
        chance = random.Random(seed)
        with Program('threads') as made:
            names, _ = made.end()
            whole = made.path(names[0]).read_bytes()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'damaged.heap'
            refused = 0
            for _ in range(MUTATIONS):
                data = bytearray(whole)
                for _ in range(chance.randrange(1, 8)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
                path.write_bytes(data[:chance.randrange(len(data))] if chance.random() < 0.3 else data)
                try:
                    found = profile.read_file(path)
                    profile.as_text(found)
                    flame.folded(found, Nameless(found.mappings), 'live')
                except failure.Failure as why:
                    refused += 1
                    self.assertEqual(str(why).count('\n'), 0)
            self.assertTrue(MUTATIONS / 20 < refused < MUTATIONS * 0.9, refused)


class Text(unittest.TestCase):
    """A stack that has more calls than are noted is not shown as if it began there."""

    def test_the_end_of_a_stack(self):
        for depth, ends in ((profile.FRAMES_MOST - 1, False), (profile.FRAMES_MOST, True)):
            one = profile.Sum(1, 100, 100)
            found = profile.Profile('x', 1, 1, 0, 0, [], [profile.Site(tuple(range(1, depth + 1)), one, one, one, ())])
            lines = stacks.table(found, Nameless([]), 'live', 1).splitlines()
            self.assertEqual(len(lines), 3 + depth + ends)
            self.assertEqual(lines[-1].strip() == '(callers not noted)', ends)


class Nameless(symbols.Symbols):
    def look_up(self, addresses):
        self.found.update((address, [self.place(address)]) for address in addresses)


class Forms(Case):
    @classmethod
    def setUpClass(cls):
        cls.made = Program('hold')
        cls.addClassCleanup(cls.made.__exit__)
        cls.known = cls.made.held[cls.made.pid]
        cls.made.end()
        cls.file = cls.made.path(f'loam.{cls.made.pid}.heap')

    def output(self, name, *argv):
        path = self.made.path(name)
        prof(self.file, '-o', path, *argv)
        return path

    def google(self, kind):
        done = subprocess.run(['google-pprof', '--text', '--cum', '--lines', kind, PROFILED, self.file], text=True,
                              capture_output=True, check=True)
        rows = re.findall(r'^ *\S+ +\S+ +\S+ +(\S+) +\S+ (\w+)', done.stdout, re.M)
        return collections.Counter({name: float(mib) * (1 << 20) for mib, name in rows})

    def test_google_pprof_reads_the_file(self):
        self.agree(self.known, self.google('--inuse_space'), self.google('--alloc_space'))

    def test_pprofs_own_form(self):
        """As protoc reads it, by pprof's own description."""
        data = gzip.decompress(self.output('out.pb.gz').read_bytes())
        done = subprocess.run(['protoc', f'--proto_path={PROTO.parent}', '--decode=perftools.profiles.Profile',
                               PROTO.name], input=data, capture_output=True, check=True)
        text = done.stdout.decode()
        strings = [match.encode().decode('unicode_escape') for match in
                   re.findall(r'^string_table: "(.*)"$', text, re.M)]
        self.assertEqual(strings[0], '')
        kinds = [strings[int(n)] for n in re.findall(r'^sample_type \{\n  type: (\d+)', text, re.M)]
        self.assertEqual(kinds[:4], ['inuse_objects', 'inuse_space', 'alloc_objects', 'alloc_space'])
        functions = dict(re.findall(r'^function \{\n  id: (\d+)\n  name: (\d+)', text, re.M))
        locations = {}
        for block in re.findall(r'^location \{\n(.*?)^\}', text, re.M | re.S):
            number = re.search(r'^  id: (\d+)', block, re.M)[1]
            locations[number] = {strings[int(functions[one])] for one in re.findall(r'function_id: (\d+)', block)}
        live, allocated = collections.Counter(), collections.Counter()
        for block in re.findall(r'^sample \{\n(.*?)^\}', text, re.M | re.S):
            values = [int(one) for one in re.findall(r'value: (\d+)', block)]
            names = set().union(*(locations[one] for one in re.findall(r'location_id: (\d+)', block)))
            self.assertEqual(len(values), len(kinds))
            for name in names:
                live[name] += values[1]
                allocated[name] += values[3]
        self.agree(self.known, live, allocated)
        self.assertRegex(text, rf'(?m)^period: {RATE}$')

    def test_the_flame_graph(self):
        path = self.output('out.svg')
        tree = xml.etree.ElementTree.parse(path)
        self.assertNotRegex(path.read_text(), r'href|<script|url\(|<image')
        widths = {}
        for group in tree.iter('{http://www.w3.org/2000/svg}g'):
            title, rect = group[0].text, group[1]
            widths[title.partition(':')[0]] = float(rect.get('width')) + 0.6
        live = by_function(prof(self.file, '--format', 'folded'))
        for name in ('alpha', 'beta', 'gamma_', 'main'):
            self.assertAlmostEqual(widths[name] / widths['all'], live[name] / sum_of(self.file), delta=0.002)

    def test_text(self):
        text = prof(self.file)
        self.assertRegex(text, r'in use, [\d,]+ objects; [\d,]+ samples, one in 16.0K\n')
        first = text.split('\n\n')[1].splitlines()
        # alpha's 48 MiB, give or take five deviations, of which one is the root of 48M times 16K: 0.87 MiB.
        self.assertRegex(first[0], r'^ +(4[3-9]|5[0-2])\.\dM +\d+\.\d%  [\d,]+ objects of 96; in use .*; none was freed$')
        self.assertRegex('\n'.join(first), r'allocate.*\n +alpha')
        delta = next(part for part in prof(self.file, '--show', 'allocated').split('\n\n') if ' delta' in part)
        self.assertRegex(delta, r'freed after less than 10ms')


def sum_of(file):
    return profile.read_file(file).total('live').asked


class Refusals(Case):
    def test_what_has_no_profile(self):
        with Program('threads', options='verbose') as made:
            self.assertIn('is not profiled: begin it by `loam prof', prof(made.pid, status=1))
        with subprocess.Popen(['sleep', '100']) as sleeper:
            self.assertIn('does not run on loam', prof(sleeper.pid, status=1))
            sleeper.kill()
        self.assertIn('there is no process 999999999', prof(999999999, status=1))
        self.assertIn('is no heap profile', prof(__file__, status=1))
        for file in ('./nothing', 'nothing.heap'):
            self.assertIn(f'there is no file {file}', prof(file, status=1))

    def test_a_process_that_has_the_name_of_a_file_here(self):
        """As in the folder of its program: the process is meant, unless the file is a profile."""
        with tempfile.TemporaryDirectory() as folder:
            program = shutil.copy(PROFILED, Path(folder) / f'of-{os.getpid()}')
            with Program('threads', program=program) as made:
                done = subprocess.run([PROF, program.name], cwd=folder, capture_output=True, text=True, timeout=240, check=False)
                self.assertRegex(done.stdout, rf'^process {made.pid} .*: .* in use, ', done.stderr)
                self.assertIn('is no heap profile', prof(program, status=1))
            done = subprocess.run([PROF, program.name], cwd=folder, capture_output=True, text=True, timeout=240, check=False)
            self.assertRegex(done.stderr, r'^loam: of-\d+ is no heap profile: [^\n]*\n$')

    def test_wrong_usage(self):
        self.assertIn('ends in none of', prof('1', '-o', 'x.y', status=2))
        prof('1', 'begin', status=2)
        prof(status=2)

    def test_where_it_cannot_be_written(self):
        with Program('threads') as made:
            self.assertIn('no/where.svg cannot be written', prof(made.pid, '-o', 'no/where.svg', status=1))

    def test_a_file_is_written_whole_or_stays(self):
        """As on a full disk, which a limit on files stands for."""
        with Program('threads') as made:
            before, link = made.path('a.heap'), made.path('b.heap')
            before.write_text('precious')
            link.symlink_to(before)
            done = subprocess.run([PROF, str(made.pid), '-o', link], preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_FSIZE, (100, 100)), capture_output=True, text=True, timeout=240, check=False)
            self.assertEqual((done.returncode, done.stderr), (1, f'loam: {link} cannot be written: File too large\n'))
            self.assertEqual((before.read_text(), sorted(os.listdir(made.folder.name))), ('precious', ['a.heap', 'b.heap']))
            prof(made.pid, '-o', link)
            self.assertTrue(before.read_text().startswith('heap profile'))
            self.assertTrue(link.is_symlink())
            self.assertIn('<svg', prof(made.pid, '--format', 'svg', '-o', '/dev/stdout'))

    def test_a_standard_output_that_is_closed(self):
        with Program('threads') as made:
            for argv in (), ('--format', 'pprof'), ('-o', made.path('of.svg')):
                done = subprocess.run([PROF, str(made.pid), *argv], preexec_fn=lambda: os.close(1), stderr=subprocess.PIPE,
                                      text=True, timeout=240, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ''))
            self.assertTrue(made.path('of.svg').read_text().endswith('</svg>\n'))


if __name__ == '__main__':
    unittest.main()
