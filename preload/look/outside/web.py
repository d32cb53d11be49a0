"""A picture as a page for browsers: one file that asks no network for anything.

The page is the SVG, a table, and what the script needs to say what lies under the pointer.
"""
import html
import json
from pathlib import Path

from . import drawing, text

PAGE = 4096     # the unit of bytes in the script's data
COLUMNS = ('size', 'mapped', 'resident', 'used')


def beside(name):
    return Path(__file__).with_name(name).read_text(encoding='utf-8')


def columns(cells):
    """Of each cell: kind, size, mapped, resident, used; None: nothing is there."""
    rows = [cell or ('.', 0, 0, 0, 0) for cell in cells]
    return {'kinds': ''.join(row[0] for row in rows), 'size': [row[1] for row in rows],
            'mapped': [row[2] // PAGE for row in rows], 'resident': [row[3] // PAGE for row in rows],
            'used': [row[4] for row in rows]}


def page(svg, form, title, cell, titles, maps, classes):
    """maps: by the number of a cell, what it is, of one heap or of two; classes: of a table."""
    numbers = sorted(set().union(*maps))
    base = numbers[0] if numbers else 0
    data = {'cell': cell, 'page': PAGE, 'names': drawing.NAMES, 'titles': titles, 'base': base,
            'steps': [b - a for a, b in zip([base, *numbers], numbers)],
            'sets': [columns(map(one.get, numbers)) for one in maps],
            'left': drawing.LEFT, 'across': form.across, 'width': form.width, 'height': form.height,
            'rows': [[y, row] for row, y in form.y_of.items()]}
    known = json.dumps(data, separators=(',', ':')).replace('</', '<\\/')
    return f'''<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{html.escape(title)}</title>
<style>{beside("map.css")}</style>
<main>
{svg}{table(classes)}
</main>
<div id="tip"></div>
<script type="application/json" id="data">{known}</script>
<script>{beside("map.js")}</script>
</html>
'''


def table(classes):
    columns = text.CLASSES
    head = ''.join(f'<th>{html.escape(column.title)}</th>' for column in columns)
    rows = ''.join(f'<tr data-size="{row["size"]}">'
                   + ''.join(f'<td>{html.escape(column.cell(row))}</td>' for column in columns) + '</tr>\n'
                   for row in sorted(classes, key=lambda row: -row['resident']))
    return (f'<section><h2>Size classes</h2><p>Point at one to see where its slabs lie.</p>'
            f'<table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></section>')
