"""Servers under load, each on a unix socket in its own directory."""
import hashlib
import http.client
import random
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import Failure, program

POSTGRES = max(Path('/usr/lib/postgresql').glob('*/bin'), key=lambda bin: int(bin.parent.name),
               default=Path('/usr/lib/postgresql/bin'))


def accepts(path):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(30)
    client.connect(str(path))
    return client


def dataset():
    """Commands that fill database 1 of redis, the same each time."""
    rng = random.Random(3)
    yield 'SELECT 1'
    for n in range(20000):
        yield f'SET string{n} {rng.randbytes(rng.randrange(1, 400)).hex()}'
        yield f'HSET hash{n % 100} field{n} {rng.random()}'
        yield f'RPUSH list{n % 50} {n * 7919}'
        yield f'ZADD sorted{n % 10} {rng.random()} member{n}'
        yield f'APPEND text{n % 30} {n}'
        yield f'DEL string{rng.randrange(20000)}'


@program('/usr/bin/redis-server')
def redis(run):
    """Debian's redis-server is linked with libjemalloc, and the preload goes before it."""
    path = run.dir / 'redis.sock'
    server = ('redis-server', '--port', '0', '--unixsocket', path, '--dir', run.dir, '--save', '',
              '--activedefrag', 'no', '--enable-debug-command', 'local')

    def cli(*command, input=None):
        return run('redis-cli', '-s', path, *command, input=input)

    def field(section, name):
        return re.search(rf'{name}:(\S+)'.encode(), cli('INFO', section)).group(1)

    with run.server(*server, ready=lambda: accepts(path)):
        cli('--pipe', input=''.join(line + '\r\n' for line in dataset()).encode())
        saves = 0
        with ThreadPoolExecutor() as pool:
            load = pool.submit(
                run, 'redis-benchmark', '-s', path, '-q', '-n', '60000', '-r', '5000', '-d', '200',
                '-t', 'set,get,incr,lpush,lpop,sadd,hset,zadd,mset')
            while not load.done():
                cli('BGSAVE')
                while field('persistence', 'rdb_bgsave_in_progress') == b'1':
                    time.sleep(0.05)
                if field('persistence', 'rdb_last_bgsave_status') != b'ok':
                    raise Failure('BGSAVE failed')
                saves += 1
            load.result()
        if not saves:
            raise Failure('no BGSAVE while under load')
        before = cli('DEBUG', 'DIGEST')
        cli('SAVE')
    with run.server(*server, ready=lambda: accepts(path)):
        while field('persistence', 'loading') == b'1':
            time.sleep(0.05)
        if cli('DEBUG', 'DIGEST') != before:
            raise Failure('the RDB file does not reload equal')
        # The benchmark fills database 0 with keys that it draws by the clock.
        cli('-n', '0', 'FLUSHDB')
        return cli('DEBUG', 'DIGEST')


def memcached_client(path, seed):
    """Sets, replaces, deletes and reads keys of one client; a checksum of all that was read."""
    rng = random.Random(seed)
    values, seen = {}, hashlib.sha256()
    with connect(path) as client, client.makefile('rwb') as stream:
        def ask(request, *answers):
            stream.write(request)
            stream.flush()
            if (answer := stream.readline().strip()) not in answers:
                raise Failure(f'{request[:40]} answered by {answer}')
            return answer

        for n in range(8000):
            key = b'%d-%d' % (seed, rng.randrange(2000))
            action = rng.randrange(4)
            if action < 2:
                values[key] = rng.randbytes(rng.choice((10, 100, 1000, 9000)))
                ask(b'set %s 0 0 %d\r\n%s\r\n' % (key, len(values[key]), values[key]), b'STORED')
            elif action == 2:
                ask(b'delete %s\r\n' % key, b'DELETED' if values.pop(key, None) else b'NOT_FOUND')
            elif key in values:
                ask(b'get %s\r\n' % key, b'VALUE %s 0 %d' % (key, len(values[key])))
                got = stream.read(len(values[key]) + len(b'\r\nEND\r\n'))
                if got != values[key] + b'\r\nEND\r\n':
                    raise Failure(f'{key} came back changed')
                seen.update(got)
    return len(values), seen.hexdigest()


@program('/usr/bin/memcached')
def memcached(run):
    path = run.dir / 'memcached.sock'
    with run.server('memcached', '-s', path, '-m', '512', '-t', '4',
                    ready=lambda: accepts(path)), \
            ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda seed: memcached_client(path, seed), range(8)))


@program(POSTGRES / 'postgres')
def postgres(run):
    data = run.dir / 'data'
    initdb = run(POSTGRES / 'initdb', '-D', data, '-A', 'trust', '-U', 'loam', '--locale=C.UTF-8',
                 '--no-sync')
    status = data / 'postmaster.pid'
    host = ('-h', run.dir, '-U', 'loam')
    with run.server(POSTGRES / 'postgres', '-D', data, '-k', run.dir, '-F',
                    '-c', 'listen_addresses=', '-c', 'max_parallel_workers_per_gather=2',
                    '-c', 'min_parallel_table_scan_size=0',
                    ready=lambda: status.exists() and 'ready' in status.read_text(),
                    stop=signal.SIGINT):
        run(POSTGRES / 'pgbench', *host, '-i', '-q', '-s', '3', 'postgres')
        # Each client's transactions follow from the seed, and their sums do not mind the order.
        run(POSTGRES / 'pgbench', *host, '-c', '8', '-j', '2', '-t', '300', '--random-seed=7',
            'postgres')
        tables = run(POSTGRES / 'psql', *host, '-At', '-f', run.sources / 'queries.sql', 'postgres')
    return initdb.splitlines(), tables.splitlines()


NGINX = """
daemon off;
worker_processes 2;
pid {dir}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
	access_log {dir}/access.log;
	client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
	uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
	gzip on; gzip_types *; gzip_min_length 100;
	server {{
		listen unix:{dir}/nginx.sock;
		root {dir}/www;
		location /proxy/ {{ proxy_pass http://unix:{dir}/nginx.sock:/; }}
	}}
}}
"""


def nginx_client(path, seed):
    """A connection kept alive: the status and body of each answer, as a checksum."""
    rng = random.Random(seed)
    http_client = http.client.HTTPConnection('localhost')
    http_client.sock = connect(path)
    seen = hashlib.sha256()
    for _ in range(400):
        page = rng.choice(('/{}', '/proxy/{}', '/missing{}')).format(rng.randrange(40))
        encoding = rng.choice(('gzip', 'identity'))
        http_client.request('GET', page, headers={'Accept-Encoding': encoding})
        answer = http_client.getresponse()
        seen.update(b'%d' % answer.status + answer.read())
    http_client.close()
    return seen.hexdigest()


@program('/usr/sbin/nginx')
def nginx(run):
    (run.dir / 'www').mkdir()
    for n in range(40):
        (run.dir / f'www/{n}').write_bytes(random.Random(n).randbytes(40 << n % 10).hex().encode())
    (run.dir / 'nginx.conf').write_text(NGINX.format(dir=run.dir))
    path = run.dir / 'nginx.sock'
    with run.server('nginx', '-e', 'stderr', '-p', run.dir, '-c', run.dir / 'nginx.conf',
                    ready=lambda: accepts(path), stop=signal.SIGQUIT), \
            ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda seed: nginx_client(path, seed), range(8)))
