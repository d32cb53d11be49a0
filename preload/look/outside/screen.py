"""The live view: a terminal that shows one process again and again, or the list of all.

A view is a table with what stands above it; Enter leads from a row to another view, Escape back.
"""
import curses
import time

from . import account, page, text
from .failure import Failure, Gone

KEYS = '''\
q            quit
c a t        size classes, arenas, threads
up, down     move; also k and j, page up and page down
Enter        look into the row: a class, an arena, a thread, a process
Escape       back; also Backspace
< >          sort by the column on the left or right; also left and right
r            sort the other way round
space        stop, and go on
+ -          look more often, more seldom
h            these keys; any key leaves them'''

PARTS = (('live', curses.COLOR_GREEN), ('cached', curses.COLOR_CYAN), ('free', curses.COLOR_YELLOW),
         ('metadata', curses.COLOR_MAGENTA), ('foreign', curses.COLOR_BLUE))
BAD, MIDDLING = 25, 60      # per cent in use: below it is red, yellow
LITTLE = 1 << 20            # bytes free: below it a row has no colour
RED = len(PARTS) + 1        # pairs of colours, behind those of the parts
FOOT = ' q quit  h keys  c classes  a arenas  t threads  < > sort  Enter into  Esc back'
REST = 4                    # a look may take this share of the time at most


class View:
    """A table: its columns, where its rows come from, how it is sorted, and which row is chosen."""

    def __init__(self, name, columns, rows, sort, into=None):
        self.name, self.columns, self.rows, self.into = name, columns, rows, into
        self.sort = next(i for i, column in enumerate(columns) if column.key == sort)
        self.down, self.chosen, self.first = True, 0, 0

    def sorted(self, found):
        column = self.columns[self.sort]
        return sorted(self.rows(found), key=lambda row: row[column.key], reverse=self.down)

    def sort_by(self, step):
        self.sort = (self.sort + step) % len(self.columns)
        self.down = not self.columns[self.sort].left


def of_size(rows, size):
    return next((row for row in rows if row['size'] == size), None)


def class_rows(size):
    """How full the slabs of a class are."""
    def rows(found):
        one = of_size(found['classes'], size)
        names = ['none'] + [f'{i * 10 + 1:2} to {i * 10 + 10}%' for i in range(10)]
        return [{'order': i, 'fill': name, 'slabs': n}
                for i, (name, n) in enumerate(zip(names, one['fills'] if one else []))]
    return rows


def class_view(row):
    columns = [text.Column('order', '', lambda _: ''), *text.FILLS]
    view = View(f"slabs of {row['size']} bytes, by the share of their objects that is in use", columns,
                class_rows(row['size']), 'order')
    view.down = False
    return view


def arena_view(row):
    def rows(found):
        return next((one['classes'] for one in found['arenas'] if one['number'] == row['number']), [])
    return View(f"size classes of arena {row['number']}", text.CLASSES, rows, 'resident')


def thread_view(row):
    def rows(found):
        return next((one['classes'] for one in found['threads'] if one['cache'] == row['cache']), [])
    return View(f"cached by thread {row['thread']} ({row['name']})", text.HELD, rows, 'objects')


def classes_view():
    return View('size classes', text.CLASSES, lambda found: found['classes'], 'resident', class_view)


def arenas_view():
    return View('arenas', text.ARENAS, lambda found: found['arenas'], 'free_bytes', arena_view)


def threads_view():
    return View('threads', text.THREADS, lambda found: found['threads'], 'cached', thread_view)


def processes_view():
    return View('processes on loam', text.PROCESSES, lambda found: text.readable(found)[0], 'rss')


class Screen:
    def __init__(self, window, watched, all_accounts, interval):
        self.window, self.watched, self.all_accounts, self.interval = window, watched, all_accounts, interval
        self.has_list = watched is None
        self.views = [classes_view() if watched else processes_view()]
        self.found, self.took, self.shown = None, 0, []
        self.pressed = []       # keys that came while processes were looked at
        self.paused, self.helping, self.said = False, False, ''
        self.colours()
        curses.curs_set(0) if curses.tigetstr('civis') else None
        window.keypad(True)

    def colours(self):
        self.has_colours = curses.has_colors()
        if not self.has_colours:
            return
        curses.use_default_colors()
        for i, (_, colour) in enumerate(PARTS, 1):
            curses.init_pair(i, curses.COLOR_BLACK, colour)
        curses.init_pair(RED, curses.COLOR_RED, -1)
        curses.init_pair(RED + 1, curses.COLOR_YELLOW, -1)

    # ---- Looking.

    def look(self):
        began = time.monotonic()
        if self.watched:
            try:
                self.found = self.watched.look()
            except Gone as gone:
                self.look_again(gone)
            except Failure as failure:
                if not self.has_list:
                    raise
                self.leave_process(str(failure))
        else:
            self.found = self.all_accounts(page.Finder(), self.tell_progress)
        self.took = time.monotonic() - began

    def tell_progress(self, n, of):
        """Before the next of many processes is looked at."""
        self.put(0, 0, f'loam top: looking at {n + 1} of {of}; q quits'.ljust(60), curses.A_BOLD)
        self.window.refresh()
        self.window.timeout(0)
        key = self.window.getch()
        if key in (ord('q'), ord('Q')):
            raise SystemExit(0)
        if key != -1:
            self.pressed.append(key)

    def next_key(self, timeout):
        """-1 where none comes within so many milliseconds."""
        self.window.timeout(timeout)
        return self.pressed.pop(0) if self.pressed else self.window.getch()

    def look_again(self, gone):
        """After the process became another program, which may run on loam, too; or ended."""
        pid = self.watched.process.pid
        self.watched.close()
        try:
            self.watched = account.Watched(pid)
            self.found = self.watched.look()
        except Failure as failure:
            said = gone if self.watched.process.is_dead() else failure
            if not self.has_list:
                raise said from None
            self.leave_process(str(said))

    def leave_process(self, said=''):
        self.watched.close()
        self.watched, self.said = None, said
        self.views = [processes_view()]
        self.look()

    def enter_process(self, row):
        try:
            self.watched = account.Watched(row['pid'])
        except Failure as failure:
            self.said = str(failure)
            return
        self.views.append(classes_view())
        self.look()

    # ---- Drawing.

    def put(self, line, column, words, style=0):
        height, width = self.window.getmaxyx()
        if line < height and column < width:
            try:
                self.window.addnstr(line, column, words, width - column, style)
            except curses.error:
                pass    # the last cell of the last line

    def draw(self):
        self.window.erase()
        if self.helping:
            for i, line in enumerate(KEYS.splitlines()):
                self.put(i + 1, 2, line)
        else:
            line = self.draw_process() if self.watched else self.draw_list()
            self.draw_table(line)
        self.window.refresh()

    def draw_list(self):
        rows, unreadable = text.readable(self.found)
        self.put(0, 0, f'loam top: {len(rows)} processes on loam', curses.A_BOLD)
        self.put(1, 0, self.said or '; '.join(unreadable) or 'Enter looks into one')
        return 3

    def draw_process(self):
        found, line = self.found, 0
        pause = '   (stopped: space goes on)' if self.paused else ''
        self.put(0, 0, 'loam top: ' + text.title(found) + pause, curses.A_BOLD)
        width = max(self.window.getmaxyx()[1] - 1, 20)
        for line, words in enumerate(wrapped(found['words'], width), 1):
            self.put(line, 0, words)
        line += 2
        self.draw_bar(line, width)
        for line, words in enumerate(text.summary(found) + (text.rates(found) or ['a second: from the next look on']), line + 1):
            self.put(line, 0, words)
        return line + 2

    def draw_bar(self, line, width):
        """What is in RAM, by what it is."""
        heap = self.found['heap']
        sizes = {'live': heap['live_in_ram'], 'cached': heap['cached'], 'free': heap['free'],
                 'metadata': heap['metadata'], 'foreign': sum(heap['foreign'].values())}
        total, sum_so_far, at = sum(sizes.values()) or 1, 0, 0
        for i, (name, _) in enumerate(PARTS, 1):
            sum_so_far += sizes[name]
            end = width * sum_so_far // total
            words = f' {name}'.ljust(end - at)[:end - at]
            if self.has_colours:
                self.put(line, at, words, curses.color_pair(i))
            else:
                self.put(line, at, (words[1:] + ' ').replace(' ', '.')[:end - at], curses.A_REVERSE)
            at = end

    def draw_table(self, line):
        view, height = self.views[-1], self.window.getmaxyx()[0]
        self.shown = view.sorted(self.found)
        view.chosen = max(min(view.chosen, len(self.shown) - 1), 0)
        lines = text.table(view.columns, self.shown)
        room = max(height - line - 3, 1)
        view.first = min(max(view.first, view.chosen - room + 1), view.chosen)
        order = 'falling' if view.down else 'rising'
        self.put(line, 0, f'{view.name}, by {view.columns[view.sort].title or "order"}, {order}', curses.A_DIM)
        self.put(line + 1, 0, lines[0].ljust(self.window.getmaxyx()[1]), curses.A_REVERSE)
        for i in range(view.first, min(view.first + room, len(self.shown))):
            style = self.style_of(self.shown[i]) | (curses.A_STANDOUT if i == view.chosen else 0)
            self.put(line + 2 + i - view.first, 0, lines[1 + i], style)
        self.put(height - 1, 0, FOOT, curses.A_DIM)

    def style_of(self, row):
        used = row.get('percent', 100)
        free = row.get('free_bytes', row.get('free', 0))
        if not self.has_colours or used >= MIDDLING or free < LITTLE:
            return 0
        return curses.color_pair(RED if used < BAD else RED + 1)

    # ---- Keys.

    def press(self, key):
        """Acts on a key; false: quit."""
        self.said = ''
        view = self.views[-1]
        room = max(self.window.getmaxyx()[0] // 2, 1)
        moves = {curses.KEY_UP: -1, ord('k'): -1, curses.KEY_DOWN: 1, ord('j'): 1, curses.KEY_PPAGE: -room,
                 curses.KEY_NPAGE: room, curses.KEY_HOME: -1 << 30, curses.KEY_END: 1 << 30}
        sorts = {ord('<'): -1, curses.KEY_LEFT: -1, ord('>'): 1, curses.KEY_RIGHT: 1}
        places = {ord('c'): classes_view, ord('a'): arenas_view, ord('t'): threads_view}
        if self.helping:
            self.helping = False
        elif key in (ord('q'), ord('Q')):
            return False
        elif key in moves:
            view.chosen = max(min(view.chosen + moves[key], len(self.shown) - 1), 0)
        elif key in sorts:
            view.sort_by(sorts[key])
        elif key == ord('r'):
            view.down = not view.down
        elif key in places and self.watched:
            self.views = self.views[:self.has_list] + [places[key]()]
        elif key in (10, 13, curses.KEY_ENTER) and self.shown:
            self.enter(view, self.shown[view.chosen])
        elif key in (27, curses.KEY_BACKSPACE, 127, 8):
            self.back()
        elif key == ord(' '):
            self.paused = not self.paused
        elif key in (ord('+'), ord('-')):
            self.interval = min(max(self.interval * (0.5 if key == ord('+') else 2), 0.1), 3600)
        elif key in (ord('h'), ord('?')):
            self.helping = True
        return True

    def enter(self, view, row):
        if not self.watched:
            self.enter_process(row)
        elif view.into:
            self.views.append(view.into(row))

    def back(self):
        if len(self.views) > 1:
            self.views.pop()
            if self.has_list and len(self.views) == 1:
                self.leave_process()

    def run(self):
        due = 0
        while True:
            now = time.monotonic()
            if now >= due and not self.paused:
                self.look()
                due = time.monotonic() + max(self.interval, self.took * REST)
            self.draw()
            key = self.next_key(1000 if self.paused else max(int((due - time.monotonic()) * 1000), 1))
            if key != -1 and not self.press(key):
                return 0


def wrapped(words, width):
    """Lines of at most that many characters, two at most."""
    lines = ['']
    for word in words.split(' '):
        if len(lines) < 2 and len(lines[-1]) + len(word) + 1 > width:
            lines.append('')
        lines[-1] += (' ' if lines[-1] else '') + word
    return lines


def show(watched, all_accounts, interval):
    """Until q is pressed, or the process ends."""
    def inside(window):
        return Screen(window, watched, all_accounts, interval).run()

    curses.set_escdelay(50)
    try:
        return curses.wrapper(inside)
    except curses.error as error:
        raise Failure(f'this terminal cannot show it ({error}): use --once') from None
