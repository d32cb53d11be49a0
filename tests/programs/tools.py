"""Tools of every day: sort, git, sqlite3, tar with xz, man, bash, gdb, ImageMagick, and two
that are hard on memory: a browser and stress-ng."""
import hashlib
import random
import re
import zlib

from harness import program


def checksum(data):
    return hashlib.sha256(data).hexdigest()


def words(count, seed):
    """A text of count words, the same for the same seed."""
    rng = random.Random(seed)
    vocabulary = [rng.randbytes(rng.randrange(1, 7)).hex() for _ in range(2000)]
    text = ' '.join(rng.choices(vocabulary, k=count))
    return re.sub('((?:[^ ]+ ){9}[^ ]+) ', r'\1\n', text) + '\n'


@program('/usr/bin/sort')
def sort(run):
    digits = random.Random(1).randbytes(50_000_000).hex().encode()
    with open(run.dir / 'data', 'wb') as data:
        at = 0
        for length in (5, 17, 40, 90, 300) * (len(digits) // 452 + 1):
            data.write(digits[at:at + length] + b'\n')
            at += length
    run('sort', '--parallel=2', '-o', 'sorted', 'data')
    run('sort', '-c', 'sorted')
    return checksum((run.dir / 'sorted').read_bytes())


def history(commits):
    """A stream for git fast-import: files that change a little in each commit."""
    rng = random.Random(2)
    files = {f'dir{n % 7}/file{n}.txt': words(2000, n).splitlines() for n in range(60)}
    for n in range(commits):
        message = words(20, n)
        yield f'commit refs/heads/main\ncommitter A <a@b> {1_000_000_000 + n} +0000\n'
        yield f'data {len(message)}\n{message}'
        for path in files if n == 0 else rng.sample(sorted(files), 4):
            lines = files[path]
            lines[rng.randrange(len(lines))] = words(10, rng.random()).strip()
            text = '\n'.join(lines)
            yield f'M 644 inline {path}\ndata {len(text)}\n{text}\n'


@program('/usr/bin/git')
def git(run):
    (run.dir / '.gitconfig').write_text('[safe]\n\tdirectory = *\n[gc]\n\tauto = 0\n')
    run('git', 'init', '-q', '--bare', 'origin')
    run('git', '-C', 'origin', 'fast-import', '--quiet', input=''.join(history(600)).encode())
    run('git', '-C', 'origin', 'symbolic-ref', 'HEAD', 'refs/heads/main')
    run('git', 'clone', '-q', '--no-local', 'origin', 'clone')
    run('git', '-C', 'clone', 'gc', '-q', '--aggressive', '--prune=now')
    return [checksum(run('git', '-C', 'clone', *command.split())) for command in (
        'fsck --full --strict',
        'rev-parse HEAD',
        'cat-file --batch-all-objects --batch-check',
        'log -p --stat',
        'blame dir0/file0.txt',
        'grep -P (\\d\\d)\\1')]


@program('/usr/bin/sqlite3')
def sqlite3(run):
    return run('sqlite3', 'test.db', input=(run.sources / 'tables.sql').read_bytes())


@program('/usr/bin/xz')
def tar_xz(run):
    for n in range(300):
        (run.dir / f'tree{n % 20}').mkdir(exist_ok=True)
        (run.dir / f'tree{n % 20}/{n}').write_text(words(7000, n))
    run('tar', '--sort=name', '--mtime=@0', '-I', 'xz -T2 -3 --block-size=4MiB', '-cf', 'a.tar.xz',
        *(f'tree{n}' for n in range(20)))
    run('mkdir', 'out')
    run('tar', '-C', 'out', '-xf', 'a.tar.xz')
    run('diff', '-r', 'tree3', 'out/tree3')
    return checksum((run.dir / 'a.tar.xz').read_bytes())


@program('/usr/bin/man')
def man(run):
    """man-db reads its input under a seccomp filter, which stops an unusual system call."""
    page = '.TH BIG 1 2020-01-01\n' + ''.join(
        f'.SH PART {n}\n.B {n}\n{words(300, n)}.PP\n.I x\n{words(300, n + 1)}' for n in range(100))
    (run.dir / 'big.1').write_text(page)
    return run('man', '-P', 'cat', '-l', './big.1', env={'MANWIDTH': '80'})


@program('/bin/bash')
def bash(run):
    return run('bash', run.sources / 'words.bash')


@program('/usr/bin/gdb')
def gdb(run):
    """Types and functions of a program read from its DWARF, and gdb's own python."""
    run('g++', '-g3', '-o', 'program', run.sources / 'containers.cc')
    return run('gdb', '-nx', '-batch', '-ex', 'info functions Cell', '-ex', 'info types Cell',
               '-ex', 'python print(sum(len(str(n)) for n in range(300000)))', 'program')


@program('/usr/bin/convert-im6.q16')
def imagemagick(run):
    run('convert-im6.q16', '-seed', '7', '-size', '1200x900', 'plasma:fractal', 'plasma.png')
    run('convert-im6.q16', 'plasma.png', '-resize', '640x480', '-blur', '0x3', '-distort', 'Arc',
        '60', '-normalize', '-quality', '90', 'arc.jpg')
    run('convert-im6.q16', 'plasma.png', '-colors', '64', '-crop', '4x4@', '+repage', '-rotate',
        '30', 'tiles.gif')
    # The signature is of the pixels: the files hold the time at which they were written.
    return [run('identify-im6.q16', '-format', '%# %wx%h\n', name)
            for name in ('plasma.png', 'arc.jpg', 'tiles.gif')]


def pixels(png):
    """The decompressed rows of a PNG, without the chunks that may carry a time."""
    at, rows = 8, b''
    while at < len(png):
        length = int.from_bytes(png[at:at + 4], 'big')
        if png[at + 4:at + 8] == b'IDAT':
            rows += png[at + 8:at + 8 + length]
        at += 12 + length
    return zlib.decompress(rows)


@program('/usr/lib/chromium/chromium')
def chromium(run):
    # Its own sandbox needs what a container forbids; the rest keeps it off the network.
    run('chromium', '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
        '--no-first-run', '--disable-background-networking', '--disable-component-update',
        '--disable-sync', '--disable-dev-shm-usage', f'--user-data-dir={run.dir}/profile',
        '--window-size=800,600', '--hide-scrollbars', '--virtual-time-budget=5000',
        f'--screenshot={run.dir}/page.png', (run.sources / 'page.html').as_uri())
    return checksum(pixels((run.dir / 'page.png').read_bytes()))


@program('/usr/bin/stress-ng')
def stress_ng(run):
    """Its count of operations, which is short when a stressor crashed; the rest is times."""
    output = run('stress-ng', '--malloc', '2', '--malloc-ops', '40000', '--malloc-bytes', '64M',
                 '--malloc-pthreads', '2', '--verify', '--seed', '7', '--stdout', '--metrics-brief',
                 '--temp-path', run.dir)
    return re.findall(rb'malloc +\d+ ', output)
