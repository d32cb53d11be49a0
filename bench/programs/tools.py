"""Tools: git gc, the solver z3 and the page renderer ghostscript."""
import shutil
from dataclasses import dataclass

from measure import run
from programs import inputs
from programs.program import ENVIRONMENT, SCRIPTS, CommandProgram, Program, ToolFailed, call, digest

Z3_SIZES = (1, 3, 12)   # problems of each kind


@dataclass
class GitGc(Program):
    """git gc on a repository as fast-import leaves it; sizes are windows of its search for deltas.

    The output is the list of all objects afterwards, once git fsck has read them whole.
    """
    def make_input(self, dir):
        repository = dir / 'origin.git'
        if repository.exists():
            return
        fresh = dir / 'fresh.git'
        shutil.rmtree(fresh, ignore_errors=True)
        call('git', 'init', '-q', '--bare', '-b', 'main', fresh)
        call('git', '-C', fresh, 'fast-import', '--quiet', input=b''.join(inputs.history(800)))
        fresh.rename(repository)

    def run(self, allocator, dir, size):
        work = dir / 'work.git'
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(dir / 'origin.git', work)
        git = ['/usr/bin/git', '-C', str(work), '-c', 'pack.threads=2']
        measurement = run.measure(
            run.Command([*git, '-c', f'gc.aggressiveWindow={size}', 'gc', '-q', '--aggressive',
                         '--prune=now'], cwd=dir, env=ENVIRONMENT), allocator)
        if measurement.status == 0:
            measurement.output = digest(objects(git))
        shutil.rmtree(work)
        return measurement


def objects(git):
    """The list of all objects, or what fsck says against them."""
    try:
        call(*git, 'fsck', '--full', '--strict')
        return call(*git, 'cat-file', '--batch-all-objects', '--batch-check')
    except ToolFailed as failure:
        return str(failure).encode()


def make_smt(dir):
    for count in Z3_SIZES:
        (dir / f'problems{count}.smt2').write_text(inputs.smt(count))


WORKLOADS = [
    GitGc('git-gc',
          'Large buffers, and tables of many objects, in two threads. Matters to whoever keeps '
          'repositories.',
          "Debian's git on a history of C and C++ headers", ('git', 'linux-libc-dev', 'g++'),
          (1, 10, 60)),
    CommandProgram(
        'z3',
        'Clauses, big numbers and tableaux that grow and shrink. Matters to those who verify '
        'programs.',
        "Debian's z3 on problems of job shops and of factors", ('z3',), Z3_SIZES, make=make_smt,
        argv=lambda dir, size: ['/usr/bin/z3', dir / f'problems{size}.smt2']),
    CommandProgram(
        'ghostscript',
        'Fonts, paths and bands of pixels. Matters to print servers, and to whoever shows pages.',
        "Debian's ghostscript on bench/programs/scripts/pages.ps", ('ghostscript',), (1, 6, 25),
        argv=lambda dir, size: ['/usr/bin/gs', '-q', '-dBATCH', '-dNOPAUSE', '-dSAFER', '-r300',
                                '-sDEVICE=ppmraw', '-sOutputFile=-', f'-dPAGES={size}',
                                SCRIPTS / 'pages.ps']),
]
