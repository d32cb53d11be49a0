"""Heap profiles as folded stacks, and as a flame graph: one SVG file that needs nothing beside it."""
import collections
import html
import zlib

from .profile import CUT, FRAMES_MOST
from .text import size

WIDTH, ROW, MARGIN, HEAD = 1200, 18, 12, 64
LEAST = 0.4         # pixels; what is narrower is left out
LETTER = 6.6        # pixels, about, of the font
FONT = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'

# Colours by what the code is: the program's own, libraries', and what has no name.
OWN, LIBRARY, NAMELESS = (28, 62, 68), (205, 38, 72), (220, 8, 82)     # hue, saturation, lightness


def stacks(profile, symbols, shown):
    """Pairs of names, the outermost first, and bytes."""
    symbols.look_up(address for site in profile.sites for address in symbols.code(site.frames))
    for site in profile.sites:
        nbytes = getattr(site, shown).asked
        names = [line.function for address in symbols.code(site.frames) for line in symbols.lines(address)]
        if nbytes:
            if len(site.frames) >= FRAMES_MOST:
                names.append(CUT)
            yield tuple(reversed(names)) or ('(no stack)',), nbytes


def folded(profile, symbols, shown):
    """A line a stack, as flamegraph.pl and speedscope read them."""
    sums = collections.Counter()
    for names, nbytes in stacks(profile, symbols, shown):
        sums[';'.join(name.replace(';', ':').replace('\n', ' ') for name in names)] += nbytes
    return ''.join(f'{names} {nbytes}\n' for names, nbytes in sorted(sums.items()))


class Node:
    def __init__(self):
        self.nbytes, self.inner = 0, {}

    def add(self, names, nbytes):
        node = self
        node.nbytes += nbytes
        for name in names:
            node = node.inner.setdefault(name, Node())
            node.nbytes += nbytes

    def depth(self, scale):
        """Rows above this one that can be seen."""
        rows, nodes = 0, [self]
        while nodes:
            nodes = [one for node in nodes for one in node.inner.values() if one.nbytes * scale >= LEAST]
            rows += bool(nodes)
        return rows


def colour(name, libraries):
    hue, saturation, lightness = NAMELESS if '+0x' in name or name.startswith(('0x', '[', '(')) \
        else LIBRARY if name in libraries else OWN
    spread = zlib.crc32(name.encode()) % 1000 / 1000 - 0.5
    return f'hsl({hue + 16 * spread:.0f},{saturation}%,{lightness + 10 * spread:.0f}%)'


def frame(name, node, x, y, width, total, libraries):
    text = html.escape(f'{name}: {size(node.nbytes)}, {100 * node.nbytes / total:.1f}%')
    letters = int((width - 6) / LETTER)
    shown = name if len(name) <= letters else name[:letters - 1] + '…' if letters > 3 else ''
    label = f'<text x="{x + 4:.1f}" y="{y + 13}">{html.escape(shown)}</text>' if shown else ''
    return f'<g><title>{text}</title><rect x="{x:.1f}" y="{y}" width="{max(width - 0.6, 0.3):.1f}" height="{ROW - 1}"' \
           f' rx="2" fill="{colour(name, libraries)}"/>{label}</g>'


def draw(root, bottom, libraries):
    scale = (WIDTH - 2 * MARGIN) / root.nbytes
    rows = [('all', root, MARGIN, bottom)]
    while rows:
        name, node, x, y = rows.pop()
        yield frame(name, node, x, y, node.nbytes * scale, root.nbytes, libraries)
        for inner, one in sorted(node.inner.items()):
            width = one.nbytes * scale
            if width >= LEAST:
                rows.append((inner, one, x, y - ROW))
            x += width


def library_names(profile, symbols):
    """Functions of shared objects."""
    found = set()
    for site in profile.sites:
        for address in symbols.code(site.frames):
            mapping = symbols.mapping(address)
            if mapping and '.so' in mapping.path:
                found.update(line.function for line in symbols.lines(address))
    return found


def svg(profile, symbols, shown, title):
    root = Node()
    for names, nbytes in stacks(profile, symbols, shown):
        root.add(names, nbytes)
    scale = (WIDTH - 2 * MARGIN) / root.nbytes if root.nbytes else 0
    height = HEAD + (root.depth(scale) + 1) * ROW + MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
           f' viewBox="0 0 {WIDTH} {height}" font-family=\'{FONT}\' font-size="11">',
           '<style>text{fill:#23272e;pointer-events:none}g:hover rect{stroke:#23272e;stroke-width:1}'
           '.title{font:600 16px sans-serif}.note{font:12px sans-serif;fill:#5b6470}</style>',
           f'<rect width="{WIDTH}" height="{height}" fill="#fbfaf8"/>',
           f'<text class="title" x="{MARGIN}" y="28">{html.escape(title)}</text>',
           f'<text class="note" x="{MARGIN}" y="48">{html.escape(note(profile, root.nbytes))}</text>']
    if root.nbytes:
        out += draw(root, height - MARGIN - ROW, library_names(profile, symbols))
    return '\n'.join([*out, '</svg>\n'])


def note(profile, nbytes):
    every = f', one sample in {size(profile.rate)}' if profile.rate else ''
    return f'{size(nbytes)} by {len(profile.sites):,} stacks; {profile.samples:,} samples{every}.' \
           ' A function lies on its caller; widths are bytes.'
