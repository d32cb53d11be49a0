#!/usr/bin/env python3
"""pictures.py LIBLOAM SERVER [FOLDER]: the pictures of docs/observing, made anew: top, map and flame graph of a fragmented
heap of 2 GiB (server.c) and of a small program.

Run it where a tool's picture changes, and look at what it made before you keep it. It needs tmux and chromium.
"""
import contextlib
import html
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOOK = ROOT / 'preload/look'
COLUMNS, LINES = 112, 34
WIDE, HIGH, PAD, LETTER = 8.43, 18, 14, 14      # of a cell of the terminal, around it, of its font; pixels
FONT = '"DejaVu Sans Mono", Menlo, Consolas, monospace'
INK, PAPER = '#d8dee6', '#161b22'
COLOURS = ('#484f58', '#ff7b72', '#7ee787', '#e3b341', '#79c0ff', '#d2a8ff', '#76d7e0', '#d8dee6')
SMALL = 'my %kept; $kept{$_} = [split /,/, join ",", 1 .. $_ % 40] for 1 .. 2000; $| = 1; print "ready\\n"; <STDIN>'


def browse(page, width, height, picture):
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(['chromium', '--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', f'--user-data-dir={profile}',
                        f'--window-size={width},{height}', f'--screenshot={picture}', f'file://{page}'], capture_output=True, check=True,
                       timeout=200, env=os.environ | {'TMPDIR': profile})


# ---- A terminal.

PLAIN = {'bold': False, 'dim': False, 'reverse': False, 'ink': None, 'paper': None}


def runs(line, style):
    """Stretches of a line with escape sequences: text, and its style. What the line sets holds for the next line, too."""
    for part in re.split(r'(\x1b\[[\d;]*m)', line):
        codes = re.fullmatch(r'\x1b\[([\d;]*)m', part)
        if not codes:
            if part:
                yield part, dict(style)
            continue
        for code in (int(word or 0) for word in codes[1].split(';')):
            if code == 0:
                style.update(PLAIN)
            elif code in (1, 2, 7):
                style[{1: 'bold', 2: 'dim', 7: 'reverse'}[code]] = True
            elif code in (22, 27):
                style.update({'bold': False, 'dim': False} if code == 22 else {'reverse': False})
            elif code in (39, 49):
                style['ink' if code == 39 else 'paper'] = None
            elif code // 10 in (3, 9) and code % 10 < 8:
                style['ink'] = COLOURS[code % 10]
            elif code // 10 == 4 and code % 10 < 8:
                style['paper'] = COLOURS[code % 10]


def drawn(lines):
    """A screen as SVG."""
    width, height = round(COLUMNS * WIDE + 2 * PAD), len(lines) * HIGH + 2 * PAD
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family=\'{FONT}\' font-size="{LETTER}">',
           f'<rect width="{width}" height="{height}" fill="{PAPER}"/>']
    now = dict(PLAIN)
    for y, line in enumerate(lines):
        x = 0
        for text, style in runs(line, now):
            ink, paper = style['ink'] or INK, style['paper']
            if style['reverse']:
                ink, paper = paper or PAPER, ink
            left, top, wide = PAD + x * WIDE, PAD + y * HIGH, len(text) * WIDE
            if paper:
                out.append(f'<rect x="{left:.2f}" y="{top}" width="{wide:.2f}" height="{HIGH}" fill="{paper}"/>')
            more = (' font-weight="bold"' if style['bold'] else '') + (' opacity="0.6"' if style['dim'] else '')
            if text.strip():
                out.append(f'<text x="{left:.2f}" y="{top + 13.5}" fill="{ink}" textLength="{wide:.2f}" xml:space="preserve"{more}>'
                           f'{html.escape(text)}</text>')
            x += len(text)
    return ''.join([*out, '</svg>']), width, height


@contextlib.contextmanager
def terminal(folder, *argv):
    """What a command shows in tmux, as a function."""
    tmux = ('tmux', '-f', '/dev/null', '-S', f'{folder}/tmux')
    subprocess.run([*tmux, 'new-session', '-d', '-x', str(COLUMNS), '-y', str(LINES), *argv], check=True)
    try:
        yield lambda: subprocess.run([*tmux, 'capture-pane', '-e', '-N', '-p'], check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run([*tmux, 'kill-server'], check=False)


def picture_of_top(pid, folder, picture):
    with terminal(folder, str(LOOK / 'top'), str(pid), '--interval', '0.5') as shown:
        until = time.monotonic() + 150
        while not re.search(r'a second: .*\d', shown()):      # its second look
            assert time.monotonic() < until, shown()
            time.sleep(0.1)
        svg, width, height = drawn(shown().rstrip('\n').split('\n'))
    page = Path(folder) / 'top.svg'
    page.write_text(svg)
    browse(page, width, height, picture)


# ---- What is drawn already.

def picture_of_svg(page, picture):
    width, height = map(int, re.search(r'width="(\d+)" height="(\d+)"', page.read_text()).groups())
    browse(page, width, height, picture)


def pictures(pid, folder, into, suffix):
    picture_of_top(pid, folder, into / f'top{suffix}.png')
    for tool, name in (('map', 'map'), ('prof', 'flame')):
        page = Path(folder) / f'{name}.svg'
        subprocess.run([LOOK / tool, str(pid), '-o', page], check=True)
        picture_of_svg(page, into / f'{name}{suffix}.png')


def main(library, server, into=ROOT / 'docs/observing'):
    for argv, rate, suffix in (([server, '2048'], '512K', ''), (['/usr/bin/perl', '-e', SMALL], '4K', '-small')):
        with tempfile.TemporaryDirectory() as folder:
            env = {'PATH': os.environ['PATH'], 'LD_PRELOAD': os.path.abspath(library),
                   'LOAM_OPTIONS': f'prof={rate},prof_file={folder}/left'}
            with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as made:
                assert made.stdout.readline() == 'ready\n'
                pictures(made.pid, folder, Path(into).resolve(), suffix)
                made.stdin.close()


main(*sys.argv[1:])
