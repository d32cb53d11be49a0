"""test_probes.py PROBED STATIC...: the probes are in the notes of the library and of static programs, are nops, and a
tracer that stops there finds the values that the program knows.  The tracer is gdb, which reads the same notes as
bpftrace, perf and SystemTap.
"""
import collections
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from target import ROOT, environment

PROBED, *STATIC = map(os.path.abspath, sys.argv[1:])
sys.argv[1:] = []
LIBRARY = Path(os.environ['LOAM_SO']).resolve()

NOTE = re.compile(r'Provider: (\S+)\s+Name: (\S+)\s+Location: (\w+), Base: (\w+), Semaphore: (\w+)\s+Arguments: (.*)')
ARGUMENT = re.compile(r'8@(%r\w+|\$-?\d+|x\d+|-?\d+)')
NOP = {'x86_64': b'\x90', 'aarch64': b'\x1f\x20\x03\xd5'}[os.uname().machine]

Note = collections.namedtuple('Note', 'provider name location base semaphore arguments')

TRACE = '''set pagination off
set confirm off
set breakpoint pending on
set exec-wrapper env LD_PRELOAD={library} LOAM_OPTIONS={options}
start {mode} > {out}
python
import gdb
class Probe(gdb.Breakpoint):
    def __init__(self, provider, name, count):
        super().__init__(f'-probe-stap {{provider}}:{{name}}')
        self.name, self.count = name, count
    def stop(self):
        values = [gdb.parse_and_eval(f'$_probe_arg{{i}}') for i in range(self.count)]
        words = [str(int(value) & (1 << 64) - 1) for value in values]
        if self.name == 'misuse':
            words[:2] = [value.cast(gdb.lookup_type('char').pointer()).string() for value in values[:2]]
        print('passed', self.name, '|'.join(words), flush=True)
        if self.name == 'trim':
            print('semaphore', gdb.parse_and_eval('*(unsigned short *)&loam_trim_semaphore'))
        return False
for provider, name, count in {probes}:
    Probe(provider, name, count)
end
continue
'''


def table():
    """Provider, name and number of arguments of each row of probes.def."""
    rows = re.findall(r'^PROBE\((\w+), (\w+), "([^"]*)"', (ROOT / 'src/base/probes.def').read_text(), re.M)
    return [(provider, name, len(arguments.split(', '))) for provider, name, arguments in rows]


def notes(path):
    said = subprocess.run(['readelf', '-nW', path], capture_output=True, text=True, check=True).stdout
    return [Note(m[1], m[2], int(m[3], 16), int(m[4], 16), int(m[5], 16), m[6].split()) for m in NOTE.finditer(said)
            if m[1] in ('loam', 'otel_memory')]


class Notes(unittest.TestCase):
    def loaded(self, path):
        """Address, offset, size and rights of what is mapped of a file."""
        said = subprocess.run(['readelf', '-lW', path], capture_output=True, text=True, check=True).stdout
        return [(int(m[2], 16), int(m[1], 16), int(m[3], 16), m[4]) for m in
                re.finditer(r'LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+) 0x\w+ ([RWE ]{3})', said)]

    def part(self, path, address):
        return next((offset + address - start, rights) for start, offset, nbytes, rights in self.loaded(path)
                    if start <= address < start + nbytes)

    def test_they_are_those_of_the_table(self):
        for path in (LIBRARY, *STATIC):
            found = notes(path)
            self.assertEqual({(note.provider, note.name, len(note.arguments)) for note in found}, set(table()), path)
            for note in found:
                for argument in note.arguments:
                    self.assertRegex(argument, f'^{ARGUMENT.pattern}$', note)

    def test_each_is_a_nop_with_a_semaphore(self):
        """The semaphore is 0, in memory that may be written, of the file; the base is its section's start."""
        for path in (LIBRARY, *STATIC):
            data = Path(path).read_bytes()
            said = subprocess.run(['readelf', '-SW', path], capture_output=True, text=True, check=True).stdout
            base, = re.findall(r'\.stapsdt\.base +PROGBITS +(\w+)', said)
            for note in notes(path):
                at, rights = self.part(path, note.location)
                self.assertIn('E', rights)
                self.assertEqual(data[at:at + len(NOP)], NOP, note)
                at, rights = self.part(path, note.semaphore)
                self.assertIn('W', rights)
                self.assertEqual(data[at:at + 2], b'\0\0', note)
                self.assertEqual(note.base, int(base, 16))
            self.assertEqual(len({note.semaphore for note in notes(path)}), len(table()))


class Passed(unittest.TestCase):
    def run_traced(self, mode, options, only):
        """What gdb saw, by name; and the lines of the program."""
        with tempfile.TemporaryDirectory() as folder:
            out, script = Path(folder) / 'out', Path(folder) / 'script'
            probes = [row for row in table() if row[0] == only]
            script.write_text(TRACE.format(library=LIBRARY, options=options, mode=mode, out=out, probes=probes))
            done = subprocess.run(['gdb', '-nx', '-batch', '-x', script, PROBED], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=240, env=environment(False))
            said, lines = done.stdout + done.stderr, out.read_text().splitlines()
        passed = collections.defaultdict(list)
        for name, words in re.findall(r'^passed (\w+) (.*)$', done.stdout, re.M):
            passed[name].append(words.split('|'))
        self.assertIn('exited normally', said)
        self.assertEqual('semaphore 1\n' in said, only == 'loam')    # gdb raises it while it looks on
        return passed, lines

    def test_events(self):
        passed, lines = self.run_traced('events', 'harden_action=warn', 'loam')
        for line in lines:
            name, rest = line.split(' ', 1)
            expected = re.sub('0x[0-9a-f]+', lambda m: str(int(m[0], 16)), rest)
            expected = ['free', 'double free detected', expected.split()[-1]] if name == 'misuse' else expected.split()
            self.assertTrue(any(values[:len(expected)] == expected for values in passed[name]), (line, passed[name]))
        self.assertEqual(len(lines), 5)
        self.assertEqual((len(passed['no_memory']), len(passed['trim']), len(passed['misuse'])), (1, 1, 1))
        for name in ('zone_grow', 'purge'):
            self.assertTrue(passed[name], name)
        for _, nbytes in passed['zone_grow']:
            self.assertTrue(int(nbytes) and int(nbytes) % 4096 == 0)
        self.assertGreater(sum(int(nbytes) for nbytes, _ in passed['purge']), 1 << 20)

    def test_sampled_objects(self):
        """A rate of one byte samples each allocation: none stands for more than itself, but by rounding."""
        passed, lines = self.run_traced('objects', 'prof=1', 'otel_memory')
        allocated = {values[0]: values[1:] for values in passed['alloc']}
        freed = {values[0] for values in passed['free']}
        self.assertEqual(len(lines), 15)
        for name, address, *rest in map(str.split, lines):
            address = str(int(address, 16))
            if name == 'free':
                self.assertIn(address, freed)
            else:
                asked, weighted = map(int, allocated[address])
                self.assertEqual(asked, int(rest[0]))
                self.assertTrue(asked <= weighted <= asked * 1.01 + 1)


if __name__ == '__main__':
    unittest.main()
