"""Databases: redis, sqlite3, and postgres under pgbench."""
import itertools
import pathlib
import re
import shutil
import signal

from measure.failure import Failure
from programs import inputs
from programs.program import SCRIPTS, CommandProgram, call
from programs.server import UNPRIVILEGED, Server, Service, accepts, temporary_home

REDIS_COMMANDS = (1000, 150_000, 600_000)
TESTS = 'set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,mset'


def redis(home, load):
    """redis without a port and without a file; load(cli) with cli to ask it something."""
    path = home / 'redis.sock'

    def cli(*command, **options):
        return call('/usr/bin/redis-cli', '-s', path, *command, **options)

    return Service(['/usr/bin/redis-server', '--port', '0', '--unixsocket', path, '--dir', home,
                    '--save', '', '--appendonly', 'no', '--activedefrag', 'no',
                    '--enable-debug-command', 'local'],
                   ready=lambda: accepts(path), load=lambda: load(path, cli))


def redis_benchmark(home, dir, size):
    def load(path, cli):
        call('/usr/bin/redis-benchmark', '-s', path, '-q', '-n', size, '-r', '100000', '-d', '100',
             '-P', '16', '-t', TESTS)
        # Keys are drawn by the clock; how many commands were served is not.
        return b''.join(sorted(re.findall(rb'cmdstat_\w+:calls=\d+', cli('INFO', 'commandstats'))))

    return redis(home, load)


def make_redis_commands(dir):
    if (dir / 'commands').exists():
        return
    with open(dir / 'fresh', 'w', encoding='ascii') as file:
        file.writelines(inputs.redis_commands(REDIS_COMMANDS[-1]))
    (dir / 'fresh').rename(dir / 'commands')


def redis_churn(home, dir, size):
    with open(dir / 'commands', 'rb') as file:
        commands = b''.join(itertools.islice(file, size))

    def load(path, cli):
        answer = cli('--pipe', input=commands)
        return b''.join(re.findall(rb'errors: \d+|replies: \d+', answer)) + cli('DEBUG', 'DIGEST')

    return redis(home, load)


def postgres_bin():
    """The programs of the newest postgres, which Debian keeps out of PATH."""
    found = sorted(pathlib.Path('/usr/lib/postgresql').glob('*/bin/postgres'),
                   key=lambda path: [int(n) for n in path.parents[1].name.split('.')])   # as 9.6
    if not found:
        raise Failure("no server in /usr/lib/postgresql: install Debian's postgresql")
    return found[-1].parent


def postgres_service(home, size):
    bin, pidfile = postgres_bin(), home / 'data/postmaster.pid'
    host = ('-h', home, '-U', 'loam')

    def load():
        call(bin / 'pgbench', *host, '-n', '-c', '4', '-j', '4', '-t', size, '--random-seed=7',
             '-b', 'tpcb-like@6', '-b', 'select-only@6', '-f', f'{SCRIPTS / "report.sql"}@2',
             'postgres')
        # With a thread a client, each client's transactions follow from the seed; sums do not
        # mind their order.
        return call(bin / 'psql', *host, '-At', '-c', 'SELECT sum(abalance * aid) FROM '
                    'pgbench_accounts', '-c', 'SELECT count(*), sum(delta) FROM pgbench_history',
                    'postgres')

    return Service([*UNPRIVILEGED, bin / 'postgres', '-D', home / 'data', '-k', home, '-F',
                    '-c', 'listen_addresses=', '-c', 'autovacuum=off', '-c', 'jit=off',
                    '-c', 'max_parallel_workers_per_gather=0'],
                   ready=lambda: pidfile.exists() and 'ready' in pidfile.read_text(),
                   load=load, stop=signal.SIGINT)


def make_postgres(dir):
    """A database as pgbench -i fills it, made once; each run has a copy."""
    if (dir / 'data').exists():
        return
    bin = postgres_bin()
    with temporary_home() as home:
        if UNPRIVILEGED:
            shutil.chown(home, 'nobody', 'nogroup')
        call(*UNPRIVILEGED, bin / 'initdb', '-D', home / 'data', '-A', 'trust', '-U', 'loam',
             '--locale=C.UTF-8', '--no-sync', '--wal-segsize=1', cwd=home)
        control = [*UNPRIVILEGED, bin / 'pg_ctl', '-D', home / 'data', '-w', '-s']
        options = f'-k {home} -F -c listen_addresses= -c max_wal_size=8MB'
        call(*control, '-l', home / 'log', '-o', options, 'start', cwd=home)
        try:
            call(bin / 'pgbench', '-h', home, '-U', 'loam', '-i', '-q', '-s', '2', 'postgres')
        finally:
            call(*control, '-m', 'fast', 'stop', cwd=home)
        shutil.rmtree(dir / 'fresh', ignore_errors=True)
        call('cp', '-a', home / 'data', dir / 'fresh')
        (dir / 'fresh').rename(dir / 'data')


def postgres(home, dir, size):
    if UNPRIVILEGED:
        shutil.chown(home, 'nobody', 'nogroup')
    call('cp', '-a', dir / 'data', home / 'data')
    return postgres_service(home, size)


WORKLOADS = [
    Server('redis',
           'Strings, lists, sets and hashes of small values. Matters to caches and queues.',
           "Debian's redis-server under redis-benchmark, 16 commands at a time",
           ('redis-server', 'redis-tools'), (160, 20_000, 80_000), redis_benchmark),
    Server('redis-churn',
           'Values of 16 to 512 bytes, then of 128 to 4096, and so again, that are replaced, grown '
           'and deleted. Matters to caches, which fragment as they age.',
           "Debian's redis-server on commands made from a seed",
           ('redis-server', 'redis-tools'), REDIS_COMMANDS, redis_churn, make_redis_commands),
    CommandProgram(
        'sqlite3',
        'Pages, rows and sorters of a database in memory. Matters to phones, browsers and tools.',
        "Debian's sqlite3 on bench/programs/scripts/tables.sql",
        ('sqlite3',), (1000, 45_000, 180_000),
        argv=lambda dir, size: ['/usr/bin/sqlite3', '-batch', '-cmd', 'PRAGMA temp_store = memory',
                                '-cmd', f'.parameter set :rows {size}', ':memory:',
                                f'.read {SCRIPTS / "tables.sql"}']),
    Server('postgres',
           'A process a connection, each with arenas of blocks that double. Matters to those who '
           'run databases.',
           "Debian's postgresql under pgbench, with bench/programs/scripts/report.sql",
           ('postgresql',), (5, 75, 300), postgres, make_postgres),
]
