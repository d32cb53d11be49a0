"""The memory workloads: a table of the programs of this folder, the figures that they report, and
the goals that these have.

What a workload stands for and where it comes from stands in the comment at the top of its C file,
and is read from there.  A quick run does less of the same, by the scale of its row.
"""
import functools
import pathlib
from dataclasses import dataclass

from measure import build, source
from measure.figures import Figure
from measure.run import Command
from measure.workload import CommandWorkload

FOLDER = pathlib.Path(__file__).resolve().parent
KIB, MIB = 2**10, 2**20
SLACK = 4 * MIB         # what a process may hold beside the pages of its objects and 5% of them
LEAST_WHOLE = 0.995     # of a share: what is written as 1.00


# ---- Figures.

def _over_live(key):
    return lambda f: f[key] / f['live']


def _near_bound(f):
    return (1.05 * f['bound'] + SLACK) / f['live']


def _constant(value):
    return lambda f: value


def _mib(name, key, goal=None):
    return Figure(name, lambda f: f[key] / MIB, goal and _constant(goal), digits=1)


BOUND = Figure('pages bound, x live', _over_live('bound'))
NEAR = {'goal': _near_bound, 'goal_text': '1.05 x bound + 4 MiB'}
LEFT = (
    BOUND,
    Figure('RSS at once, x live', _over_live('idle')),
    Figure('RSS after light activity, x live', _over_live('activity'), **NEAR),
    Figure('RSS after a trim, x live', _over_live('trim'), **NEAR),
)


def _mean(goal=None):
    return (Figure('mean pages bound, x live', lambda f: f['mean_bound'] / f['mean_live']),
            Figure('mean RSS, x live', lambda f: f['mean_resident'] / f['mean_live'],
                   goal and _constant(goal)))


BROKER = (_mib('RSS when empty, MiB', 'idle', 11),
          _mib('RSS after light activity, MiB', 'activity', 11),
          _mib('RSS after a trim, MiB', 'trim', 2))


def _pool(activity=None, trim=None):
    return (_mib('pages bound, MiB', 'bound'), _mib('RSS at once, MiB', 'idle'),
            _mib('RSS after light activity, MiB', 'activity', activity),
            _mib('RSS after a trim, MiB', 'trim', trim))


LIMITED = (Figure('phases finished', lambda f: f['finished'], lambda f: f['phases'], digits=0,
                  more=True),
           _mib('peak RSS, MiB', 'peak'))
REFILL = (Figure('least share of a first fill', lambda f: f['least'], _constant(LEAST_WHOLE),
                 '1.00', more=True),
          Figure('mean share of a first fill', lambda f: f['mean'], _constant(LEAST_WHOLE), '1.00',
                 more=True),
          Figure('part of the room in a first fill', lambda f: f['first'], _constant(0.92),
                 more=True))
LOCKED = (_mib('locked, 64 MiB live, MiB', 'full', 70), _mib('locked, all freed, MiB', 'idle', 8),
          _mib('locked after a trim, MiB', 'trim', 8))


def _kept_huge(f):
    """Where no 2 MiB are live as a whole, none could be lost."""
    return f['huge'] / f['whole'] if f['whole'] else 1


HUGE = (Figure('RSS of 1 MiB, x live', lambda f: f['small'] / f['small_live'], _constant(1.3)),
        Figure('2 MiB live as a whole, x live', _over_live('whole')),
        Figure('in huge pages, x whole live ones', _kept_huge, _constant(LEAST_WHOLE), '1.00',
               more=True),
        Figure('RSS of the rest, x live', _over_live('activity')))


def _faults(goal):
    return (Figure('page faults', lambda f: f['faults'], lambda f: goal * f['scale'], digits=0),)


def _a_thread(goal):
    return (Figure('RSS over live a thread, KiB',
                   lambda f: (f['idle'] - f['live']) / f['threads'] / KIB, _constant(goal),
                   digits=0),
            Figure('pages bound over live a thread, KiB',
                   lambda f: (f['bound'] - f['live']) / f['threads'] / KIB, digits=0))


def _longest(name, key):
    return Figure(f'{name}, ms', lambda f: f[key] / 1e6, _constant(0.1), digits=3)


LONGEST = (_longest('first mallocs after another freed', 'after_frees_ns'),
           _longest('first calls after 1.2 s idle', 'after_idle_ns'),
           _longest('malloc p99.999', 'malloc_ns'), _longest('free p99.999', 'free_ns'))


# ---- Rows.

@dataclass(frozen=True)
class Row:
    words: str          # program and options
    figures: tuple
    quick: float = 1    # scale of a quick run


def _survivors(options, quick=0.1):
    return Row(f'survivors {options}'.strip(), LEFT, quick)


def _limited(options, quick=1):
    return Row(f'limited {options}'.strip(), LIMITED, quick)


ROWS = {
    'survivors-random': _survivors(''),
    'survivors-runs': _survivors('--pick 1'),
    'survivors-last': _survivors('--pick 2'),
    'survivors-random-other': _survivors('--other 1'),
    'survivors-runs-other': _survivors('--other 1 --pick 1'),
    'survivors-last-other': _survivors('--other 1 --pick 2'),
    'survivors-small': _survivors('--even 1'),
    'survivors-small-other': _survivors('--even 1 --other 1'),
    'drift-1': Row('drift --threads 1', _mean(1.20), 0.5),
    'drift-8': Row('drift --threads 8', _mean(1.30), 0.5),
    'drift-narrow': Row('drift --threads 1 --spread 25', _mean(), 0.5),
    'broker': Row('broker', BROKER, 0.2),
    'lru-cache': Row('lru_cache', _mean(1.05), 0.25),
    'lru-cache-phases': Row('lru_cache --phases 1', _mean(), 0.25),
    'json-trees': Row('json_trees', _mean(1.30), 0.3),
    'idle-pool': Row('idle_pool', _pool(30, 12), 0.5),
    'idle-pool-together': Row('idle_pool --together 1', _pool(), 0.25),
    'limited-1': _limited('--threads 1'),
    'limited-4': _limited('--threads 4'),
    'limited-1-large': _limited('--threads 1 --live 160 --limit 256', 0.25),
    'limited-4-large': _limited('--threads 4 --live 160 --limit 256', 0.25),
    'limited-1-rising': _limited('--threads 1 --rising 1'),
    'limited-1-address': _limited('--threads 1 --address 1'),
    'refill': Row('refill', REFILL, 0.2),
    'fork-free': Row('forked', _faults(2500), 0.2),
    'fork-write': Row('forked --write 1', _faults(9000), 0.2),
    'locked': Row('locked', LOCKED),
    'huge-pages': Row('huge_pages', HUGE, 0.2),
    'threads-1': Row('small_threads --threads 1', _a_thread(150)),
    'threads-8': Row('small_threads --threads 8', _a_thread(100)),
    'threads-64': Row('small_threads --threads 64', _a_thread(60)),
    'threads-500': Row('small_threads --threads 500', _a_thread(52)),
    'longest-call': Row('longest_call', LONGEST, 0.2),
}


@functools.cache
def programs():
    return build.built() / 'bench' / 'memory'


def command_of(row):
    program, *options = row.words.split()

    def command(dir, quick):
        scale = ['--scale', str(row.quick)] if quick else []
        return Command([str(programs() / program), *options, *scale])

    return command


@dataclass
class MemoryWorkload(CommandWorkload):
    figures: tuple = ()


def workload_of(name, row):
    about = source.about(FOLDER / f'{row.words.split()[0]}.c')
    return MemoryWorkload(name, about.why, about.source, command_of(row), figures=row.figures)


WORKLOADS = [workload_of(name, row) for name, row in ROWS.items()]
