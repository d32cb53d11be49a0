"""The macro workloads: a table of the programs of this folder and of the options they run with.

What a workload stands for and where it comes from stands in the comment at the top of its C file,
and is read from there.

There are three groups.  macro has the workloads of the field, and our own.  tuned and judged were
written later, from published descriptions, to differ from macro in sizes, lives, threads and
batches: policies may be tuned on the rows of tuned as on those of macro, while the rows of judged
are measured and reported, but never looked into to choose a policy.  So judged tells what loam is
worth on programs that nobody here has seen.
"""
import functools
import pathlib

from measure import build, source
from measure.run import Command
from measure.workload import CommandWorkload

FOLDER = pathlib.Path(__file__).resolve().parent
QUICK_SCALE = 0.1

# Name of the row: program and options.
MACRO = {
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
# One or more in each of tuned and judged: objects that go from thread to thread, medium sizes in
# many threads, small sizes in one thread, threads that end, blocks that grow, large blocks.
TUNED = {
    'message-queue': 'message_queue',
    'memtable': 'memtable',
    'pipeline-5': 'pipeline',
    'proxy-buffers-16': 'proxy_buffers',
    'small-random': 'small_random',
    'thread-churn-4': 'thread_churn',
    'string-append': 'string_append',
    'tiles-4': 'tiles',
    'obstacks': 'obstacks',
}
JUDGED = {
    'request-batches-4': 'request_batches',
    'epochs-8': 'epochs',
    'cow-btree-4': 'cow_btree',
    'process-heaps-4': 'process_heaps',
    'rewriting': 'rewriting',
    'hash-tables': 'hash_tables',
    'map-reduce-4': 'map_reduce',
    'graph-growth': 'graph_growth',
    'temporaries': 'temporaries',
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


def workload_of(name, words, group):
    about = source.about(FOLDER / f'{words.split()[0]}.c')
    return CommandWorkload(name, about.why, about.source, command_of(words), group)


GROUPS = {group: [workload_of(name, words, group) for name, words in rows.items()]
          for group, rows in (('macro', MACRO), ('tuned', TUNED), ('judged', JUDGED))}
ROWS = MACRO | TUNED | JUDGED
WORKLOADS = [one for group in GROUPS.values() for one in group]
