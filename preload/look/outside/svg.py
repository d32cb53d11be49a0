"""What pictures are made of: shapes and words of SVG, and the colours of what a heap holds.

The colours are those that Okabe and Ito chose, which people who see few colours tell apart.
"""
from xml.sax.saxutils import escape

INK, SOFT, FAINT, PAPER = '#1f2933', '#5b6673', '#e6e9ed', '#ffffff'
FONT = "'Inter','Segoe UI','DejaVu Sans',system-ui,sans-serif"
COLOURS = {'s': '#0072b2', 'c': '#e08e00', 'r': '#009e73', 'h': '#c0699b', 'o': '#7a5c3e', 'f': '#98a3b0',
           'x': '#cdbfae', 'u': '#f0e442', 'm': '#3d4854'}
SHADES = (0.14, 0.34, 0.55, 0.77, 1.0)      # of a colour, by how much is in use: none, a quarter ... all


def mixed(colour, share):
    """That share of a colour, the rest white."""
    parts = (int(colour[i:i + 2], 16) for i in (1, 3, 5))
    return '#' + ''.join(f'{round(255 - (255 - part) * share):02x}' for part in parts)


def shade(used, resident):
    """Which of SHADES."""
    return 0 if used <= 0 or not resident else min(-(-used * 4 // resident), 4)


class Svg:
    """A picture that grows downwards."""

    def __init__(self, width):
        self.width, self.parts = width, []

    def rect(self, x, y, width, height, colour, more=''):
        if width > 0:
            self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
                              f' fill="{colour}"{more}/>')

    def text(self, x, y, words, size=13, colour=INK, anchor='start', bold=False):
        weight = ' font-weight="600"' if bold else ''
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"'
                          f' text-anchor="{anchor}"{weight}>{escape(words)}</text>')

    def path(self, colour, shapes):
        self.parts.append(f'<path fill="{colour}" d="{"".join(shapes)}"/>')

    def line(self, x, y, to_x, to_y, colour=FAINT):
        self.parts.append(f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke="{colour}" fill="none"/>')

    def whole(self, height, title):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {height:.0f}"'
                f' width="{self.width}" height="{height:.0f}" font-family="{FONT}" role="img">'
                f'<title>{escape(title)}</title>'
                f'<rect width="100%" height="100%" fill="{PAPER}"/>{"".join(self.parts)}</svg>\n')


def wrapped(words, most):
    """Lines of at most that many characters."""
    lines = ['']
    for word in words.split():
        if lines[-1] and len(lines[-1]) + len(word) + 1 > most:
            lines.append('')
        lines[-1] += (' ' if lines[-1] else '') + word
    return lines
