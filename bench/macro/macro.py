"""The macro workloads: a table of the programs of this folder and of the options they run with.

What a workload stands for and where it comes from stands in the comment at the top of its C file,
and is read from there.
"""
import functools
import pathlib

from measure import build, source
from measure.run import Command
from measure.workload import CommandWorkload

FOLDER = pathlib.Path(__file__).resolve().parent
QUICK_SCALE = 0.1

# Name of the row: program and options.
ROWS = {
    'larson-1': 'larson --threads 1',
    'larson-4': 'larson --threads 4',
    'larson-16': 'larson --threads 16',
    'threadtest-1': 'threadtest --threads 1',
    'threadtest-4': 'threadtest --threads 4',
    'xmalloc-2': 'xmalloc --threads 2',
    'xmalloc-2-mixed': 'xmalloc --threads 2 --size 0',
    'mstress-4': 'mstress --threads 4',
    'mstress-16': 'mstress --threads 16',
    'rptest-1': 'rptest --threads 1',
    'rptest-4': 'rptest --threads 4',
    'alloc-test-1': 'alloc_test --threads 1',
    'alloc-test-4': 'alloc_test --threads 4',
    'shbench-1': 'shbench --threads 1',
    'shbench-4-shared': 'shbench --threads 4 --share 1',
    'cache-scratch-4': 'cache_scratch --threads 4',
    'cache-thrash-4': 'cache_thrash --threads 4',
    'malloc-large': 'malloc_large',
    'mleak-10': 'mleak --threads 10',
    'glibc-simple': 'glibc_simple',
    'glibc-thread-1': 'glibc_thread --threads 1',
    'glibc-thread-4': 'glibc_thread --threads 4',
    'factoring': 'factoring',
    'minimiser': 'minimiser',
    'phase-change': 'phase_change',
    'slow-growth': 'slow_growth',
    'server': 'server',
    'generational': 'generational',
    'robson': 'robson',
}


@functools.cache
def programs():
    return build.built() / 'bench' / 'macro'


def command_of(words):
    program, *options = words.split()

    def command(dir, quick):
        scale = ['--scale', str(QUICK_SCALE)] if quick else []
        return Command([str(programs() / program), *options, *scale])

    return command


def workload_of(name, words):
    about = source.about(FOLDER / f'{words.split()[0]}.c')
    return CommandWorkload(name, about.why, about.source, command_of(words))


WORKLOADS = [workload_of(name, words) for name, words in ROWS.items()]
