"""The allocators that are compared: glibc's own, loam, what Debian has, and any file.

All but glibc's are put before a program by LD_PRELOAD.  A program that brings a malloc along
does not use glibc's by itself: then an interposer that goes to libc's own is preloaded.
"""
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from measure import bindings, build, packages
from measure.failure import Failure

BASELINE = 'glibc'
# name: Debian's package, and what of it is preloaded
PACKAGED = {
    'jemalloc': ('libjemalloc2', 'libjemalloc.so.2'),
    'mimalloc': ('libmimalloc2.0', 'libmimalloc.so.2'),
    'tcmalloc': ('libtcmalloc-minimal4', 'libtcmalloc_minimal.so.4'),
    'tbb': ('libtbbmalloc2', 'libtbbmalloc_proxy.so.2'),
}
# What a measured program does not inherit: other allocators, and what would tune these.
TUNING = re.compile('LD_PRELOAD|MALLOC_.*|GLIBC_TUNABLES|LOAM_.*|MIMALLOC_.*|TCMALLOC_.*'
                    '|TBB_MALLOC_.*')
OBEYED = ('LOAM_SO', 'LOAM_BENCH_BUILD')     # by the commands themselves


@dataclass(frozen=True)
class Allocator:
    name: str
    path: Path = None       # what is preloaded; None for libc's own
    version: str = ''
    options: dict = field(default_factory=dict, hash=False)     # environment of its own

    def environment(self, base):
        """A copy of the environment base, in which a program runs on this allocator."""
        env = {name: value for name, value in base.items() if not TUNING.fullmatch(name)}
        if self.path:
            env['LD_PRELOAD'] = str(self.path)
        return env | self.options

    def with_options(self, **options):
        """The same allocator, with more in its programs' environment."""
        return replace(self, options=self.options | options)


def with_loam_options(found, options):
    """The allocators, loam with these LOAM_OPTIONS.  A Failure if loam refuses one: its line would go to
    the standard error of the measured program, which is not shown."""
    made = [one.with_options(LOAM_OPTIONS=options) if one.name == 'loam' else one for one in found]
    for one in made:
        with tempfile.TemporaryDirectory() as folder:
            said = _started(one, folder).stderr if one.name == 'loam' else ''
        for line in said.splitlines():
            if line.startswith('loam: LOAM_OPTIONS: '):
                raise Failure(f'--loam-options {options}: {line.removeprefix("loam: LOAM_OPTIONS: ")}')
    return made


def _started(allocator, folder):
    """A small program that allocates, after its end."""
    return subprocess.run(['/bin/ls', '/'], env=allocator.environment(os.environ), cwd=folder,
                          capture_output=True, text=True, errors='replace', timeout=60)


def not_inherited():
    """The variables of this environment that no measured program gets."""
    return sorted(name for name, value in os.environ.items()
                  if value and TUNING.fullmatch(name) and name not in OBEYED)


def known():
    """The names that find() knows without a file."""
    return [BASELINE, 'loam', *PACKAGED]


def present():
    """The known ones that need no installation."""
    return [BASELINE, 'loam', *(name for name, (_, file) in PACKAGED.items()
                                if _in_loader_cache(file))]


def find(names, extra=None):
    """The allocators of these names, glibc first; extra is {name: file} of more."""
    extra = extra or {}
    for name in extra:
        if name in known():
            raise Failure(f'--with {name}=...: {name} is a known allocator, take another name')
        if not re.fullmatch(r'[\w.+-]+', name):
            raise Failure(f'--with {name}=...: a name has letters, digits and . + - _ only')
    names = [BASELINE, *(name for name in names if name != BASELINE)]
    return [_known(name) for name in dict.fromkeys(names) if name not in extra] + [
        Allocator(name, checked(file), str(file)) for name, file in extra.items()]


def on_libc(allocator):
    """glibc's malloc for a program that is linked with another."""
    return replace(allocator, path=checked(build.helper('libglibc_malloc.so')))


def _known(name):
    if name == BASELINE:
        version = os.confstr('CS_GNU_LIBC_VERSION').removeprefix('glibc ')
        return Allocator(name, None, packages.version('libc6') or version)
    if name == 'loam':
        return _loam()
    if name not in PACKAGED:
        raise Failure(f'there is no allocator {name}: known are {", ".join(known())};'
                      f' --with {name}=FILE.so adds another')
    package, file = PACKAGED[name]
    path = _in_loader_cache(file)
    if not path:
        packages.need(package)
        path = _in_loader_cache(file)
    if not path:
        raise Failure(f'{package} is installed, but the loader knows no {file}: run ldconfig')
    return Allocator(name, path, packages.version(package) or path.resolve().name)


def _loam():
    """What LOAM_SO names, else what is installed, else a release build of this tree."""
    given = os.environ.get('LOAM_SO')
    return Allocator('loam', checked(given or build.library()),
                     given or os.environ.get('LOAM_BENCH_BUILD') or commit())


def commit():
    """The commit of this tree, '+' behind it if files differ, or the version that is installed;
    '' where git knows none."""
    if build.INSTALLED:
        return build.INSTALLED['version']
    return _printed('git', '-C', build.ROOT, 'describe', '--always', '--dirty=+',
                    '--exclude=*').strip()


def _in_loader_cache(soname):
    kind = 'x86-64' if os.uname().machine == 'x86_64' else 'AArch64'
    found = re.search(rf'^\s*{re.escape(soname)} \([^)]*{kind}[^)]*\) => (.*)$',
                      _printed('/sbin/ldconfig', '-p'), re.M)
    return Path(found[1]) if found else None


def _printed(*command):
    """What a command prints; '' if it is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout
    except OSError:
        return ''


def checked(file):
    """The path of a file that can be preloaded here and then serves malloc; else a Failure.

    A symlink stays one: it may be there because the loader cannot take the path that it leads to.
    """
    path = Path(file).absolute()
    if not os.path.isfile(path):
        raise Failure(f'there is no allocator {file}')
    if re.search(r'[\s:;]', str(path)):
        raise Failure(f'the loader preloads no file with a space, : or ; in its path: make a symlink'
                      f' to {path} elsewhere, and name that by LOAM_SO or --with')
    if not os.access(path, os.R_OK):
        raise Failure(f'{file} cannot be read')
    kind = _elf_kind(path)
    if not kind:
        raise Failure(f'{file} is no ELF file: give the shared library of an allocator')
    if kind != _elf_kind('/proc/self/exe'):
        raise Failure(f'{file} is made for another kind of machine')
    _try(path, file)
    return path


def _elf_kind(path):
    """Class, byte order and machine of an ELF file; None for another file."""
    with open(path, 'rb') as elf:
        header = elf.read(20)
    return (header[4:6], header[18:20]) if header[:4] == b'\x7fELF' and len(header) == 20 else None


def _try(path, file):
    """Runs the simplest of programs with it, and looks where malloc went."""
    with tempfile.TemporaryDirectory() as folder:
        env = Allocator('', path).environment(os.environ) | bindings.environment(folder)
        try:
            done = subprocess.run(['/bin/ls', '/'], env=env | {'LD_BIND_NOW': '1'},
                                  capture_output=True, text=True, timeout=60)
        except subprocess.TimeoutExpired:
            raise Failure(f'no program starts with {file}: it hangs') from None
        if 'cannot be preloaded' in done.stderr:
            raise Failure(f'the loader does not take {file}: it is no shared library, or one that'
                          ' cannot be preloaded')
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or [f'status {done.returncode}']
            raise Failure(f'no program starts with {file}: {said[0]}')
        if str(path) not in bindings.owners(folder):
            raise Failure(f'{file} defines no malloc: it is no allocator')
