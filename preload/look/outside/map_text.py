"""A map as plain text, for where no picture can be shown."""
from . import drawing, text
from .text import Column

ACROSS, ROWS_MOST = 96, 16
ORDERS = [Column('nbytes', 'PAGES OF', text.size), Column('slabs', 'SLABS', text.count),
          Column('heaps', 'HEAPS', text.count), Column('dirty', 'FREE IN RAM', text.count),
          Column('clean', 'FREE, NOT IN RAM', text.count)]
CHUNKS = [Column('size', 'FREE CHUNKS OF', text.size), Column('count', 'COUNT', text.count),
          Column('nbytes', 'BYTES', text.size)]
KEY = 's c  slabs, chunks less than half in use    R  runs, O other objects   _  free, in RAM   .  not in RAM\n' \
      'S C  slabs, chunks of which more is so      X  others in the data segment     ?  changed too fast'


def letter(cells):
    """Of some cells side by side."""
    most = max(cells, key=lambda cell: (cell[4], cell[3]))
    resident, used = sum(cell[4] for cell in cells), sum(cell[5] for cell in cells)
    if not resident:
        return '.'
    kind = {'r': 'R', 'o': 'O', 'x': 'X', 'f': '_', 'u': '?'}.get(most[1], most[1])
    return kind.upper() if kind in 'sc' and used * 2 >= resident else kind


def lines_of_map(data):
    cells = list(drawing.cells_of(data))
    each, lines = 1, []
    while len(cells) > each * ACROSS * ROWS_MOST:
        each *= 2
    first = 0
    while first < len(cells):
        last = first
        while last < len(cells) and last - first < each * ACROSS and cells[last][0] == cells[first][0] + last - first:
            last += 1
        letters = ''.join(letter(cells[i:min(i + each, last)]) for i in range(first, last, each))
        lines.append(f'{cells[first][0] * data["cell"]:>14x}  {letters}')
        first = last
    return [f'by address, {drawing.power(data["cell"] * each)} a letter', *lines, KEY]


def whole(data):
    classes = sorted(data['classes'], key=lambda row: -row['resident'])
    orders = [row for row in data['orders'] if any(row[name] for name in ('slabs', 'heaps', 'dirty', 'clean'))]
    blocks = [[drawing.source(data), data['words']], text.summary(data), lines_of_map(data),
              text.table(text.CLASSES, classes), text.table(ORDERS, orders)]
    if data['chunks']['free']:
        blocks.append(text.table(CHUNKS, data['chunks']['free']))
    return '\n\n'.join('\n'.join(block) for block in blocks)
