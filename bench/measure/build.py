"""The release build of loam and of the benchmarks' programs, made when first asked for.

Where loam is installed, nothing is built: the library and the helpers are there, and a file beside
this package says so.
"""
import fcntl
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys

from measure import packages
from measure.failure import Failure

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPTIONS = ['--buildtype=release', '-Dassert_level=0', '-Dtests=false']
BENCHMARK = 'libbenchmark-dev'      # what only the benchmarks' own programs are built with
HERE = pathlib.Path(__file__).resolve().parents[1]
HELPERS = {'meter': 'bench/measure', 'libglibc_malloc.so': 'bench/measure',
           'replay': 'bench/trace'}     # name: its folder in a build
COMMANDS = {'gcc': 'gcc', 'g++': 'g++', 'meson': 'meson', 'ninja': 'ninja-build'}


def _installed():
    """What stands in installed.json, or None in the source tree."""
    file = HERE / 'installed.json'
    return json.loads(file.read_text()) if file.exists() else None


INSTALLED = _installed()


def name(command):
    """How a command of this folder is called, in words."""
    return f'loam {command}' if INSTALLED else f'bench/{command}'


def helper(program):
    """The path of a program of HELPERS."""
    return HERE / 'helpers' / program if INSTALLED else measuring() / HELPERS[program] / program


def library():
    """The path of libloam.so."""
    if not INSTALLED:
        return measuring() / 'preload/libloam.so'
    path = HERE / INSTALLED['library']      # which may be absolute
    if not path.exists():
        raise Failure(f'there is no library {path}: install loam again')
    return path


@functools.cache
def measuring():
    """A build folder with the library and the helpers: the one of the benchmarks, or another where
    that would need a package that is not there."""
    if given := _given('bench/measure/meter'):
        return given
    if ((ROOT / 'build/bench/build.ninja').exists() or packages.version(BENCHMARK)
            or packages.can_install()):
        return built()
    return _compiled(ROOT / 'build/measure', bench=False)


@functools.cache
def built():
    """The build folder of the benchmarks, up to date, or the one that LOAM_BENCH_BUILD names."""
    return _given('bench/macro/larson', ' with -Dbench=true') or _compiled(ROOT / 'build/bench')


def _given(program, how=''):
    """The folder that LOAM_BENCH_BUILD names, taken as it is if the program is in it; or None."""
    given = os.environ.get('LOAM_BENCH_BUILD')
    if not given:
        return None
    folder = pathlib.Path(given).absolute()     # a symlink may lead to a path with a space
    if not (folder / program).exists():
        raise Failure(f'{given} is no build folder{how}: there is no {program} in it')
    return folder


def _compiled(folder, bench=True):
    """The folder, brought up to date; where that is not possible, as it is."""
    try:
        return _brought_up_to_date(folder, bench)
    except (OSError, packages.Missing) as trouble:
        if not (folder / 'bench/measure/meter').exists():
            raise Failure(f'the benchmarks cannot be built in {folder}: {trouble}') from None
        print(f'warning: {folder} may be older than its source, but is used: {trouble}',
              file=sys.stderr)
        return folder


def _brought_up_to_date(folder, bench):
    packages.need(*(package for command, package in COMMANDS.items() if not shutil.which(command)),
                  *([BENCHMARK] if bench else []))
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / 'lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / 'build.ninja').exists():
            print(f'building loam and what measures it in {folder}', file=sys.stderr)
            _run(folder, 'meson', 'setup', *OPTIONS, f'-Dbench={str(bench).lower()}', folder, ROOT)
        _run(folder, 'ninja', '-C', folder)
    return folder


def _run(folder, *command):
    env = {name: value for name, value in os.environ.items()
           if name not in ('LD_PRELOAD', 'CFLAGS', 'CPPFLAGS', 'CXXFLAGS', 'LDFLAGS')}
    with open(folder / 'log', 'w') as log:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    if done.returncode:
        raise Failure(f'the benchmarks could not be built: see {folder / "log"}')
