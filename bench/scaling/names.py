"""Names of addresses in a process: functions and variables of its files, places in its mappings."""
import bisect
import functools
import pathlib
import subprocess


class Names:
    def __init__(self, maps):
        """maps: [[low, high, offset, path], ...], as scale.c writes them."""
        self.maps = maps
        self.base = {}
        for low, _, _, path in maps:
            if path.startswith('/'):
                self.base[path] = min(low, self.base.get(path, low))
        # What follows a file without a name is the rest of its variables.
        for before, rest in zip(self.maps, self.maps[1:]):
            if before[3].startswith('/') and not rest[3] and rest[0] == before[1]:
                rest[3] = before[3]

    def of(self, address):
        """As 'symbol+0x10', or the mapping and the distance from its start."""
        for low, high, _, path in self.maps:
            if low <= address < high:
                named = path.startswith('/') and self._symbol(path, address)
                return named or f'{pathlib.Path(path).name or "a mapping"}+{address - low:#x}'
        return f'{address:#x}'

    def function(self, address):
        """Without the distance from its start."""
        return self.of(address).rpartition('+')[0] or f'{address:#x}'

    def _symbol(self, path, address):
        found = symbols(path)
        place = address - self.base[path]
        at = bisect.bisect(found, (place, 1 << 64)) - 1
        if at < 0 or place >= found[at][0] + found[at][1]:
            return None
        return f'{found[at][2]}+{place - found[at][0]:#x}'


@functools.cache
def symbols(path):
    """[(offset, size, name), ...] in order; those that are exported alone where it is stripped."""
    found = set()
    for options in ([], ['-D']):
        done = subprocess.run(['nm', '-C', '-S', '--defined-only', *options, path],
                              capture_output=True, text=True)
        for line in done.stdout.splitlines():
            words = line.split(' ', 3)
            if len(words) == 4 and words[2] not in 'aA':
                found.add((int(words[0], 16), int(words[1], 16), words[3].partition('@')[0]))
        if found:
            break
    return sorted(found)
