"""The picture of a heap: what it holds, its cells by address, and what lies in slabs, blocks and chunks.

It is drawn from what `loam map -o FILE.json` has.
"""
import collections
import time

from . import text
from .svg import COLOURS, FAINT, INK, SHADES, SOFT, Svg, mixed, shade, wrapped

WIDTH, LEFT, MAP = 1200, 136, 1024      # of the picture, of its margin, of the map
MARGIN = 40
LABEL = 100         # of the name of a part of the map, about
ABSENT = '#e2e6eb'
FORMS = ((64, 16, 16, 64), (128, 8, 8, 160), (256, 4, 8, 1 << 30))   # cells a row, their size, rows at most
CLASSES_MOST, HUGE_MOST = 16, 10
NAMES = {'s': 'slabs', 'c': 'chunks', 'r': 'runs', 'h': 'huge objects', 'o': 'other objects',
         'f': 'free blocks', 'x': "others' part of the data segment", 'u': 'changed too fast to be read',
         'm': 'metadata'}


def cells_of(data):
    """Number, kind, size of objects, mapped, resident and used of each cell."""
    for area in data['areas']:
        first = area['start'] // data['cell']
        yield from zip(range(first, first + len(area['kinds'])), area['kinds'], area['size'], area['mapped'],
                       area['resident'], area['used'])


class Form:
    """How cells become rows: those of the same row lie side by side."""

    def __init__(self, numbers):
        for self.across, self.width, self.height, most in FORMS:
            rows = sorted({number // self.across for number in numbers})
            if len(rows) <= most:
                break
        self.rows, self.y_of = rows, {}     # of each row; set by place()

    def place(self, y, labelled):
        """Gives rows their place from y on, with gaps where addresses are left out; where they end."""
        before = None
        for row in self.rows:
            if before is not None:
                y += 22 if row in labelled else 10 if row != before + 1 else 0
            self.y_of[row] = y
            y += self.height
            before = row
        return y

    def starts(self):
        """The rows that begin an area."""
        known = set(self.rows)
        return [row for row in self.rows if row - 1 not in known]


def style(kind, used, resident):
    """The colour of what is in RAM of a cell."""
    if kind in 'sc':
        return mixed(COLOURS[kind], SHADES[shade(used, resident)])
    return COLOURS[kind]


def draw_cells(svg, form, cells):
    """cells: number, colour, share of it that has that colour."""
    shapes, gap = collections.defaultdict(list), 1 if form.width >= 8 else 0
    wide, high = form.width - gap, form.height - gap
    for number, colour, share in cells:
        x, y = LEFT + number % form.across * form.width, form.y_of[number // form.across]
        shapes[ABSENT].append((x, y, high))
        filled = 0 if not share else max(round(high * share), 1)
        if filled:
            shapes[colour].append((x, y + high - filled, filled))
    for colour, found in shapes.items():
        svg.path(colour, joined(found, wide, form.width, gap))


def joined(found, wide, step, gap):
    """Rectangles as a path; those side by side are one where nothing is between them."""
    made, last = [], None
    for x, y, high in found:
        if last and not gap and last[1:] == [x, y, high]:
            last[1] = x + step
            continue
        if last:
            made.append(f'M{last[0]} {last[2]}h{last[1] - last[0] - step + wide}v{last[3]}H{last[0]}z')
        last = [x, x + step, y, high]
    if last:
        made.append(f'M{last[0]} {last[2]}h{last[1] - last[0] - step + wide}v{last[3]}H{last[0]}z')
    return made


def draw_map(svg, y, cell, places, cells):
    """The map under its heading; cells as draw_cells() has them, places: number of a cell, what it is part of."""
    form = Form([number for number, _, _ in cells])
    svg.text(MARGIN, y, 'By address', 15, bold=True)
    svg.text(MARGIN + 108, y, f'each {"square" if form.width == form.height else "cell"} is {power(cell)}, each row '
             f'{power(cell * form.across)}', 12, SOFT)
    end = form.place(y + 32, {number // form.across for number, _ in label_cells(places)})
    draw_cells(svg, form, cells)
    starts = set(form.starts())
    every = max(64 // form.height, 1)
    since = 0
    for row in form.rows:
        since = 0 if row in starts else since + 1
        if since % every == 0:
            svg.text(LEFT - 10, form.y_of[row] + min(form.height, 10), f'{row * form.across * cell:x}', 10, SOFT, 'end')
    label_places(svg, form, places)
    return end, form


def label_cells(places):
    """The first cell of each place, and its name."""
    before = None
    for number, place in places:
        if place != before:
            yield number, place
        before = place


def label_places(svg, form, places):
    """Above their first cells; near the right edge of the map, up to there."""
    for number, place in label_cells(places):
        x = number % form.across * form.width
        at, anchor = (LEFT + MAP, 'end') if x > MAP - LABEL else (LEFT + x, 'start')
        svg.text(at, form.y_of[number // form.across] - 5, place, 10.5, SOFT, anchor)


# ---- What stands above the map.

def when(data):
    return time.strftime('%d %B %Y, %H:%M:%S', time.localtime(data['time'])).lstrip('0')


def draw_head(svg, words, below):
    y = 52
    for line in wrapped(words, 96):
        svg.text(MARGIN, y, line, 20, bold=True)
        y += 28
    svg.text(MARGIN, y, below, 13, SOFT)
    return y + 28


def segments(data):
    """What is held in RAM, in the order of the bar: colour, bytes."""
    heap, made = data['heap'], []
    live, free = heap['live_by_floor'], heap['free_by_floor']
    used = {'s': live['slabs'], 'c': live['chunks'], 'r': live['runs'], 'h': live['huge'], 'o': live['other']}
    missing = heap['untouched']
    for kind in 'hrsco':    # what was never touched is most likely of large objects
        taken = min(missing, used[kind])
        used[kind], missing = used[kind] - taken, missing - taken
    for kind in 'scrho':
        made.append((COLOURS[kind], used[kind]))
    made.append((mixed(COLOURS['s'], SHADES[2]), heap['cached']))
    made.append((mixed(COLOURS['s'], SHADES[1]), free['slabs']))
    made.append((mixed(COLOURS['c'], SHADES[1]), free['chunks']))
    made.append((COLOURS['f'], free['runs'] + free['blocks'] + free['huge']))
    made.append((COLOURS['m'], heap['metadata']))
    return made


def power(nbytes):
    """A power of two, in words."""
    shift = min(nbytes.bit_length() - 1, 59) // 10
    return f'{nbytes >> 10 * shift:,} {("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")[shift]}'


def draw_bar(svg, y, parts, width, x=MARGIN):
    total = sum(nbytes for _, nbytes in parts) or 1
    for colour, nbytes in parts:
        wide = width * nbytes / total
        svg.rect(x, y, max(wide - 1, 0.5) if nbytes else 0, 22, colour)
        x += wide
    return y + 22


def legend(data):
    """Kind, name, and what there is of it, in words."""
    heap = data['heap']
    live, free = heap['live_by_floor'], heap['free_by_floor']
    kept = free['runs'] + free['blocks'] + free['huge']
    rows = [('s', 'slabs', f"{text.size(live['slabs'])} live, {text.size(free['slabs'])} free"
             f", {text.size(heap['cached'])} cached"),
            ('c', 'chunks', f"{text.size(live['chunks'])} live, {text.size(free['chunks'])} free"),
            ('r', 'runs of pages', f"{text.size(live['runs'])} live"),
            ('h', 'huge objects', f"{text.size(live['huge'])} live"),
            ('f', 'free, kept for reuse', f'{text.size(kept)}'),
            ('-', 'mapped, not in RAM', ''),
            ('m', 'metadata', text.size(heap['metadata']))]
    kinds = set(''.join(area['kinds'] for area in data['areas']))
    if 'o' in kinds:
        rows.append(('o', 'other objects', f"{text.size(live['other'])} live"))
    if 'x' in kinds:
        rows.append(('x', "others' in the data segment", ''))
    if 'u' in kinds:
        rows.append(('u', 'changed too fast to be read', text.size(data['unread'])))
    return rows


def draw_legend(svg, y, rows, columns=4):
    wide = (WIDTH - 2 * MARGIN) / columns
    for i, (kind, name, what) in enumerate(rows):
        x, top = MARGIN + i % columns * wide, y + i // columns * 40
        if kind in 'sc':
            for k, share in enumerate(SHADES):
                svg.rect(x + k * 9, top, 9, 14, mixed(COLOURS[kind], share))
        else:
            svg.rect(x, top, 45, 14, ABSENT if kind == '-' else COLOURS.get(kind, kind))
        svg.text(x + 54, top + 11, name, 12.5)
        svg.text(x + 54, top + 26, what, 11, SOFT)
    return y + -(-len(rows) // columns) * 40


# ---- What stands below it.

def draw_panel(svg, x, y, width, title, rows, note='', most=0):
    """rows: a label, the parts of a bar as colour and bytes, and what stands behind it; most: what the
    longest bar may be."""
    svg.text(x, y, title, 15, bold=True)
    svg.text(x, y + 18, note, 11, SOFT)
    y += 30
    most = most or max((sum(nbytes for _, nbytes in parts) for _, parts, _ in rows), default=0) or 1
    for label, parts, words in rows:
        at = x + 62
        svg.text(x + 52, y + 11, label, 11.5, INK, 'end')
        svg.rect(at, y + 1, width - 240, 13, '#f6f7f9')
        for colour, nbytes in parts:
            wide = (width - 240) * nbytes / most
            svg.rect(at, y + 1, wide, 13, colour)
            at += wide
        svg.text(x + width - 166, y + 11.5, words, 11, SOFT)
        y += 19
    if not rows:
        svg.text(x, y + 12, 'none', 11.5, SOFT)
        y += 19
    return y + 24


def class_rows(data):
    """The size classes that have most of RAM, by size, each as long as what it has, by how full its slabs are."""
    most = sorted(data['classes'], key=lambda one: -one['resident'])[:CLASSES_MOST]
    rows = []
    for one in sorted(most, key=lambda one: one['size']):
        shades = [0] * 5
        for i, n in enumerate(one['fills']):
            shades[min(-(-i * 10 // 25), 4)] += n
        parts = [(mixed(COLOURS['s'], SHADES[i]), one['resident'] * shades[i] / max(one['slabs'], 1))
                 for i in range(4, -1, -1)]
        rows.append((text.count(one['size']), parts,
                     f"{text.size(one['resident'])} in {text.count(one['slabs'])}, {one['percent']:.0f}% live"))
    return rows


def order_rows(data):
    rows = []
    for one in data['orders']:
        count = one['dirty'] + one['clean']
        rows.append((text.size(one['nbytes']), [(COLOURS['f'], one['dirty'] * one['nbytes']),
                                                ('#d7dce2', one['clean'] * one['nbytes'])],
                     f'{text.count(count)}, {text.size(count * one["nbytes"])} in all' if count else 'none'))
    return rows


def chunk_rows(data):
    return [(text.size(one['size']), [(mixed(COLOURS['c'], SHADES[2]), one['nbytes'])],
             f"{text.count(one['count'])}, {text.size(one['nbytes'])} in all") for one in data['chunks']['free']]


def huge_rows(data):
    largest = sorted(data['huge_objects'], key=lambda row: -row[1])[:HUGE_MOST]
    return [(text.size(nbytes), [(COLOURS['h'], resident), (ABSENT, nbytes - resident)],
             f'{text.size(resident)} in RAM') for _, nbytes, resident in largest]


def draw_panels(svg, y, data):
    half = (WIDTH - 2 * MARGIN - 48) / 2
    right = MARGIN + half + 48
    left_end = draw_panel(svg, MARGIN, y, half, 'Slabs by size class', class_rows(data),
                          'as long as what they have in RAM; dark: slabs that are full, pale: nearly empty ones')
    if data['huge_objects']:
        left_end = draw_panel(svg, MARGIN, left_end + 8, half, 'Huge objects', huge_rows(data),
                              f"{len(data['huge_objects'])}, the largest first")
    right_end = draw_panel(svg, right, y, half, 'Free blocks of pages by size', order_rows(data),
                           'dark: they hold memory; pale: they hold none')
    right_end = draw_panel(svg, right, right_end + 8, half, 'Free chunks by size', chunk_rows(data),
                           f"between {text.count(data['chunks']['in_use'])} chunks in use; so large and up to twice")
    return max(left_end, right_end)


def source(data):
    return (f"{data['name']} ({data['pid']}) of {data['user']}, loam {data['loam']}, {when(data)}:"
            f" {text.size(data['kernel']['rss'])} in RAM, of which the heap holds {text.size(data['heap']['held'])}")


def draw(data):
    """The picture as SVG, and the form of its map."""
    svg = Svg(WIDTH)
    y = draw_head(svg, data['words'], source(data))
    y = draw_bar(svg, y, segments(data), WIDTH - 2 * MARGIN) + 18
    y = draw_legend(svg, y, legend(data))
    svg.text(MARGIN, y + 6, 'The paler a cell, the less of it is in use; the lower it is filled, the less of it is in RAM.',
             12, SOFT)
    cells = [(number, style(kind, used, resident), resident / data['cell'])
             for number, kind, _, _, resident, used in cells_of(data)]
    places = [(area['start'] // data['cell'], area['place']) for area in data['areas']]
    y, form = draw_map(svg, y + 42, data['cell'], places, cells)
    svg.line(MARGIN, y + 26, WIDTH - MARGIN, y + 26)
    y = draw_panels(svg, y + 56, data)
    return svg.whole(y + 8, data['words']), form
