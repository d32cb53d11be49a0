"""Web servers: nginx under ab."""
import os
import random
import re

from programs.program import call
from programs.server import Server, Service, accepts, free_port

NGINX = """
daemon off;
{user}
worker_processes 1;
pid {home}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
	access_log {home}/access.log;
	client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
	uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
	gzip on; gzip_types *; gzip_min_length 100;
	ssi_types *;
	keepalive_requests 100;
	server {{
		listen 127.0.0.1:{port};
		listen unix:{home}/nginx.sock;
		root {home}/www;
		location /parts/ {{ alias {home}/www/; ssi on; }}
		location /proxy/ {{ proxy_pass http://unix:{home}/nginx.sock:/; }}
	}}
}}
"""
PAGES = ('page', 'proxy/page', 'parts/index')


def write_site(home, port):
    rng = random.Random(10)
    (home / 'www').mkdir()
    for n in range(4):
        (home / f'www/part{n}').write_text(rng.randbytes(400 << n).hex())
    (home / 'www/page').write_text(rng.randbytes(6000).hex())
    (home / 'www/index').write_text(
        ''.join(f'<!--# include virtual="/part{n % 4}" -->\n' for n in range(8)))
    user = 'user nobody nogroup;' if os.geteuid() == 0 else ''
    (home / 'nginx.conf').write_text(NGINX.format(home=home, port=port, user=user))
    call('chmod', '-R', 'a+rX', home)


def nginx(home, dir, size):
    port = free_port()
    write_site(home, port)

    def load():
        said = [call('/usr/bin/ab', '-q', '-k', '-c', '16', '-n', size, '-H',
                     'Accept-Encoding: gzip', f'http://127.0.0.1:{port}/{page}') for page in PAGES]
        return b''.join(line for each in said for line in re.findall(
            rb'(?:Complete|Failed|Non-2xx) \w+: *\d+\n|HTML transferred: *\d+', each))

    return Service(['/usr/sbin/nginx', '-e', 'stderr', '-p', home, '-c', home / 'nginx.conf'],
                   ready=lambda: accepts(('127.0.0.1', port)), load=load)


WORKLOADS = [
    Server('nginx',
           'A pool a request, buffers of gzip and of a proxy: shows that an allocator does no '
           'harm. Matters to whoever serves the web.',
           "Debian's nginx under ab of apache2-utils",
           ('nginx', 'apache2-utils'), (20, 2500, 9000), nginx),
]
