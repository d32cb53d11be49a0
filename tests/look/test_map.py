"""test_map.py HOLDER FRAGMENTED: what `loam map` draws of processes, against what they know themselves."""
import collections
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib
from pathlib import Path
from xml.etree import ElementTree

from target import MAP, ROOT, Noisy, Refused, account, cells, command, ends_in_noise, environment, is_first_of_root, page, target
from outside import change, chunks, drawing, svg
from outside.failure import Failure, Torn

HOLDER, FRAGMENTED, *CHOSEN = sys.argv[1:]
sys.argv[1:] = CHOSEN
MIB = 1 << 20
FIRST = 256             # objects of a size that may be chunks: before it was promoted
PROMOTED = 32768        # the largest objects in slabs
RUNS = 100000          # from here on objects of that program have pages of their own
NOISES = 16
BROWSER = shutil.which('chromium')


class Fragmented:
    """The program, and what it says of itself."""

    def __init__(self, size):
        self.process = subprocess.Popen([FRAGMENTED, str(size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment(True))
        self.pid = self.process.pid
        self.objects, self.sums = [], {}
        for words in self.lines():
            if words[0] == 'huge':
                self.huge = int(words[1], 16), int(words[2])
            elif words[0] == 'sum':
                self.sums[int(words[1])] = int(words[2])
            else:
                self.objects.append((int(words[0], 16), *map(int, words[1:])))

    def lines(self):
        for line in self.process.stdout:
            if line == 'ready\n':
                return
            yield line.split()
        raise AssertionError('it ended')

    def let_go(self):
        self.process.stdin.write('\n')
        self.process.stdin.flush()
        list(self.lines())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def run_map(*argv, status=0):
    return command(MAP, *argv, status=status)


def map_of(pid, folder=None):
    with tempfile.TemporaryDirectory() as own:
        path = Path(folder or own) / f'{pid}.json'
        run_map(pid, '-o', path)
        return json.loads(path.read_text())


class Blocks:
    """What has an address."""

    def __init__(self, data):
        columns = data['blocks']['columns']
        self.rows = [dict(zip(columns, row)) for row in data['blocks']['rows']]
        self.cell = data['cell']
        self.cells = {number: row for number, *row in drawing.cells_of(data)}

    def at(self, address):
        return next((row for row in self.rows if row['start'] <= address < row['start'] + row['nbytes']), None)

    def cell_at(self, address):
        return self.cells.get(address // self.cell)


def class_of(nbytes, data):
    return min((one['size'] for one in data['classes'] if one['size'] >= nbytes), default=0)


class Figures(unittest.TestCase):
    def test_each_object_lies_where_the_map_says(self):
        with Fragmented(48) as made:
            data = map_of(made.pid)
        found, chunked = Blocks(data), collections.Counter()
        self.assertEqual(data['cell'], 4096)
        for address, nbytes, _, held in made.objects:
            block, cell = found.at(address), found.cell_at(address)
            if not held:
                continue
            self.assertIsNotNone(block, hex(address))
            self.assertGreater(cell[3], 0, f'{address:x} is not in RAM')
            self.assertGreater(cell[4], 0, f'nothing is in use at {address:x}')
            if nbytes >= RUNS:
                self.assertEqual(block['kind'], 'run', hex(address))
            elif nbytes > PROMOTED or block['kind'] == 'chunks':
                self.assertEqual(block['kind'], 'chunks', hex(address))
                chunked[nbytes] += nbytes <= PROMOTED
            else:
                self.assertEqual((block['kind'], block['size']), ('slab', class_of(nbytes, data)), hex(address))
        self.assertLessEqual(max(chunked.values()), FIRST)
        self.assertIn(list(made.huge), [row[:2] for row in data['huge_objects']])
        resident = next(row[2] for row in data['huge_objects'] if row[0] == made.huge[0])
        self.assertAlmostEqual(resident, made.huge[1] / 2, delta=MIB / 2)

    def test_how_full(self):
        """Objects in use by class, in sum and by address: whole stretches, and holes."""
        with Fragmented(48) as made:
            data = map_of(made.pid)
        found, fills = Blocks(data), collections.defaultdict(list)
        in_use = collections.Counter()
        for row in found.rows:
            in_use[row['size']] += row['in_use']
        cached = {one['size']: one['cached'] for one in data['classes']}
        for nbytes, count in made.sums.items():
            size = class_of(nbytes, data)
            if nbytes <= PROMOTED:
                self.assertTrue(count - FIRST <= in_use[size] - cached[size] <= count + FIRST,
                                (nbytes, count, in_use[size], cached[size]))
        for address, nbytes, stretch, _ in made.objects:
            cell = found.cell_at(address)
            if 32 < nbytes < 512 and cell and cell[0] == 's' and cell[3]:
                fills[stretch].append(cell[4] / cell[3])
        means = [sum(fill) / len(fill) for _, fill in sorted(fills.items())]
        excess = [mean - kept / 16 for mean, kept in zip(means, (16, 12, 8, 3, 1))]
        # What was freed first is still cached, for other threads to take, and counts as in use.
        sizes = {nbytes for _, nbytes, _, _ in made.objects if 32 < nbytes < 512}
        shares = [cached[class_of(nbytes, data)] * nbytes / (48 * MIB / len(made.sums) / len(means)) for nbytes in sizes]
        share = sum(shares) / len(shares)
        print('in use by stretch:', ' '.join(f'{mean:.2f}' for mean in means), f'and cached {share:.2f}')
        self.assertAlmostEqual(sum(excess), share, delta=0.1)
        for part in excess:
            self.assertTrue(-0.06 <= part <= share + 0.06, excess)

    def test_it_adds_up(self):
        with Fragmented(48) as made:
            data = map_of(made.pid)
        heap = data['heap']
        resident, used = collections.Counter(), collections.Counter()
        for _, kind, _, mapped, in_ram, in_use in drawing.cells_of(data):
            self.assertTrue(in_use <= in_ram <= mapped <= data['cell'])
            resident[kind] += in_ram
            used[kind] += in_use
        live, free = heap['live_by_floor'], heap['free_by_floor']
        self.assertAlmostEqual(used['s'], live['slabs'] + heap['cached'], delta=MIB)
        self.assertAlmostEqual(resident['s'], sum(one['resident'] for one in data['classes']), delta=MIB // 4)
        self.assertAlmostEqual(used['c'], live['chunks'], delta=MIB)
        self.assertAlmostEqual(resident['c'], live['chunks'] + free['chunks'], delta=MIB)
        self.assertAlmostEqual(resident['r'], live['runs'], delta=MIB // 4)
        self.assertAlmostEqual(resident['f'], free['runs'] + free['blocks'], delta=MIB // 4)
        self.assertEqual(data['unread'], 0)
        free_pages = sum((one['dirty'] + one['clean']) * one['nbytes'] for one in data['orders'])
        mapped = sum(row[2] for row in Blocks(data).cells.values() if row[0] == 'f')
        self.assertAlmostEqual(free_pages, mapped, delta=MIB)
        slabs = sum(one['slabs'] for one in data['orders'])
        self.assertEqual(slabs, sum(one['slabs'] for one in data['classes']))

    def test_free_chunks(self):
        """Between chunks of 40,000 and 60,000 bytes that are in use, as many bytes are free as were freed."""
        with Fragmented(48) as made:
            data = map_of(made.pid)
        free = sum(one['nbytes'] for one in data['chunks']['free'])
        count = sum(made.sums[nbytes] for nbytes in (40000, 60000))
        self.assertTrue(count <= data['chunks']['in_use'] <= count + 10 * FIRST + 200, data['chunks'])
        system = sum(row['nbytes'] for row in Blocks(data).rows if row['kind'] == 'chunks')
        self.assertAlmostEqual(free, system - data['heap']['live_by_floor']['chunks'], delta=4096)


class Cells(unittest.TestCase):
    def test_what_was_seen_twice_counts_once(self):
        """A mapping took another's place while the process was read."""
        grid = cells.Grid(4096)
        for key in (('r', 0), ('h', 0)):
            grid.add_pages(key, 4096, bytes([cells.PRESENT]), 4096)
            grid.add_used(key, 4096, 8192)
        self.assertEqual([row[3:] for row in grid.rows()], [(4096, 4096, 4096)])


class Sizes(unittest.TestCase):
    def test_names_of_parts_lie_inside(self):
        """Also of one that begins at the right edge."""
        for first in (0, 17, 63):
            picture, cell = svg.Svg(drawing.WIDTH), 4096
            drawing.draw_map(picture, 0, cell, [(first, 'data segment')], [(first, '#000000', 1)])
            words = next(ElementTree.fromstring(part) for part in picture.parts if '>data segment<' in part)
            room = {'start': drawing.WIDTH - float(words.get('x')), 'end': float(words.get('x'))}[words.get('text-anchor')]
            self.assertGreaterEqual(room, drawing.LABEL)

    def test_a_small_program(self):
        with subprocess.Popen(['/bin/cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=environment(True)) as made, tempfile.TemporaryDirectory() as folder:
            made.stdin.write(b'\n')
            made.stdin.flush()
            made.stdout.readline()
            for suffix in ('svg', 'html'):
                run_map(made.pid, '-o', f'{folder}/small.{suffix}')
                self.assertLess(os.path.getsize(f'{folder}/small.{suffix}'), 64 << 10)
            self.assertIn('by address, 4 KiB a letter', run_map(made.pid))
            made.stdin.close()

    def test_a_large_heap(self):
        with Fragmented(512) as made, tempfile.TemporaryDirectory() as folder:
            for suffix, most in (('svg', MIB), ('html', 2 * MIB), ('json', 3 * MIB)):
                run_map(made.pid, '-o', f'{folder}/large.{suffix}')
                self.assertLess(os.path.getsize(f'{folder}/large.{suffix}'), most)
            self.assertLess(len(run_map(made.pid).splitlines()), 100)
            ElementTree.parse(f'{folder}/large.svg')
            self.assertEqual([path.name for path in Path(folder).glob('*.new')], [])


class Seldom(Noisy):
    """Of so many reads one has a wrong byte or two; 1: each has more, None: no read has."""

    def __init__(self, pid, seed, one_in):
        super().__init__(pid, seed, rate=1 << (12 if one_in == 1 else 20))
        self.one_in = one_in

    def read_some(self, address, nbytes):
        self.is_noisy = self.one_in and self.random.randrange(self.one_in) == 0
        return super().read_some(address, nbytes)


class Busy(unittest.TestCase):
    def test_32_threads(self):
        """Objects of all sizes, freed by other threads: each map is drawn, and hardly anything is unread."""
        with Fragmented('busy') as made:
            time.sleep(0.5)
            watched = account.Watched(made.pid)
            self.addCleanup(watched.close)
            unread = held = 0
            for _ in range(20):
                found = watched.read(cells.MapHeap)
                data = json.loads(json.dumps(cells.document(found, watched.tell(found))))
                drawing.draw(data)
                unread += data['unread']
                held += sum(row['nbytes'] for row in Blocks(data).rows if row['kind'] == 'chunks')
                for _, _, _, mapped, in_ram, in_use in drawing.cells_of(data):
                    self.assertTrue(in_use <= in_ram <= mapped <= data['cell'])
            self.assertIsNone(made.process.poll())
            print(f'{unread} of {held} bytes in chunk heaps were not read')
            self.assertLess(unread, held / 10)

    def test_whatever_is_read(self):
        """A map of noise ends soon, by a Failure or not; one in four has none."""
        def draw(watched):
            found = watched.read(cells.MapHeap)
            drawing.draw(cells.document(found, watched.tell(found)))
        with target(HOLDER, 'busy') as made:
            noises = (Seldom(made.pid, seed, one_in=(1, 100, 2000, None)[seed % 4]) for seed in range(NOISES))
            ends = ends_in_noise(draw, noises)
        self.assertEqual(len(ends), 2)


class Memory:
    """Chunks in memory that changes under the walk."""

    IN_USE, PREV_IN_USE, FLAGS, BITS = 1, 2, 15, 48

    def __init__(self, chunks_, changes=()):
        self.data = bytearray()
        prev = True
        for size, in_use in chunks_:
            self.data += struct.pack('<QQ', 0, size | in_use * 1 | prev * 2 | 0xabcd << 48).ljust(size, b'\xff')
            prev = in_use
        self.data += struct.pack('<QQ', 0, 16 | 9 | prev * 2)
        self.changes = list(changes)
        self.chunk_word_bits, self.chunk_flags, self.chunk_in_use, self.chunk_prev_in_use = 48, 15, 1, 2
        self.chunk_least, self.chunk_end = 32, 16

    def read_there(self, address, nbytes):
        data = bytes(self.data[address:address + nbytes])
        if self.changes:
            at, byte = self.changes.pop(0)
            if at is not None and address <= at < address + nbytes:
                data = data[:at - address] + bytes([byte]) + data[at - address + 1:]
        return data

    def walk(self):
        return chunks.walk(self, self, lambda: (0, len(self.data)), time.monotonic() + 10)


class Chunks(unittest.TestCase):
    SOME = [(32, True), (4096, False), (64, True), (96, True), (1024, False), (48, True)]

    def test_a_heap(self):
        found = Memory(self.SOME).walk()
        self.assertEqual(found.free, [(32, 4128), (4288, 5312)])
        self.assertEqual(found.in_use, [(0, 32), (4128, 4288), (5312, 5376)])   # the last with the heap's end
        self.assertEqual((found.unread, found.count), ([], 4))

    def test_larger_than_one_read(self):
        many = [(65536 + 16 * (i % 7), i % 3 != 0) for i in range(100)]
        many = [(size, in_use or many[i - 1][1] is False) for i, (size, in_use) in enumerate(many)]
        found = Memory(many).walk()
        self.assertEqual(found.count, sum(in_use for _, in_use in many))
        self.assertEqual(sum(b - a for a, b in found.free), sum(size for size, in_use in many if not in_use))

    def test_a_header_that_changes_is_read_again(self):
        for byte in (0, 0xff):
            found = Memory(self.SOME, [(4136, byte), (4136, byte)]).walk()
            self.assertEqual((found.unread, found.count), ([], 4), byte)

    def test_what_never_makes_sense_is_unread(self):
        """Up to where chunks follow each other again."""
        memory = Memory(self.SOME)
        memory.data[4136] = 0x13      # a chunk of 16 bytes
        found = memory.walk()
        self.assertEqual(found.unread, [(4128, 4192)])
        self.assertEqual(found.free, [(32, 4128), (4288, 5312)])
        self.assertEqual(found.in_use, [(0, 32), (4192, 4288), (5312, 5376)])

    def test_only_nonsense(self):
        memory = Memory(self.SOME)
        memory.data[:] = b'\x77' * (3 << 20)
        found = memory.walk()
        self.assertEqual(sum(b - a for a, b in found.unread), len(memory.data))


class Refusals(Refused, unittest.TestCase):
    run_command = staticmethod(run_map)

    def test_one_that_was_killed(self):
        with target(HOLDER) as made:
            made.process.kill()
            made.process.wait()
            self.refused(f'there is no process {made.pid}$', made.pid)

    def test_usage(self):
        self.refused('name a process, or two maps', status=2)
        self.refused('x.png should end in .html or .svg or .json', 1, '-o', 'x.png', status=2)
        self.refused('x.json should end in .html or .svg', '--diff', 'a', 'b', '-o', 'x.json', status=2)
        with target(HOLDER) as made:
            self.refused('/no/such/folder/x.svg cannot be written: No such file', made.pid, '-o', '/no/such/folder/x.svg')

    def test_another_layout_and_damage(self):
        with target(HOLDER) as made:
            watched = account.Watched(made.pid)
            address = watched.page.address
            whole = watched.process.read(address, page.NBYTES)
            watched.close()
            made.poke(address + 8, struct.pack('<I', 77))
            self.refused(r'process .* runs on loam [\d.]+, whose figures have layout 77', made.pid)
            made.poke(address + 8, whole[8:12])
            made.poke(address, b'x')
            self.refused(r'the page of figures of process .* is damaged', made.pid)
            made.poke(address, whole[:1])
            for at in range(page.HEAD.size, page.NBYTES, 17):
                made.poke(address + at, bytes([whole[at] ^ 0x15 ^ at & 0xff or 0x80]))
                try:
                    account.Watched(made.pid).read(cells.MapHeap)
                except Failure:
                    pass
                made.poke(address + at, whole[at:at + 1])
            map_of(made.pid)

    def test_killed_meanwhile(self):
        with Fragmented(128) as made:
            reader = subprocess.Popen([MAP, str(made.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            time.sleep(0.35)
            made.process.kill()
            said = reader.communicate()[1]
        self.assertRegex(said, rf'^(loam: (process {made.pid} .* has ended|there is no process .*)\n)?$')
        self.assertEqual(reader.returncode, 1 if said else 0)

    def test_exec(self):
        with target(HOLDER) as made:
            watched = account.Watched(made.pid)
            made.tell('exec /bin/cat')
            made.tell('here')
            self.assertEqual(made.process.stdout.readline(), 'here\n')
            with self.assertRaisesRegex(Failure, 'has become another program'):
                watched.read(cells.MapHeap)
            watched.close()

    def test_of_another_user(self):
        if os.geteuid() != 0:
            if not is_first_of_root():
                self.skipTest('process 1 is not of root')
            self.refused('process 1 .* may not be looked at: it is of user root', 1)
            return
        with tempfile.TemporaryDirectory() as folder, target(HOLDER) as made:
            os.chmod(folder, 0o755)
            shutil.copytree(ROOT / 'preload/look', Path(folder) / 'look')
            done = subprocess.run(['/usr/bin/python3', f'{folder}/look/map', str(made.pid)], user=65534, cwd='/',
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 1, done)
            self.assertRegex(done.stderr, rf'^loam: process {made.pid} \(holder.*\) may not be looked at:'
                                          r' it is of user root: ask as that user, or as root\n$')


class Difference(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.a, cls.b, cls.other = (f'{cls.folder.name}/{name}.json' for name in ('a', 'b', 'other'))
        with Fragmented(48) as made:
            run_map(made.pid, '-o', cls.a)
            made.let_go()
            run_map(made.pid, '-o', cls.b)
            cls.sums = made.sums
        with target(HOLDER) as made:
            run_map(made.pid, '-o', cls.other)

    def test_in_words(self):
        said = run_map('--diff', self.a, self.b)
        self.assertRegex(said, r'held went from [\d.]+M to [\d.]+M \(-[\d.]+M\), live from .*; fragmentation grew: ')
        self.assertRegex(said, re.compile(r'^live +\S+ +\S+ +-', re.M))
        self.assertRegex(said, re.compile(r'^free in slabs +\S+ +\S+ +\+', re.M))
        self.assertIn('fragmentation shrank', run_map('--diff', self.b, self.a))

    def test_by_class(self):
        """A third of what was held was freed."""
        found = change.Change(*(json.loads(Path(path).read_text()) for path in (self.a, self.b)))
        rows = {row['size']: row['objects'] for row in found.classes()}
        for nbytes in (32, 64, 96, 160, 256, 512, 1024):
            self.assertAlmostEqual(rows[nbytes], -self.sums[nbytes] / 3, delta=self.sums[nbytes] / 20 + FIRST)

    def test_of_the_same(self):
        said = run_map('--diff', self.a, self.a)
        self.assertIn('(0), live from', said)
        self.assertIn('fragmentation is as before', said)
        found = change.Change(*[json.loads(Path(self.a).read_text())] * 2)
        self.assertEqual({colour for _, colour, _ in found.cells()}, {change.SAME})

    def test_what_each_cell_shows(self):
        def one(resident, used):
            area = {'start': 0, 'place': 'zone', 'kinds': 's', 'size': [64], 'mapped': [4096],
                    'resident': [resident], 'used': [used]}
            return {'pid': 1, 'name': 'x', 'cell': 4096, 'areas': [area]}
        for then, now, colour in (((0, 0), (4096, 4000), change.GREW), ((4096, 1000), (4096, 3000), change.GREW),
                                  ((4096, 4000), (4096, 1000), change.FREED), ((4096, 4000), (0, 0), change.GONE),
                                  ((4096, 2000), (4096, 2100), change.SAME)):
            found = change.Change(one(*then), one(*now))
            self.assertEqual([c for _, c, _ in found.cells()], [colour], (then, now))

    def test_a_leak_is_no_fragmentation(self):
        """Where live grows and what is free stays, the share that is live grows; what is fragmented does not."""
        then = json.loads(Path(self.b).read_text())
        grown = {name: then['heap'][name] + 100 * MIB for name in ('held', 'live', 'live_in_ram')}
        now = then | {'heap': then['heap'] | grown}
        for one, other in ((then, now), (now, then)):
            self.assertIn('; fragmentation is as before: ', change.Change(one, other).words())

    def test_shares_are_of_what_is_in_ram(self):
        """Objects that were never touched, or are swapped out, change no share."""
        then = json.loads(Path(self.b).read_text())
        live = {name: nbytes + 100 * MIB for name, nbytes in then['heap']['live_by_floor'].items()}
        now = then | {'heap': then['heap'] | {'live_by_floor': live}}
        for row in change.Change(then, now).shares():
            self.assertEqual(row['then'], row['now'], row['name'])

    def test_pictures(self):
        for suffix in ('svg', 'html'):
            path = Path(self.folder.name) / f'd.{suffix}'
            run_map('--diff', self.a, self.b, '-o', path)
            self.assertIn(change.FREED, path.read_text())

    def test_of_two_processes(self):
        self.assertIn('two processes', run_map('--diff', self.a, self.other))
        run_map('--diff', self.other, self.a, '-o', f'{self.folder.name}/two.svg')

    def test_a_map_drawn_later(self):
        self.assertIn('held for', run_map(self.a))
        run_map(self.a, '-o', f'{self.folder.name}/later.svg')
        ElementTree.parse(f'{self.folder.name}/later.svg')

    def test_files_that_are_no_maps(self):
        folder, data = Path(self.folder.name), json.loads(Path(self.a).read_text())
        for name, words, pattern in (('text', 'x', 'is no map: write one by'), ('list', '[1]', 'is no map'),
                                     ('format', '{"loam_map": 9}', 'is a map of format 9, and this loam reads format 1'),
                                     ('empty', '{"loam_map": 1}', 'is damaged'),
                                     ('half', json.dumps(data | {'heap': 3}), 'is damaged'),
                                     ('cells', json.dumps(data | {'areas': [{'start': 'x'}]}), 'is damaged')):
            path = folder / f'{name}.json'
            path.write_text(words)
            for argv in ((path,), ('--diff', self.a, path)):
                said = run_map(*argv, status=1)
                self.assertRegex(said, f'^loam: .*{pattern}', name)
        self.assertRegex(run_map('--diff', self.a, folder / 'none.json', status=1), 'none.json cannot be read: No such file')


def pixels(path):
    """How often each colour is in a picture of a browser: 8 bits a channel, not interlaced."""
    data, at, packed = Path(path).read_bytes(), 8, b''
    while at < len(data):
        size, kind = struct.unpack_from('>I4s', data, at)
        if kind == b'IHDR':
            width, height, depth, colours = struct.unpack_from('>IIBB', data, at + 8)
        if kind == b'IDAT':
            packed += data[at + 8:at + 8 + size]
        at += size + 12
    each, raw = {2: 3, 6: 4}[colours], zlib.decompress(packed)
    assert depth == 8
    line, counts = bytes(width * each), collections.Counter()
    for y in range(height):
        start = y * (width * each + 1)
        line = unfiltered(raw[start], bytearray(raw[start + 1:start + 1 + width * each]), line, each)
        counts.update(zip(line[0::each], line[1::each], line[2::each]))
    return counts


def unfiltered(kind, line, above, each):
    for i in range(len(line) if kind else 0):
        left, up = line[i - each] if i >= each else 0, above[i]
        corner = above[i - each] if i >= each else 0
        if kind == 4:
            by = left + up - corner
            near = min((abs(by - left), 0, left), (abs(by - up), 1, up), (abs(by - corner), 2, corner))[2]
        else:
            near = {1: left, 2: up, 3: (left + up) // 2}[kind]
        line[i] = line[i] + near & 0xff
    return line


@unittest.skipUnless(BROWSER, 'there is no chromium')
class InABrowser(unittest.TestCase):
    def browse(self, *argv):
        with tempfile.TemporaryDirectory() as profile:
            return subprocess.run([BROWSER, '--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars',
                                   f'--user-data-dir={profile}', *argv], capture_output=True, text=True, timeout=200,
                                  env=environment(False, TMPDIR=profile), check=True).stdout

    def test_a_map(self):
        with Fragmented(32) as made, tempfile.TemporaryDirectory() as folder:
            page_ = f'{folder}/map.html'
            run_map(made.pid, '-o', page_)
            text = Path(page_).read_text()
            self.assertNotRegex(text.replace('http://www.w3.org/2000/svg', ''), 'https?:|src=|@import|url\\(')
            self.browse('--window-size=1240,1300', f'--screenshot={folder}/map.png', f'file://{page_}')
            counts = pixels(f'{folder}/map.png')
            for kind in 'scrh':
                colour = tuple(int(svg.COLOURS[kind][i:i + 2], 16) for i in (1, 3, 5))
                self.assertGreater(counts[colour], 1000, kind)
            shown = self.browse('--dump-dom', f'file://{page_}')
            self.assertIn('stroke="#d00000"', shown)         # the script ran to its end
            self.assertIn('tabindex="0"', shown)


if __name__ == '__main__':
    unittest.main()
