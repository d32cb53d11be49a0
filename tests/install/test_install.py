"""`meson install` into an empty prefix, and the use of what is there without the source tree.

Programs in C and C++ are built against it by pkg-config and by CMake, shared and static; the command
runs, records, replays and compares; uninstall leaves nothing.  It builds a copy of the source, which
is moved away while anything that is installed runs.
"""
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
ROOT = Path(__file__).resolve().parents[2]
SOURCES = ['bench', 'docs', 'include', 'preload', 'src', 'meson.build', 'meson_options.txt']
VERSION = re.search(r"version: '(.*)'", (ROOT / 'meson.build').read_text())[1]
SONAME = f'libloam.so.{VERSION.partition(".")[0]}'

C = r'''
#include <loam/loam.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
	void *mem = calloc(1, 100);
	int ok = loam_owns(mem) && strcmp(loam_version(), "@VERSION@") == 0 && loam_check();

	loam_free(mem);
	return !ok;
}
'''
CXX = r'''
#include <loam/loam.h>
#include <string>
int main()
{
	std::string *words = new std::string(100, 'x');
	bool ok = loam_owns(words) && loam_owns(words->data()) && loam_check();
	delete words;
	return !ok;
}
'''
IDLE = 'int main(void) { return 0; }\n'
CMAKE = '''
cmake_minimum_required(VERSION 3.16)
project(user C CXX)
find_package(loam {version} REQUIRED)
foreach(kind loam static)
  add_executable(c_${{kind}} main.c)
  add_executable(cxx_${{kind}} main.cc)
  target_link_libraries(c_${{kind}} PRIVATE loam::${{kind}})
  target_link_libraries(cxx_${{kind}} PRIVATE loam::${{kind}})
endforeach()
'''
SUBPROJECT = '''
project('user', 'c', 'cpp')     # of buildtype debug
shared = dependency('loam', fallback: 'loam')
static = dependency('loam-static', fallback: 'loam')
executable('c_shared', 'main.c', dependencies: shared)
executable('cxx_static', 'main.cc', dependencies: static)
executable('c_all_static', 'main.c', dependencies: static, link_args: '-static')
executable('idle_shared', 'idle.c', dependencies: shared)
'''
RISCV = '''
[binaries]
c = 'cc'
cpp = 'c++'
[host_machine]
system = 'linux'
cpu_family = 'riscv64'
cpu = 'riscv64'
endian = 'little'
'''
OBJECTS = ['/usr/bin/env', 'PYTHONMALLOC=malloc', '/usr/bin/python3', '-c',
           'print(len([[i] * 10 for i in range(20000)]))']


def environment(**more):
    """Ours, without what would change what is built or what runs."""
    foreign = re.compile('(C|CPP|CXX|LD)FLAGS|DESTDIR|LD_PRELOAD|LOAM_.*|MALLOC_.*|PKG_CONFIG_.*')
    return {name: value for name, value in os.environ.items()
            if not foreign.fullmatch(name)} | {name: str(value) for name, value in more.items()}


def run(*command, status=0, env=None, **options):
    """What a command printed on either stream; it must end with this status."""
    done = subprocess.run(command, env=env or environment(), text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, **options)
    if done.returncode != status:
        raise AssertionError(f'{shlex.join(map(str, command))} ended with {done.returncode}, not'
                             f' {status}:\n{done.stdout}')
    return done.stdout


def content(folder):
    """The paths of all that is in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*'))


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix='loam-install-')
        cls.addClassCleanup(temporary.cleanup)
        cls.top = Path(temporary.name)
        cls.source, cls.build, cls.prefix = (cls.top / name for name in ('source', 'build', 'prefix'))
        cls.source.mkdir()
        for name in SOURCES:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, cls.source / name)
        run('meson', 'setup', f'--prefix={cls.prefix}', '--libdir=lib', '--buildtype=release',
            '-Dassert_level=0', '-Dtests=false', cls.build, cls.source)
        run('ninja', '-C', cls.build)
        run('meson', 'install', '-C', cls.build)
        cls.installed = content(cls.prefix)

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(dir=self.top)
        self.addCleanup(temporary.cleanup)
        self.dir = Path(temporary.name)
        for name, text in (('main.c', C), ('main.cc', CXX), ('idle.c', IDLE)):
            (self.dir / name).write_text(text.replace('@VERSION@', VERSION))

    @contextlib.contextmanager
    def without_source(self):
        away = self.top / 'away'
        self.source.rename(away)
        try:
            yield
        finally:
            away.rename(self.source)

    # ---- Files.

    def test_files(self):
        for name in ('bin/loam', 'include/loam/loam.h', 'lib/libloam.a', 'lib/libloam.so',
                     f'lib/{SONAME}', f'lib/libloam.so.{VERSION}', 'lib/pkgconfig/loam.pc',
                     'lib/cmake/loam/loam-config.cmake', 'share/man/man1/loam.1',
                     'share/man/man3/loam.3', 'share/man/man7/loam.7'):
            self.assertIn(name, self.installed)
        said = run('readelf', '-dW', self.prefix / 'lib/libloam.so')
        self.assertIn(f'Library soname: [{SONAME}]', said)
        for name in self.installed:
            if (file := self.prefix / name).is_file() and not name.endswith(('.so', '.a')):
                self.assertNotIn(str(self.source).encode(), file.read_bytes(), name)

    def test_every_command_has_what_it_needs(self):
        """The list of these files is kept by hand."""
        wanted = {path.name for path in (self.source / 'preload/look/outside').glob('*.py')}
        found = {Path(name).name for name in self.installed if name.startswith('libexec/loam/outside/')}
        self.assertEqual({name for name in found if name.endswith('.py')}, wanted)
        with self.without_source():
            for command in ('compare', 'ctl', 'map', 'metrics', 'prof', 'replay', 'top'):
                self.assertIn('usage:', run(self.prefix / 'bin/loam', command, '--help'))

    def test_uninstall_leaves_nothing(self):
        stage = self.dir / 'stage'
        stage.mkdir()
        run('meson', 'install', '-C', self.build, '--destdir', stage)
        self.assertEqual(content(stage / str(self.prefix)[1:]), self.installed)
        run('ninja', '-C', self.build, 'uninstall')
        self.assertEqual(content(stage), [])

    def test_gdb_finds_its_commands(self):
        """By themselves, where it may load what is beside the library."""
        (self.dir / 'held.c').write_text('#include <stdlib.h>\nvoid *held;\nvoid stop(void) {}\n'
                                         'int main(void) { held = malloc(100); stop(); return 0; }\n')
        run('cc', '-g', self.dir / 'held.c', '-o', self.dir / 'held')
        with self.without_source():
            said = run('gdb', '-nx', '-batch', '-ex', f'add-auto-load-safe-path {self.prefix}', '-ex',
                       f'set exec-wrapper env LD_PRELOAD={self.prefix}/lib/libloam.so', '-ex', 'break stop', '-ex', 'run',
                       '-ex', 'loam what held', '-ex', 'loam arena', '-ex', 'loam what main', self.dir / 'held')
        self.assertRegex(said, r'(?s)\n(chunk|object) of \d+ bytes at 0x\w+, arena 1: in use\n.*ARENA +LIVE.*\n +1 '
                               r'.*0x\w+ is not loam\'s')

    # ---- Building.

    def test_what_it_is_not_built_for_or_by(self):
        """One line says what is wrong, before anything is built."""
        cross = self.dir / 'cross.ini'
        cross.write_text(RISCV)
        for options, env, words in (([f'--cross-file={cross}'], {}, 'not on linux, riscv64'),
                                    ([], {'CC_LD': 'mold'}, 'ld.mold cannot do what preload/cold.ld asks')):
            if env and not shutil.which('ld.mold'):
                continue
            said = run('meson', 'setup', *options, self.dir / words.split()[-1], self.source, status=1,
                       env=environment(**env))
            self.assertEqual(len(re.findall(f'ERROR: .*loam .*{words}', said)), 1, said)

    def test_unity(self):
        run('meson', 'setup', '-Dunity=on', '-Dtests=false', self.dir / 'unity', self.source)
        run('ninja', '-C', self.dir / 'unity', 'src/libloam-hot.a', 'preload/libloam-preload.a')

    # ---- Linking.

    def flags(self, name, *options):
        env = environment(PKG_CONFIG_PATH=self.prefix / 'lib/pkgconfig')
        return shlex.split(run('pkg-config', '--cflags', '--libs', *options, name, env=env))

    def linked(self, source, flags, *options):
        """Compiles and links a program with the flags, runs it, and returns the libraries it needs."""
        compiler = 'c++' if source.endswith('.cc') else 'cc'
        program = self.dir / 'program'
        run(compiler, '-Wall', '-Werror', '-O2', *options, self.dir / source, '-o', program, *flags,
            f'-Wl,-rpath,{self.prefix}/lib')
        with self.without_source():
            run(program)
        return re.findall(r'\(NEEDED\).*\[(.*)\]', run('readelf', '-dW', program))

    def test_pkg_config(self):
        self.assertEqual(run('pkg-config', '--modversion', 'loam', env=environment(
            PKG_CONFIG_PATH=self.prefix / 'lib/pkgconfig')).strip(), VERSION)
        for source in ('main.c', 'main.cc'):
            for options in ([], ['-flto']):
                with self.subTest(source=source, options=options):
                    needed = self.linked(source, self.flags('loam'), *options)
                    self.assertIn(SONAME, needed)
                    needed = self.linked(source, self.flags('loam-static'), *options)
                    self.assertNotIn(SONAME, needed)
                    needed = self.linked(source, self.flags('loam', '--static'), '-static',
                                         *options)
                    self.assertEqual(needed, [])

    def test_a_program_that_names_nothing_of_it(self):
        needed = self.linked('idle.c', self.flags('loam'), '-Wl,--as-needed')
        self.assertIn(SONAME, needed)

    def cmake(self, prefix, version=VERSION, status=0):
        (self.dir / 'CMakeLists.txt').write_text(CMAKE.format(version=version))
        return run('cmake', '-S', self.dir, '-B', self.dir / 'cmake',
                   f'-DCMAKE_PREFIX_PATH={prefix}', status=status)

    def test_cmake(self):
        self.cmake(self.prefix)
        run('cmake', '--build', self.dir / 'cmake')
        for name in ('c_loam', 'cxx_loam', 'c_static', 'cxx_static'):
            with self.subTest(name=name), self.without_source():
                run(self.dir / 'cmake' / name)
                needed = run('readelf', '-dW', self.dir / 'cmake' / name)
                self.assertEqual(f'[{SONAME}]' in needed, 'loam' in name)

    def test_cmake_wants_another_version(self):
        said = self.cmake(self.prefix, '99.0', status=1)
        self.assertIn(f'loam-config.cmake, version: {VERSION}', said)

    def test_a_subproject_of_meson(self):
        (self.dir / 'subprojects').mkdir()
        (self.dir / 'subprojects/loam').symlink_to(self.source)
        (self.dir / 'meson.build').write_text(SUBPROJECT)
        run('meson', 'setup', self.dir / 'build', self.dir)
        names = ('c_shared', 'cxx_static', 'c_all_static', 'idle_shared')
        run('ninja', '-C', self.dir / 'build', *names)
        for name in names:
            run(self.dir / 'build' / name)
            needed = run('readelf', '-dW', self.dir / 'build' / name)
            self.assertEqual(f'[{SONAME}]' in needed, 'shared' in name)

    # ---- The command.

    def loam(self, *argv, prefix=None, **options):
        path = f'{(prefix or self.prefix) / "bin"}:/usr/bin:/bin'
        with self.without_source():
            return run('loam', *argv, env=environment(PATH=path), cwd=self.dir, **options)

    def test_run(self):
        self.assertEqual(self.loam('--version'), f'loam {VERSION}\n')
        said = self.loam('run', '--', 'sh', '-c', 'grep -o "/[^ ]*libloam.*" /proc/self/maps')
        self.assertEqual(set(said.split()), {str(self.prefix / f'lib/libloam.so.{VERSION}')})
        self.loam('run', 'sh', '-c', 'exit 7', status=7)

    def test_record_and_replay(self):
        said = self.loam('record', '-o', 'made.trace', '--', *OBJECTS)
        self.assertRegex(said, r'made\.trace\.\d+ has [\d,]+ calls, the most of 2 traces;'
                               r' next: loam replay /.*made\.trace\.\d+\n$')
        trace = said.split()[-1]
        said = self.loam('replay', '--counts', trace)
        self.assertRegex(said, r'\| the trace is +\| +whole \|')
        said = self.loam('replay', '--allocators', 'glibc,loam', '--rounds', '3', trace)
        self.assertRegex(said, r'\| loam +\| +\d')

    def test_compare(self):
        said = self.loam('compare', '--rounds', '3', '--output', 'out', '--', *OBJECTS)
        self.assertRegex(said, r'\nloam (is|may be) .* than glibc .* memory')
        results = json.loads((self.dir / 'out/results.json').read_text())
        loam = next(one for one in results['allocators'] if one['name'] == 'loam')
        self.assertEqual(loam['version'], VERSION)
        self.assertTrue(results['command'].startswith('loam compare '))
        self.assertIn('in the source tree', self.loam('compare', '--set', 'macro', status=2))
        self.assertEqual(content(self.prefix), self.installed)      # no __pycache__

    def test_top(self):
        path = f'{self.prefix / "bin"}:/usr/bin:/bin'
        with subprocess.Popen(['loam', 'run', 'sleep', '100'], env=environment(PATH=path), cwd=self.dir) as made:
            while Path(f'/proc/{made.pid}/comm').read_text() != 'sleep\n':
                time.sleep(0.01)
            time.sleep(0.2)     # until the loader has it all
            said = self.loam('top', str(made.pid), '--once')
            self.assertIn(f', process {made.pid}: ', self.loam('ctl', str(made.pid), 'stats'))
            self.assertIn(f'pid="{made.pid}"', self.loam('metrics'))
            self.assertIn('has not allocated since', self.loam('ctl', str(made.pid), 'trim', '--wait', '0.2', status=3))
            made.kill()
        done = subprocess.run(['loam', 'run', '--stats', 'true'], env=environment(PATH=path), capture_output=True, text=True,
                              check=True)
        self.assertRegex(done.stderr, r'^loam: \S+, process \d+: ')
        self.assertRegex(said, rf'^sleep \({made.pid}\) of \S+, loam {VERSION},')
        self.assertIn('there is no process 4194303', self.loam('top', '4194303', status=1))
        self.assertEqual(content(self.prefix), self.installed)      # no __pycache__

    def test_a_prefix_that_was_moved(self):
        moved = self.top / 'moved'
        self.prefix.rename(moved)
        try:
            self.loam('run', 'true', prefix=moved)
            self.loam('compare', '--rounds', '3', '--', 'ls', '/', prefix=moved)
            self.cmake(moved)
        finally:
            moved.rename(self.prefix)

    def test_man_pages(self):
        for section in (1, 3, 7):
            said = run('mandoc', self.prefix / f'share/man/man{section}/loam.{section}')
            self.assertIn(f'LOAM({section})', said)


if __name__ == '__main__':
    unittest.main()
