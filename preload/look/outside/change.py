"""What changed from one map of a heap to another: in words, as tables, and as a picture."""
import itertools

from . import drawing, text
from .svg import Svg
from .text import Column

GREW, GONE, FREED, SAME = '#d55e00', '#56b4e9', '#7b4fa3', '#a9b4bf'
PART = 8            # what changes by less than this part of a cell is as before
CLASSES_MOST = 16


def signed(nbytes):
    return '0' if not nbytes else ('+' if nbytes > 0 else '-') + text.size(abs(nbytes))


def signed_count(n):
    return f'{n:+,}' if n else '0'


SUMS = [Column('name', '', str, left=True), Column('then', 'THEN', text.size), Column('now', 'NOW', text.size),
        Column('change', 'CHANGE', signed)]
CLASSES = [Column('size', 'SIZE', text.count), Column('then', 'RES THEN', text.size), Column('now', 'NOW', text.size),
           Column('change', 'CHANGE', signed), Column('in_use', 'IN USE NOW', text.count),
           Column('objects', 'CHANGE', signed_count), Column('percent_then', '%USE THEN', text.share),
           Column('percent', 'NOW', text.share)]
SHARES = [Column('name', 'OF EACH 100 BYTES IN RAM, IN USE', str, left=True), Column('then', 'THEN', text.share),
          Column('now', 'NOW', text.share)]


class Change:
    """From the map `then` to the map `now`."""

    def __init__(self, then, now):
        self.then, self.now = then, now
        self.is_same = (then['pid'], then['name']) == (now['pid'], now['name'])
        self.cell = max(then['cell'], now['cell'])
        self.maps = [coarse(data, self.cell) for data in (then, now)]

    def words(self):
        then, now = self.then['heap'], self.now['heap']
        said = (f"held went from {text.size(then['held'])} to {text.size(now['held'])} ({signed(now['held'] - then['held'])}),"
                f" live from {text.size(then['live'])} to {text.size(now['live'])} ({signed(now['live'] - then['live'])})")
        before, after = self.shares()[0]['then'], self.shares()[0]['now']
        more = (now['held'] - now['live_in_ram']) - (then['held'] - then['live_in_ram'])
        little = max(then['held'], now['held']) / 100
        trend = 'fragmentation grew' if more > little else 'fragmentation shrank' if more < -little \
            else 'fragmentation is as before'
        return f'{said}; {trend}: {before:.0f} % of what is held was live, {after:.0f} % is now.'

    def source(self):
        name = f"{self.now['name']} ({self.now['pid']}), loam {self.now['loam']}"
        if not self.is_same:
            name = f"{self.then['name']} ({self.then['pid']}) and {name}: two processes"
        return f'{name}; {drawing.when(self.then)} and {drawing.when(self.now)}'

    def sums(self):
        then, now = (self.sums_of(data) for data in (self.then, self.now))
        return [{'name': name, 'then': then[name], 'now': now[name], 'change': now[name] - then[name]}
                for name in then if then[name] or now[name]]

    @staticmethod
    def sums_of(data):
        heap = data['heap']
        found = {'held': heap['held'], 'live': heap['live'], 'cached': heap['cached']}
        found |= {f'free in {name}': nbytes for name, nbytes in heap['free_by_floor'].items()}
        return found | {'metadata': heap['metadata'], 'foreign': sum(heap['foreign'].values())}

    def shares(self):
        """Per cent, in all and by what fragments."""
        def of(data):
            heap = data['heap']
            live = heap.get('in_ram_by_floor', heap['live_by_floor'])   # a map of an older loam has the latter alone
            free = heap['free_by_floor']
            return {'all': percent(heap['live_in_ram'], heap['held']),
                    'slabs': percent(live['slabs'], live['slabs'] + free['slabs']),
                    'chunks': percent(live['chunks'], live['chunks'] + free['chunks'])}
        then, now = of(self.then), of(self.now)
        return [{'name': name, 'then': then[name], 'now': now[name]} for name in then]

    def classes(self):
        """Those of which most changed."""
        then, now = ({one['size']: one for one in data['classes']} for data in (self.then, self.now))
        none = {'resident': 0, 'in_use': 0, 'percent': 0.0}
        rows = []
        for size in sorted({*then, *now}):
            a, b = then.get(size, none), now.get(size, none)
            rows.append({'size': size, 'then': a['resident'], 'now': b['resident'], 'in_use': b['in_use'],
                         'change': b['resident'] - a['resident'], 'objects': b['in_use'] - a['in_use'],
                         'percent_then': a['percent'], 'percent': b['percent']})
        rows = [row for row in rows if row['change'] or row['objects']]
        return sorted(rows, key=lambda row: (-abs(row['change']), -abs(row['objects'])))[:CLASSES_MOST]

    def text(self):
        blocks = [[self.source(), self.words()], text.table(SUMS, self.sums()), text.table(SHARES, self.shares())]
        if self.classes():
            blocks.append(text.table(CLASSES, self.classes()))
        return '\n\n'.join('\n'.join(block) for block in blocks)

    # ---- The picture.

    def cells(self):
        """Number, colour and how much of it has that colour."""
        then, now = self.maps
        for number in sorted({*then, *now}):
            a, b = then.get(number), now.get(number)
            resident_then, used_then = (a[3], a[4]) if a else (0, 0)
            resident, used = (b[3], b[4]) if b else (0, 0)
            least = self.cell // PART
            if used > used_then + least or resident > resident_then + least:
                yield number, GREW, resident / self.cell
            elif resident < resident_then - least:
                yield number, GONE, max(resident_then, resident) / self.cell
            elif used < used_then - least:
                yield number, FREED, resident / self.cell
            else:
                yield number, SAME, resident / self.cell

    def rows(self):
        return [(text.count(row['size']), [(GREW if row['change'] > 0 else GONE, abs(row['change']))],
                 f"{signed(row['change'])}, {signed_count(row['objects'])} objects") for row in self.classes()]

    def draw(self):
        svg = Svg(drawing.WIDTH)
        y = drawing.draw_head(svg, self.words(), self.source())
        for data, name in ((self.then, 'then'), (self.now, 'now')):
            svg.text(drawing.MARGIN, y + 15, name, 12)
            most = max(self.then['heap']['held'], self.now['heap']['held']) or 1
            y = drawing.draw_bar(svg, y, drawing.segments(data), drawing.MAP * data['heap']['held'] / most,
                                 drawing.LEFT) + 8
        y = drawing.draw_legend(svg, y + 8, drawing.legend(self.now)) + 14
        y = drawing.draw_legend(svg, y, [(GREW, 'grew', 'more in use, or more in RAM'),
                                         (FREED, 'freed, still in RAM', 'less in use'),
                                         (GONE, 'gone back', 'less in RAM'),
                                         (SAME, 'as before', 'but for an eighth of a cell')])
        cells = list(self.cells())
        places = sorted({(area['start'] // self.cell, area['place']) for data in (self.now, self.then)
                         for area in data['areas']})
        y, form = drawing.draw_map(svg, y + 26, self.cell, places, cells)
        svg.line(drawing.MARGIN, y + 26, drawing.WIDTH - drawing.MARGIN, y + 26)
        half = (drawing.WIDTH - 2 * drawing.MARGIN - 48) / 2
        left = drawing.draw_panel(svg, drawing.MARGIN, y + 56, half, 'Size classes that changed', self.rows(),
                                  'what they have in RAM, and objects in use')
        right = drawing.draw_panel(svg, drawing.MARGIN + half + 48, y + 56, half, 'In use, of what is in RAM',
                                   list(self.share_rows()), 'then and now, in per cent', most=100)
        return svg.whole(max(left, right) + 8, self.words()), form

    def share_rows(self):
        for row in self.shares():
            for name in ('then', 'now'):
                yield (row['name'] if name == 'then' else '',
                       [(SAME if name == 'then' else '#0072b2', row[name])], f'{row[name]:.1f} {name}')


def percent(part, whole):
    return 100 * part / whole if whole else 100.0


def coarse(data, cell):
    """By the number of a cell of that size: kind, size, mapped, resident, used."""
    times = cell // data['cell']
    found = {}
    for number, group in itertools.groupby(drawing.cells_of(data), key=lambda row: row[0] // times):
        rows = list(group)
        most = max(rows, key=lambda row: (row[4], row[3]))
        found[number] = (most[1], most[2], *(sum(row[i] for row in rows) for i in (3, 4, 5)))
    return found
