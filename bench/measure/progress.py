"""Progress on standard error: a bar with an estimate of what is left, or a line now and then."""
import shutil
import sys
import time

WIDTH = 24
EVERY = 30      # seconds between lines where there is no terminal


class Progress:
    def __init__(self, total, what='', out=None):
        """total is in steps; what names the whole."""
        self.total, self.what, self.out = max(total, 1), what, out or sys.stderr
        self.steps = 0
        self.started = self.said = time.monotonic()
        self.terminal = self.out.isatty()

    def step(self, text, n=1):
        """n steps are done; text says what is going on now."""
        self.steps += n
        now = time.monotonic()
        if self.terminal:
            columns = shutil.get_terminal_size().columns
            self._write('\r' + f'{self._bar()} {self._left(now)}  {text}'[:columns - 1] + '\x1b[K')
        elif now - self.said >= EVERY:
            self.said = now
            self._write(f'{self.what}: {self._part():.0%}, {self._left(now)}: {text}\n')

    def done(self):
        """Ends the bar."""
        if self.terminal:
            self._write('\r\x1b[K')

    def _part(self):
        return min(self.steps / self.total, 1)

    def _bar(self):
        full = round(self._part() * WIDTH)
        return f'{self.what} [{"#" * full}{"." * (WIDTH - full)}]'

    def _left(self, now):
        if not self.steps:
            return 'starting'
        seconds = (now - self.started) / self.steps * max(self.total - self.steps, 0)
        return f'{duration(seconds)} left'

    def _write(self, text):
        self.out.write(text)
        self.out.flush()


def duration(seconds):
    """As '2 h 05 min', '3 min 20 s' or '12 s'."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f'{hours} h {minutes:02} min'
    return f'{minutes} min {seconds:02} s' if minutes else f'{seconds} s'
