"""Writes traces of allocation calls, in the format of src/observe/trace_format.h, for the tests."""
import random
import struct

HEADER = struct.Struct('<8sIIQQQQ80sQ')
BLOCK = struct.Struct('<IIIIQQQ')
MAGIC, BLOCK_MAGIC = b'loamtrc1', 0x6b6c6274
MALLOC, CALLOC, ALIGNED, REALLOC, FREE = range(1, 6)
OPS = {MALLOC: 'malloc', CALLOC: 'calloc', ALIGNED: 'aligned', REALLOC: 'realloc', FREE: 'free'}
NEW_THREAD, NO_RESULT, NULL, ODD_ADDRESS = 0x10, 0x20, 0x40, 0x80


def number(value):
    """LEB128."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(encoded) + bytes([value])


def checksum(data):
    """FNV-1a, 64 bits."""
    total = 0xcbf29ce484222325
    for byte in data:
        total = (total ^ byte) * 0x100000001b3 & (1 << 64) - 1
    return total or 1


class Writer:
    """Collects events into blocks of a capacity; bytes() is the file."""

    def __init__(self, capacity=4096, program=b'test'):
        self.blocks = []            # (events before, bytes of events)
        self.capacity = capacity
        self.program = program
        self.events = 0
        self.lost = 0
        self._begin_block()

    def _begin_block(self):
        self.used = bytearray()
        self.blocks.append((self.events, self.used))
        self.units = self.thread = 0

    def _address(self, address):
        difference = (address >> 4) - self.units
        self.units = address >> 4
        return number(difference << 1 if difference >= 0 else (-difference << 1) - 1)

    def event(self, op, thread=0, old=0, size=0, result=0, align_log2=0):
        """Writes a call; 0 is NULL."""
        if len(self.used) + 48 > self.capacity:
            self._begin_block()
        flags, body = 0, b''
        if thread != self.thread:
            flags |= NEW_THREAD
            body += number(thread)
            self.thread = thread
        if op in (REALLOC, FREE):
            flags |= 0 if old else NULL
            body += self._address(old) if old else b''
            if old & 15:
                flags |= ODD_ADDRESS
                body += number(old & 15)
        if op == ALIGNED:
            body += number(align_log2)
        if op != FREE:
            flags |= 0 if result else NO_RESULT
            body += number(size) + (self._address(result) if result else b'')
        self.used += bytes([op | flags]) + body
        self.events += 1

    def bytes(self, finished=True, parent=0):
        """The file; finished says whether the process came to its end."""
        data = bytearray(HEADER.pack(MAGIC, HEADER.size, 4096, 4711, parent, 0, 0, self.program,
                                     self.events))
        for i, (events, used) in enumerate(self.blocks):
            last = i == len(self.blocks) - 1
            closed = finished or not last
            data += BLOCK.pack(BLOCK_MAGIC, self.capacity, len(used), last and finished, events,
                               self.lost, checksum(used) if closed else 0)
            data += used + bytes(self.capacity - len(used))
        return bytes(data)


class Program:
    """A made-up program: random calls of several threads, that free each other's blocks."""

    def __init__(self, seed, capacity=4096):
        self.random = random.Random(seed)
        self.writer = Writer(capacity)
        self.live = {}              # address: size
        self.addresses = []         # of live, in no order
        self.free_addresses = []
        self.next_address = 0x7f0000001000
        self.counts = dict.fromkeys(list(OPS.values()) + [
            'null_frees', 'realloc_frees', 'failed', 'inherited_frees', 'inherited_reallocs',
            'bytes', 'peak_live_bytes'], 0)
        self.threads = set()

    def _new_address(self):
        if self.free_addresses and self.random.random() < 0.8:
            return self.free_addresses.pop(self.random.randrange(len(self.free_addresses)))
        self.next_address += 16 * self.random.randrange(1, 1000)
        return self.next_address

    def _add(self, size):
        address = self._new_address()
        self.live[address] = size
        self.addresses.append(address)
        self.counts['bytes'] += size
        return address

    def _remove(self):
        i = self.random.randrange(len(self.addresses))
        self.addresses[i], self.addresses[-1] = self.addresses[-1], self.addresses[i]
        address = self.addresses.pop()
        del self.live[address]
        self.free_addresses.append(address)
        return address

    def _size(self):
        return self.random.choice((self.random.randrange(200), self.random.randrange(200),
                                   self.random.randrange(9000), self.random.randrange(200000)))

    def _write(self, op, thread, **numbers):
        self.writer.event(op, thread, **numbers)
        self.threads.add(thread)
        self.counts[OPS[op]] += 1
        self.counts['peak_live_bytes'] = max(self.counts['peak_live_bytes'],
                                             sum(self.live.values()))

    def _rare(self, thread):
        """Something that programs seldom do."""
        kind = self.random.choice(('null_frees', 'failed', 'failed_realloc', 'inherited_frees',
                                   'inherited_reallocs', 'realloc_frees', 'odd'))
        foreign = 0x555500000000 + 16 * self.random.randrange(1 << 20)
        if kind == 'null_frees':
            self._write(FREE, thread)
        elif kind == 'failed':
            self._write(self.random.choice((MALLOC, CALLOC)), thread, size=1 << 62)
        elif kind == 'failed_realloc' and self.addresses:
            self._write(REALLOC, thread, old=self.addresses[0], size=1 << 61)
            kind = 'failed'
        elif kind == 'inherited_frees':
            self._write(FREE, thread, old=foreign)
        elif kind == 'inherited_reallocs':
            size = self._size()
            self._write(REALLOC, thread, old=foreign, size=size, result=self._add(size))
        elif kind == 'realloc_frees' and self.addresses:
            self._write(REALLOC, thread, old=self._remove())
        else:
            self._write(FREE, thread, old=foreign + 8)
            kind = 'inherited_frees'
        self.counts[kind] += 1

    def step(self, thread, blocks=200):
        """One call; about so many blocks are live."""
        size, chance = self._size(), self.random.random()
        if chance < 0.05:
            self._rare(thread)
        elif self.addresses and self.random.random() < len(self.addresses) / (2 * blocks):
            self._write(FREE, thread, old=self._remove())
        elif chance < 0.2:
            self._write(CALLOC, thread, size=size, result=self._add(size))
        elif chance < 0.3:
            log2 = self.random.randrange(3, 14)
            address = self.next_address = (self.next_address // 8192 + 1) * 8192
            self.live[address] = size
            self.addresses.append(address)
            self.counts['bytes'] += size
            self._write(ALIGNED, thread, align_log2=log2, size=size, result=address)
        elif chance < 0.35:
            self._write(REALLOC, thread, size=size, result=self._add(size))
        elif chance < 0.5 and self.addresses:
            old = self._remove()
            self.free_addresses.remove(old)
            self._write(REALLOC, thread, old=old, size=size, result=self._add(size))
            self.free_addresses.append(old)
        else:
            self._write(MALLOC, thread, size=size, result=self._add(size))

    def run(self, steps, threads=1):
        """Random steps of threads; those that have not run yet join one after another."""
        for i in range(steps):
            newest = min(threads, 1 + i * threads // steps)
            self.step(self.random.randrange(newest))
        self.counts['events'] = steps
        self.counts['threads'] = len(self.threads)
        return self
