#!/usr/bin/python3
"""bench/compare from outside: what it says of good, bad and mad programs; and the meter.

LOAM_BENCH_BUILD is a build folder with -Dbench=true (else compare makes one); programs and
allocators to try it on are compiled here.
"""
import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
COMPARE = HERE.parents[1] / 'bench/compare'
sys.path.insert(0, str(COMPARE.parent))
from measure import (allocators, build, packages, plots, progress, report, run,  # noqa: E402
                     session, stats)
from measure.failure import Failure  # noqa: E402
from measure.workload import CommandWorkload  # noqa: E402

# Fills memory by malloc, block for block, in some tenths of a second.
PROGRAM = ['/usr/bin/env', 'PYTHONMALLOC=malloc', '/usr/bin/python3', '-c',
           'print(len([[i] * 10 for i in range(300000)]))']
SHORT = ['/usr/bin/python3', '-c', 'print(len([[i] * 10 for i in range(30000)]))']
TELLS_OWNER = r'''
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
	Dl_info info;
	char *file;
	free(malloc(100));
	dladdr((void *)malloc, &info);
	file = strrchr(info.dli_fname, '/');
	fprintf(stderr, "%s\n", file ? file + 1 : info.dli_fname);
	return 0;
}
'''
OWN_MALLOC = '''
#include <stddef.h>
static char heap[1 << 20];
static size_t used;
void *malloc(size_t n) { used += (n + 15) & ~15UL; return heap + used - ((n + 15) & ~15UL); }
void *calloc(size_t n, size_t m) { return malloc(n * m); }
void *realloc(void *old, size_t n) { return malloc(n); }
void free(void *mem) { }
int main(void) { return malloc(100) == NULL; }
'''


def compiled(output, source, *options):
    """Compiles C, a file of this folder or a text, and returns the output's path."""
    text = source if '\n' in source else (HERE / source).read_text()
    subprocess.run(['cc', '-D_GNU_SOURCE', '-O2', '-w', '-fno-builtin', '-x', 'c', '-',
                    '-x', 'none', '-o', output, *options], input=text, text=True, check=True)
    return Path(output)


def built(folder, name, *options):
    """A fixture of this folder as a shared library."""
    file = Path(folder) / f'lib{name}{"".join(options)}.so'
    return compiled(file, f'{name}.c', '-shared', '-fPIC', *options)


def shell(text):
    return ['/bin/sh', '-c', text]


class Compared(unittest.TestCase):
    """A folder, and runs of compare whose results are read back from it."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def compare(self, *argv, **env):
        return subprocess.run([COMPARE, *argv], env=os.environ | env, capture_output=True,
                              text=True, timeout=240)

    def written(self, *argv, rounds=3):
        """What compare wrote of a program: (what it printed, its JSON)."""
        done = self.compare('--output', self.folder / 'out', '--rounds', str(rounds), *argv)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout, json.loads((self.folder / 'out/results.json').read_text())


class Measured(Compared):
    """The same without the command around it, and without tuning in the environment."""

    def setUp(self):
        super().setUp()
        environment = mock.patch.dict(os.environ)
        environment.start()
        self.addCleanup(environment.stop)
        for name in allocators.not_inherited():
            del os.environ[name]

    def results(self, *argv, loam_options=None, **options):
        found = allocators.find(['loam'])
        if loam_options:
            found[1] = found[1].with_options(LOAM_OPTIONS=loam_options)
        command = run.Command(argv, **options)
        one = CommandWorkload('it', '', '', lambda dir, quick: command)
        return session.alternate([one], found, 3, progress.Progress(1, out=io.StringIO()))

    def messages(self, results, name):
        """What the runs under an allocator wrote to standard error last."""
        return set(results.values('it', name, 'message'))

    def failure(self, results, name='loam'):
        self.assertEqual(results.values('it', name, 'wall'), [])
        return results.failed('it', name)


class Reports(Compared):
    def test_everything_is_written(self):
        said, results = self.written('--', *SHORT)
        self.assertIn('loam', said)
        [workload] = results['workloads']
        for name in ('glibc', 'loam'):
            runs = workload['allocators'][name]['runs']
            self.assertEqual(len(runs), 3)
            for run in runs:
                self.assertGreater(run['wall'], run['waited'])
                self.assertGreater(run['user'] + run['system'], 0)
                self.assertGreater(run['peak_rss_bytes'], 2**20)
                self.assertGreater(run['minor_faults'], 100)
            self.assertTrue(any(run.get('samples') for run in runs))
        self.assertEqual(results['failures'], [])
        text = (self.folder / 'out/report.md').read_text()
        self.assertIn(workload['allocators']['loam']['verdict'], text)
        for what in ('processor', 'kernel', 'commit', 'bench/compare --output'):
            self.assertIn(what, text)
        for plot in ('time', 'cpu', 'peak', 'memory-python3'):
            self.assertIn(f'{plot}.svg', text)
            self.assertIn('</svg>', (self.folder / f'out/{plot}.svg').read_text())
            self.assertEqual((self.folder / f'out/{plot}.png').read_bytes()[:4], b'\x89PNG')

    def test_sections_are_merged(self):
        self.written('--', *SHORT)
        report.merge(self.folder, 'All', [('One program', 'out')])
        text = (self.folder / 'report.md').read_text()
        self.assertTrue(text.startswith('# All\n'))
        self.assertIn('## One program', text)
        self.assertIn('### python3', text)
        self.assertIn('](out/time.svg)', text)

    def test_needs_no_display_and_no_output_folder(self):
        done = self.compare('--rounds', '3', '--', *SHORT, DISPLAY='', MPLBACKEND='TkAgg')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('processor time', done.stdout)

    def test_memory_is_not_drawn_over_time(self):
        """A shorter line would read as speed."""
        def one(seconds):
            samples = [[7 + i * seconds / 10, 2**20] for i in range(11)]
            return mock.Mock(start=7, wall=seconds, samples=samples,
                             report={'live': samples, 'table_bytes': 0})
        with mock.patch.object(plots, 'save') as save:
            plots.memory('path', 'title', {'glibc': one(1), 'loam': one(5)})
        [axes] = save.call_args.args[0].axes
        self.assertEqual(len(axes.texts), 0)
        self.assertNotIn('second', axes.get_xlabel())
        for line in axes.lines:
            self.assertEqual((line.get_xdata()[0], round(line.get_xdata()[-1])), (0, 100))

    def test_a_run_too_short_to_be_sampled_is_said_to_be(self):
        one = mock.Mock(start=7, wall=0.001, samples=[[7, 2**20]], report={})
        with mock.patch.object(plots, 'save') as save:
            plots.memory('path', 'title', {'glibc': one, 'loam': one})
        [axes] = save.call_args.args[0].axes
        self.assertIn('too short', axes.texts[0].get_text())

    def test_finds_what_is_slower_and_what_wastes(self):
        slow = built(self.folder, 'slow_malloc', '-DSLOW_PERCENT=50')
        wasteful = built(self.folder, 'wasteful_malloc')
        said, _ = self.written('--allocators', 'glibc', '--with', f'slow={slow}',
                               '--with', f'wasteful={wasteful}', '--', *PROGRAM, rounds=8)
        self.assertRegex(said, r'slow is 1\.\d\dx slower than glibc \(time \+\d\d\.\d%, give or take .*%\) and .* memory')
        self.assertRegex(said, r'wasteful .*uses [3-7]\.\d% more memory')

    def test_each_group_has_a_mean_of_its_own(self):
        half = mock.Mock(wall=1, time=1, cpu=1, peak=1)
        whole = mock.Mock(wall=2, time=2, cpu=2, peak=2)
        ones = [CommandWorkload(name, '', '', None, group)
                for name, group in (('a', 'tuned'), ('b', 'tuned'), ('c', 'judged'))]
        found = [allocators.Allocator('glibc'), allocators.Allocator('loam')]
        results = session.Results(found, ones)
        for one in ones:
            results.runs[one.name, 'glibc'] = [whole] * 3
            results.runs[one.name, 'loam'] = [half if one.group == 'tuned' else whole] * 3
        lines = {line.split('|')[1].strip(): line for line in
                 report.over_set(results, 'time').splitlines()}
        self.assertIn('| 0.500 [', lines['geometric mean, tuned'])
        self.assertIn('| 1.000 [', lines['geometric mean, judged'])
        self.assertIn('| 0.630 [', lines['geometric mean, all'])
        self.assertEqual(results.groups(), ['tuned', 'judged'])
        del ones[:2]
        self.assertIn('| geometric mean ', report.over_set(results, 'time'))

    def test_a_mean_that_leaves_out_workloads_says_so(self):
        one = mock.Mock(wall=1, time=1, cpu=1, peak=1)
        ones = [CommandWorkload(name, '', '', None, group)
                for name, group in (('a', 'tuned'), ('b', 'tuned'), ('c', 'judged'))]
        names = ('glibc', 'whole', 'part', 'none')
        results = session.Results([allocators.Allocator(name) for name in names], ones)
        results.runs = {(workload.name, name): [one] * 3 for workload in ones for name in names}
        results.failures = [session.Failed(workload, name, 'crashed') for workload, name in
                            (('a', 'part'), ('a', 'none'), ('b', 'none'), ('c', 'none'))]
        cells = {line.split('|')[1].strip(): [cell.strip() for cell in line.split('|')[2:-1]]
                 for line in report.over_set(results, 'time').splitlines()}
        mean = '1.000 [1.000, 1.000]'
        self.assertEqual(cells['geometric mean, all'], [mean, f'{mean} (2 of 3)', '-'])
        self.assertEqual(cells['geometric mean, tuned'], [mean, f'{mean} (1 of 2)', '-'])
        self.assertEqual(cells['geometric mean, judged'], [mean, mean, '-'])
        self.assertIn('Over 2 of 3 workloads, part is', results.verdict('part'))

    def test_time_for_rounds_begins_after_the_warm_up(self):
        """What a package or the input takes leaves as many rounds."""
        clock = [0]

        class Slow(CommandWorkload):
            def prepare(self, dir):
                clock[0] += 1000

            def measure(self, allocator, dir, quick):
                clock[0] += 1
                return mock.Mock(failure='', status=0, output='', message='', time=1)

        found = [allocators.Allocator('glibc'), allocators.Allocator('loam')]
        rounds = stats.Rounds(least=3, most=5, width=0, seconds=60)
        with (mock.patch.object(session, 'time', mock.Mock(monotonic=lambda: clock[0])),
              mock.patch.object(session._Turn, '_check_owners')):
            results = session.alternate([Slow('it', '', '', None)], found, rounds,
                                        progress.Progress(1, out=io.StringIO()))
        self.assertEqual(len(results.measurements('it', 'loam')), 5)

    def test_ratios_to_another_baseline(self):
        _, results = self.written('--baseline', 'loam', '--', *SHORT)
        self.assertEqual([one['name'] for one in results['allocators']], ['loam', 'glibc'])
        [workload] = results['workloads']
        self.assertIsNotNone(workload['allocators']['glibc']['ratios']['time'])


class Differences(Measured):
    def test_crash(self):
        results = self.results(*shell('case $LD_PRELOAD in *loam*) kill -SEGV $$; esac'))
        self.assertIn('was ended by SIGSEGV', self.failure(results))

    def test_crash_under_all(self):
        results = self.results(*shell('kill -ABRT $$'))
        self.assertIn('was ended by SIGABRT', self.failure(results, 'glibc'))
        self.assertIn('nothing was measured', results.verdict('loam', 'it'))

    def test_other_output(self):
        results = self.results(*shell('echo "${LD_PRELOAD##*/}"'))
        self.assertIn('prints other output than under glibc', self.failure(results))
        self.assertIn('loam prints other output', results.verdict('loam', 'it'))
        self.assertIsNone(results.ratio('it', 'loam', 'time'))

    def test_other_status(self):
        results = self.results(*shell('[ -z "$LD_PRELOAD" ]'))
        self.assertIn('ends with status 1, not as under glibc (0)', self.failure(results))

    def test_output_that_is_never_the_same(self):
        results = self.results(*shell('echo $$'))
        self.assertIn('outputs were not compared', results.notes[0])

    def test_output_is_compared_under_python_3_10_too(self):
        with mock.patch.object(hashlib, 'file_digest', None, create=True):
            self.assertEqual(self.results(*shell('echo words')).failures, [])

    def test_status_that_is_never_zero(self):
        results = self.results(*shell('echo oh no >&2; exit 3'))
        self.assertIn('ends with status 3 under glibc: oh no', results.notes[0])

    def test_timeout(self):
        results = self.results('sleep', '20', timeout=0.2)
        self.assertIn('did not end in time', self.failure(results, 'glibc'))


class Owners(Measured):
    """Whose malloc is it?"""

    def test_program_of_another_library(self):
        library = built(self.folder, 'wasteful_malloc')
        program = compiled(self.folder / 'program', TELLS_OWNER, '-Wl,--no-as-needed', library,
                           f'-Wl,-rpath,{self.folder}')
        results = self.results(program)
        self.assertIn("malloc is not libc's but that of libwasteful_malloc.so", results.notes[0])
        self.assertEqual(self.messages(results, 'glibc'), {'libglibc_malloc.so'})
        [owner] = self.messages(results, 'loam')
        self.assertRegex(owner, r'^libloam\.so')

    def test_program_of_libc(self):
        program = compiled(self.folder / 'program', TELLS_OWNER)
        results = self.results(program)
        self.assertEqual(results.notes, [])
        self.assertEqual(self.messages(results, 'glibc'), {'libc.so.6'})

    def test_program_that_takes_the_address_of_malloc(self):
        program = compiled(self.folder / 'program', TELLS_OWNER, '-no-pie')
        results = self.results(program)
        self.assertEqual(results.notes, [])

    def test_program_with_a_malloc_of_its_own(self):
        program = compiled(self.folder / 'own', OWN_MALLOC)
        results = self.results(program)
        self.assertIn('calls the malloc of own all the same', self.failure(results, 'glibc'))

    def test_library_whose_path_the_loader_splits(self):
        """The built one is refused, as else libc would serve; a symlink elsewhere will do."""
        (self.folder / 'a b').mkdir()
        library, link = built(self.folder / 'a b', 'wasteful_malloc'), self.folder / 'link.so'
        with (mock.patch.dict(os.environ), mock.patch.object(build, 'library', return_value=library),
              self.assertRaisesRegex(Failure, 'a space.* make a symlink to .*/a b/.* elsewhere')):
            os.environ.pop('LOAM_SO', None)
            allocators.find(['loam'])
        link.symlink_to(library)
        with mock.patch.dict(os.environ, LOAM_SO=str(link)):
            results = self.results(compiled(self.folder / 'program', TELLS_OWNER))
        self.assertEqual(results.failures, [])
        self.assertEqual(self.messages(results, 'loam'), {'link.so'})

    def test_interposer_whose_path_the_loader_splits(self):
        (self.folder / 'a b').mkdir()
        interposer, helper = self.folder / 'a b/libglibc_malloc.so', build.helper
        interposer.touch()
        library = built(self.folder, 'wasteful_malloc')
        program = compiled(self.folder / 'program', TELLS_OWNER, '-Wl,--no-as-needed', library,
                           f'-Wl,-rpath,{self.folder}')
        with mock.patch.object(build, 'helper', lambda name: interposer if name == interposer.name
                               else helper(name)):
            results = self.results(program)
        self.assertIn('no file with a space', self.failure(results, 'glibc'))

    def test_static_program(self):
        program = compiled(self.folder / 'static', 'int main(void)\n{ return 0; }', '-static')
        results = self.results(program)
        self.assertIn('as in a static program', self.failure(results, 'glibc'))

    def test_nothing_is_inherited(self):
        say = shell('echo "o=$LOAM_OPTIONS m=$MALLOC_ARENA_MAX" >&2')
        with mock.patch.dict(os.environ, LOAM_OPTIONS='stats=exit', MALLOC_ARENA_MAX='1'):
            results = self.results(*say)
            self.assertEqual(self.messages(results, 'loam'), {'o= m='})
            self.assertEqual(results.notes, ['the programs ran without LOAM_OPTIONS, MALLOC_ARENA_MAX'
                                             ' of your environment (--loam-options of compare sets'
                                             ' LOAM_OPTIONS)'])
            results = self.results(*say, loam_options='help')
        self.assertEqual(self.messages(results, 'loam'), {'o=help m='})
        self.assertEqual(self.messages(results, 'glibc'), {'o= m='})

    def test_input_is_given_to_every_run(self):
        (self.folder / 'input').write_text('some words\n')
        results = self.results(*shell('cat >&2'), stdin=self.folder / 'input')
        self.assertEqual(self.messages(results, 'loam'), {'some words'})


class BadUse(Compared):
    def refused(self, word, *argv):
        with self.subTest(word=word):
            done = self.compare(*argv)
            self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(word, done.stderr)

    def test_programs(self):
        (self.folder / 'plain').write_text('text')
        self.refused('give either a program')
        self.refused('there is no program no-such', '--', 'no-such')
        self.refused('there is no program ./no-such', '--', './no-such')
        self.refused('is not executable', '--', self.folder / 'plain')
        self.refused('is not executable', '--', self.folder)
        self.refused('both a program and --set', '--set', 'macro', '--', 'true')
        self.refused('the program stands behind --', 'ls', '-l')
        self.refused('there is no workload no-such', '--set', 'no-such')
        self.refused('cannot read the input', '--input', '/no/such', '--', 'true')

    def test_numbers(self):
        self.refused('2 rounds are too few for an interval', '--rounds', '2', '--', 'true')
        self.refused('--rounds many', '--rounds', 'many', '--', 'true')
        self.refused('--timeout', '--timeout', '0', '--', 'true')
        self.refused('invalid float', '--timeout', 'x', '--', 'true')
        self.refused('such option', '--no-such-option', '--', 'true')

    def test_allocators(self):
        self.refused('there is no allocator nomalloc', '--allocators', 'nomalloc', '--', 'true')
        self.refused('one allocator is nothing', '--allocators', 'glibc', '--', 'true')
        self.refused('--baseline tbb', '--baseline', 'tbb', '--', 'true')
        self.refused('write it as --with NAME=FILE.so', '--with', 'name', '--', 'true')
        self.refused('is a known allocator', '--with', 'loam=/x.so', '--', 'true')

    def test_options(self):
        self.refused("--loam-options decay=1: no option 'decay'", '--loam-options', 'decay=1', '--', 'true')
        self.refused('harden=9 is not a number from 0 to 3', '--loam-options', 'harden=9', '--', 'true')

    def test_files_that_are_no_allocators(self):
        def refused(word, file):
            self.refused(word, '--allocators', 'glibc', '--with', f'mine={file}', '--', 'true')
        text, foreign, spaced = (self.folder / name for name in ('text.so', 'foreign.so', 'a b.so'))
        text.write_text('no library')
        library = compiled(self.folder / 'nothing.so', 'int nothing;\n', '-shared', '-fPIC')
        header = bytearray(library.read_bytes())
        header[18:20] = b'\x02\x00'     # SPARC
        foreign.write_bytes(header)
        spaced.write_bytes(library.read_bytes())
        refused('there is no allocator /no/such.so', '/no/such.so')
        refused('is no ELF file', text)
        refused('another kind of machine', foreign)
        refused('with a space', spaced)
        if os.geteuid():    # root may read all
            text.chmod(0)
            refused('cannot be read', text)
        refused('defines no malloc', library)
        refused('the loader does not take', '/bin/true')
        broken = compiled(self.folder / 'broken.so', 'void abort(void);\n'
                          'void *malloc(unsigned long n) { abort(); }', '-shared', '-fPIC')
        refused('no program starts with', broken)

    def test_output_that_cannot_be_written(self):
        (self.folder / 'file').write_text('')
        self.refused('cannot write to', '--output', self.folder / 'file', '--', 'true')
        with open('/dev/full', 'w') as full:
            done = subprocess.run([COMPARE, '--rounds', '3', '--', 'true'], stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=240)
        self.assertEqual(done.stderr.splitlines()[-1:], ['compare: cannot write: No space left on device'], done.stderr)
        self.assertNotIn('Traceback', done.stderr)
        self.assertEqual(done.returncode, 2)


class Builds(Compared):
    """Where the benchmarks cannot be brought up to date."""

    def test_an_old_build_is_used_with_a_line(self):
        meter = self.folder / 'bench/measure/meter'
        meter.parent.mkdir(parents=True)
        meter.touch()
        said = io.StringIO()
        with (mock.patch.object(packages, 'need', side_effect=packages.Missing('no compiler')),
              contextlib.redirect_stderr(said)):
            self.assertEqual(build._compiled(self.folder), self.folder)
        self.assertRegex(said.getvalue(), '^warning: .* is used: no compiler\n$')

    def test_none_is_a_failure(self):
        (self.folder / 'file').touch()
        with (mock.patch.object(packages, 'need'),
              self.assertRaisesRegex(Failure, 'cannot be built in .*: .*Not a directory')):
            build._compiled(self.folder / 'file/below')

    def test_a_folder_that_is_named_is_taken_as_it_is(self):
        """Also through a symlink; for the benchmarks, if it has them."""
        meter, link = self.folder / 'a b/bench/measure/meter', self.folder / 'link'
        meter.parent.mkdir(parents=True)
        meter.touch()
        link.symlink_to(self.folder / 'a b')
        with mock.patch.dict(os.environ, LOAM_BENCH_BUILD=str(link)):
            self.assertEqual(build.measuring.__wrapped__(), link)
            with self.assertRaisesRegex(Failure, 'is no build folder with -Dbench=true'):
                build.built.__wrapped__()

    def test_without_ldconfig_and_git(self):
        with mock.patch.object(subprocess, 'run', side_effect=FileNotFoundError):
            self.assertEqual(allocators.present(), ['glibc', 'loam'])
            self.assertEqual(allocators.commit(), '')

    def test_comparing_needs_no_package_of_the_benchmarks(self):
        folders = []
        with (mock.patch.object(packages, 'version', return_value=''),
              mock.patch.object(packages, 'can_install', return_value=False),
              mock.patch.object(build, 'ROOT', self.folder),
              mock.patch.object(build, '_compiled', lambda *a, **b: folders.append((a, b)) or a[0]),
              mock.patch.dict(os.environ)):
            os.environ.pop('LOAM_BENCH_BUILD', None)
            build.measuring.__wrapped__()
        self.assertEqual(folders, [((self.folder / 'build/measure',), {'bench': False})])

    def test_packages_wait_for_a_held_lock(self):
        apt = self.folder / 'apt-get'
        apt.write_text(f"""#!/bin/sh
            echo "$@" >>{self.folder}/calls
            [ -e {self.folder}/second ] && exit
            touch {self.folder}/second
            echo 'E: Could not get lock /var/lib/apt/lists/lock' >&2
            exit 100""")
        apt.chmod(0o755)
        with (mock.patch.dict(os.environ, PATH=f'{self.folder}:{os.environ["PATH"]}'),
              mock.patch.object(os, 'geteuid', return_value=0)):
            packages.need('no-such-package')
        self.assertRegex((self.folder / 'calls').read_text(), 'install .* no-such-package\n$')


class Meter(Compared):
    def meter(self, *argv):
        return [build.helper('meter'), '-o', self.folder / 'meter', *argv]

    def measured(self, *argv):
        subprocess.run(self.meter(*argv), check=True, timeout=240)
        return json.loads((self.folder / 'meter').read_text())

    def test_small_programs_are_small(self):
        """ru_maxrss is the program's, not that of the process which started it."""
        program = compiled(self.folder / 'small', 'int main(void)\n{ return 0; }', '-static')
        self.assertLess(self.measured('--', program)['peak_rss_bytes'], 1.2 * 2**20)

    def test_memory_of_a_tree_is_summed(self):
        fill = ("import os, time; os.fork(); os.fork();"
                " x = bytearray(b'x') * 50_000_000; time.sleep(1)")
        one = self.measured('--', '/usr/bin/python3', '-c', fill)
        self.assertGreater(one['tree_peak_bytes'], 200e6)
        self.assertLess(one['tree_peak_bytes'], 240e6)
        self.assertLess(one['peak_rss_bytes'], 70e6)
        self.assertEqual(one['waited'], 0)

    def test_samples_go_on_while_the_program_sleeps(self):
        measured = self.measured('--', '/bin/sleep', '2')
        self.assertGreater(len(measured['samples']), 2)

    def test_wall_time_and_wait(self):
        spin = 'import time; t = time.monotonic() + 0.5\nwhile time.monotonic() < t: pass'
        one = self.measured('--', '/usr/bin/python3', '-c', spin)
        quiet = one['wall'] - one['waited']
        self.assertAlmostEqual(quiet, one['user'] + one['system'], delta=0.1)

    def test_signals_are_passed_on(self):
        script = 'trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done'
        with subprocess.Popen(self.meter('--', '/bin/sh', '-c', script),
                              stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(20), 0)
        self.assertEqual(json.loads((self.folder / 'meter').read_text())['status'], 7)

    def test_nothing_is_left_running(self):
        script = f'setsid sleep 77 & echo $! >{self.folder}/pid'
        self.measured('--', '/bin/sh', '-c', script)
        self.assertFalse(Path('/proc', (self.folder / 'pid').read_text().strip()).exists())

    def test_timeout(self):
        one = self.measured('-t', '0.2', '--', '/bin/sh', '-c', 'sleep 1000; :')    # longer than is waited for it
        self.assertTrue(one['timed_out'])

    def test_many_samples_are_thinned(self):
        one = self.measured('-i', '0.001', '--', '/bin/sleep', '0.3')
        times = [t for t, _ in one['samples']]
        self.assertEqual(times, sorted(times))

    def test_its_variables_are_the_programs_alone(self):
        done = subprocess.run(self.meter('-e', 'A=1', '--', '/bin/sh', '-c', 'echo $A'),
                              capture_output=True, text=True)
        self.assertEqual(done.stdout, '1\n')


WAITING = '''
import sys, tempfile, time
sys.path.insert(0, sys.argv[1])
from measure.failure import run_main
def main():
    with tempfile.TemporaryDirectory(dir=sys.argv[2]):
        print('ready', flush=True)
        time.sleep(1000)
run_main(main)
'''


class Ended(unittest.TestCase):
    def test_signals_leave_no_folder(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number=number), tempfile.TemporaryDirectory() as folder, \
                    subprocess.Popen([sys.executable, '-c', WAITING, COMPARE.parent, folder], stdout=subprocess.PIPE,
                                     preexec_fn=lambda number=number: signal.signal(number, signal.SIG_DFL)) as made:
                made.stdout.readline()
                made.send_signal(number)
                self.assertEqual(made.wait(60), 128 + number)
                self.assertEqual(os.listdir(folder), [])


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
    unittest.main()
