# SPDX-License-Identifier: GPL-3.0-or-later
"""Text with SGR colour sequences, as `tmux capture-pane -e` gives it, as an SVG picture."""
import re
import unicodedata
from xml.sax.saxutils import escape

CELL_W, CELL_H, MARGIN = 8.4, 17, 14
BACK, FORE = '#14171c', '#c9d1d9'
COLOURS = ['#484f58', '#ff7b72', '#7ee787', '#e3b341', '#79c0ff', '#d2a8ff', '#76e3ea', '#c9d1d9',
           '#6e7681', '#ffa198', '#7ee787', '#f2cc60', '#79c0ff', '#d2a8ff', '#76e3ea', '#ffffff']


def cube(n):
    if n < 16:
        return COLOURS[n]
    if n >= 232:
        v = 8 + (n - 232) * 10
        return f'#{v:02x}{v:02x}{v:02x}'
    levels = (0, 95, 135, 175, 215, 255)
    n -= 16
    return '#%02x%02x%02x' % (levels[n // 36], levels[n // 6 % 6], levels[n % 6])


class Style:
    def __init__(self):
        self.reset()

    def reset(self):
        self.fore, self.bold, self.dim, self.under, self.reverse = FORE, False, False, False, False

    def apply(self, params):
        p = [int(x or 0) for x in params.split(';')]
        while p:
            n = p.pop(0)
            if n == 0:
                self.reset()
            elif n == 1:
                self.bold = True
            elif n == 2:
                self.dim = True
            elif n == 4:
                self.under = True
            elif n == 7:
                self.reverse = True
            elif n == 22:
                self.bold = self.dim = False
            elif n == 24:
                self.under = False
            elif n == 27:
                self.reverse = False
            elif n == 38 and p[:1] == [5]:
                self.fore = cube(p[1])
                p = p[2:]
            elif n == 39:
                self.fore = FORE
            elif 30 <= n <= 37:
                self.fore = COLOURS[n - 30]
            elif 90 <= n <= 97:
                self.fore = COLOURS[n - 90 + 8]

    def key(self):
        return self.fore, self.bold, self.dim, self.under, self.reverse


def runs(line, style):
    """(column, text, style) of stretches that look the same."""
    col, text, start, found = 0, '', 0, []
    for part in re.split(r'(\x1b\[[0-9;]*m|\x1b[()][A-Z0-9]|\x0e|\x0f)', line):
        if part.startswith('\x1b['):
            if text:
                found.append((start, text, style.key()))
            style.apply(part[2:-1])
            start, text = col, ''
        elif not part.startswith(('\x1b', '\x0e', '\x0f')):
            text += part
            col += sum(2 if unicodedata.east_asian_width(c) in 'WF' else 1 for c in part)
    if text:
        found.append((start, text, style.key()))
    return found


def draw(text, cols, rows):
    width, height = cols * CELL_W + 2 * MARGIN, rows * CELL_H + 2 * MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
           f'viewBox="0 0 {width:.0f} {height:.0f}">',
           f'<rect width="100%" height="100%" rx="8" fill="{BACK}"/>',
           '<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">']
    style = Style()
    for row, line in enumerate(text.split('\n')[:rows]):
        y = MARGIN + row * CELL_H
        for col, part, (fore, bold, dim, under, reverse) in runs(line, style):
            x, w = MARGIN + col * CELL_W, len(part) * CELL_W
            if reverse:
                out.append(f'<rect x="{x:.1f}" y="{y}" width="{w:.1f}" height="{CELL_H}" fill="{fore}"/>')
                fore = BACK
            if not part.strip():
                continue
            lead = len(part) - len(part.lstrip(' '))
            shown = part.strip(' ')
            out.append(f'<text x="{x + lead * CELL_W:.1f}" y="{y + 13}" textLength="{len(shown) * CELL_W:.1f}" '
                       f'lengthAdjust="spacingAndGlyphs" fill="{fore}"'
                       + (' font-weight="bold"' if bold else '') + (' opacity="0.6"' if dim else '')
                       + (' text-decoration="underline"' if under else '') + f'>{escape(shown)}</text>')
    return '\n'.join(out + ['</g>', '</svg>', ''])
