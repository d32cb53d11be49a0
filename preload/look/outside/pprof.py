"""A heap profile as pprof's profile.proto, gzipped (github.com/google/pprof, proto/profile.proto)."""
import gzip
import time


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n >= 0x80:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n) if n else b''


def nested(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def packed(field, numbers):
    return nested(field, b''.join(map(varint, numbers)))


class Strings:
    def __init__(self):
        self.index = {'': 0}

    def __call__(self, text):
        return self.index.setdefault(text, len(self.index))

    def encode(self):
        return b''.join(nested(6, text.encode(errors='replace')) for text in self.index)


VALUES = (('inuse_objects', 'count'), ('inuse_space', 'bytes'), ('alloc_objects', 'count'),
          ('alloc_space', 'bytes'), ('peak_objects', 'count'), ('peak_space', 'bytes'))
PINNED = (('pinned_objects', 'count'), ('pinned_space', 'bytes'))


class Encoder:
    def __init__(self, profile, symbols):
        self.profile, self.symbols = profile, symbols
        self.strings, self.functions, self.locations = Strings(), {}, {}
        self.mappings = [m for m in profile.mappings if 'x' in m.flags and m.path]
        self.out = []

    def value_type(self, field, kind, unit):
        return nested(field, number(1, self.strings(kind)) + number(2, self.strings(unit)))

    def function(self, line):
        key = line.function, line.file
        if key not in self.functions:
            self.functions[key] = len(self.functions) + 1
            name = self.strings(line.function)
            self.out.append(nested(5, number(1, self.functions[key]) + number(2, name) + number(3, name)
                                   + number(4, self.strings(line.file))))
        return self.functions[key]

    def mapping(self, address):
        return next((i for i, m in enumerate(self.mappings, 1) if m.start <= address < m.end), 0)

    def location(self, address):
        if address not in self.locations:
            self.locations[address] = len(self.locations) + 1
            lines = b''.join(nested(4, number(1, self.function(line)) + number(2, line.number))
                             for line in self.symbols.lines(address))
            self.out.append(nested(4, number(1, self.locations[address]) + number(2, self.mapping(address))
                                   + number(3, address) + lines))
        return self.locations[address]

    def sample(self, site):
        values = [round(site.live.objects), site.live.asked, round(site.allocated.objects), site.allocated.asked,
                  round(site.peak.objects), site.peak.asked]
        if self.profile.has_pinned:
            values += [round(site.pinned.objects), site.pinned.asked]
        return nested(2, packed(1, map(self.location, self.symbols.code(site.frames))) + packed(2, values))

    def encode(self):
        self.symbols.look_up(address for site in self.profile.sites for address in self.symbols.code(site.frames))  # at once
        self.out += [self.value_type(1, *value) for value in VALUES + (PINNED if self.profile.has_pinned else ())]
        self.out += [self.sample(site) for site in self.profile.sites]
        for i, m in enumerate(self.mappings, 1):
            self.out.append(nested(3, number(1, i) + number(2, m.start) + number(3, m.end) + number(4, m.offset)
                                   + number(5, self.strings(m.path)) + number(7, 1)))
        self.out += [number(9, time.time_ns()), number(10, self.profile.seconds * 10**9),
                     self.value_type(11, 'space', 'bytes'), number(12, self.profile.rate),
                     number(14, self.strings('inuse_space'))]
        return b''.join(self.out) + self.strings.encode()


def encode(profile, symbols):
    return gzip.compress(Encoder(profile, symbols).encode(), mtime=0)
