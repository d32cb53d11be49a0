"""The release build of loam and of the benchmarks' programs, made when first asked for."""
import fcntl
import functools
import os
import pathlib
import shutil
import subprocess
import sys

from measure import packages
from measure.failure import Failure

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPTIONS = ['--buildtype=release', '-Dassert_level=0', '-Dtests=false', '-Dbench=true']
COMMANDS = {'gcc': 'gcc', 'g++': 'g++', 'meson': 'meson', 'ninja': 'ninja-build'}


@functools.cache
def built(build_dir=None):
    """The build folder, up to date.  LOAM_BENCH_BUILD names one that is taken as it is."""
    given = build_dir or os.environ.get('LOAM_BENCH_BUILD')
    if given:
        folder = pathlib.Path(given).resolve()
        if not (folder / 'bench/measure/meter').exists():
            raise Failure(f'{given} is no build folder with -Dbench=true: there is no'
                          ' bench/measure/meter in it')
        return folder
    return _compiled(ROOT / 'build/bench')


def _compiled(folder):
    packages.need(*(package for command, package in COMMANDS.items() if not shutil.which(command)),
                  'libbenchmark-dev')
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / 'lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / 'build.ninja').exists():
            print(f'building loam and its benchmarks in {folder}', file=sys.stderr)
            _run(folder, 'meson', 'setup', *OPTIONS, folder, ROOT)
        _run(folder, 'ninja', '-C', folder)
    return folder


def _run(folder, *command):
    env = {name: value for name, value in os.environ.items()
           if name not in ('LD_PRELOAD', 'CFLAGS', 'CPPFLAGS', 'CXXFLAGS', 'LDFLAGS')}
    with open(folder / 'log', 'w') as log:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    if done.returncode:
        raise Failure(f'the benchmarks could not be built: see {folder / "log"}')
