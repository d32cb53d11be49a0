"""test_on_call.py SERVER: the commands of docs/on-call.md do what it says.

They are run as they stand there, in their order, with a server of its name (server.c), those between lines of prose last. What they print has the lines
that the guide shows, in that order: numbers may be others, but figures in MiB are so by a fifth at most. A line `...`
stands for any. Before a second map is taken the server works, and before it is asked to give back it has a burst.
"""
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from target import ROOT, environment

SERVER = os.path.abspath(sys.argv.pop(1))
GUIDE = ROOT / 'docs/on-call.md'
SIZE = '256'            # MiB, as in the guide
OPTIONS = 'prof=64K,decay_ms=86400000'      # what a burst leaves waits for its command, however slow the machine is
PART = 0.2              # by which a figure may be another one
SAMPLED = 0.5           # and one of a profile: two draws of 130 samples differ by an eighth in one case of three
LITTLE = 3              # MiB
BEFORE = {'now.json': 'work', 'trim': 'burst'}      # what the server does before a command that has this in it
SIZES = re.compile(r'([+-]?[\d,.]+)(?:M| MiB)(?!\w)')


def examples():
    """Each command of the guide, and the lines that it prints."""
    found = []
    for line in GUIDE.read_text().splitlines():
        if line.startswith('    $ '):
            found.append((line[6:], []))
        elif line.startswith('    ') and found:
            found[-1][1].append(line[4:])
        elif line and found and found[-1][0]:
            found.append((None, []))        # prose: what is indented below it belongs to no command
    return [(words, lines) for words, lines in found if words]


def shape(line):
    """Without what differs from run to run."""
    line = re.sub(r' of \S+, loam', ' of USER, loam', line)
    line = re.sub(r'user="[^"]*"', 'user="USER"', line)
    line = re.sub(r'\d+ [A-Z][a-z]+ \d{4}, [\d:]+', 'DATE', line)
    line = re.sub(r'freed after less than .*', 'freed', line)       # depends on speed
    line = re.sub(r'(\d (?:thread|arena|object))s?\b', r'\1', line)
    return re.sub(r'\s+', ' ', re.sub(r'[+-]?\d[\d,.]*[KMGT]?', '#', line)).strip()


def figures(line):
    return [float(word.replace(',', '')) for word in SIZES.findall(line)]


class Guide(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder, cls.name = folder.name, f'server{os.getpid()}'[:15]
        program = shutil.copy(SERVER, Path(cls.folder) / cls.name)
        cls.server = subprocess.Popen([program, SIZE], cwd=cls.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      env=environment(True, LOAM_OPTIONS=OPTIONS))
        cls.addClassCleanup(cls.server.communicate)
        cls.addClassCleanup(cls.server.kill)
        assert cls.server.stdout.readline() == 'ready\n'

    def do(self, what):
        self.server.stdin.write(what + '\n')
        self.server.stdin.flush()
        self.assertEqual(self.server.stdout.readline(), 'ready\n')

    def run_as_written(self, words):
        done = subprocess.run(re.sub(r'\bserver\b', self.name, words), shell=True, cwd=self.folder, text=True, check=False,
                              capture_output=True, timeout=240, env=environment(False, PATH=f'{ROOT}/preload:{os.environ["PATH"]}'))
        self.assertEqual((done.returncode, done.stderr), (0, ''), words)
        return done.stdout.replace(self.name, 'server').splitlines()

    def has(self, line, printed, words):
        """The next of the printed lines that has this shape."""
        part = SAMPLED if words.startswith('loam prof') else PART
        for one in printed:
            if shape(one) == shape(line):
                for said, found in zip(figures(line), figures(one)):
                    self.assertAlmostEqual(said, found, delta=max(part * abs(said), LITTLE), msg=f'{words}: {line!r}, {one!r}')
                return
        self.fail(f'{words}: {line!r} is not printed, or not there')

    def test_as_written(self):
        found = examples()
        for words, lines in found:
            for part, what in BEFORE.items():
                if part in words and '--diff' not in words:
                    self.do(what)
            printed = iter(self.run_as_written(words))
            for line in filter(lambda line: line.strip() not in ('', '...'), lines):
                self.has(line, printed, words)
        self.assertEqual(len(found), 9)
        inline = re.findall(r'`(loam [^`]*\b(?:server|json)\b[^`]*)`', GUIDE.read_text())
        self.assertGreater(len(inline), 7)
        for words in inline:
            if words.endswith(' start'):
                self.run_as_written('loam prof server stop')        # it has a profile
            self.run_as_written(' '.join(words.split()))

    def test_each_question_has_its_command(self):
        """Those of the table at the top are those of the sections, five of them."""
        guide = GUIDE.read_text()
        rows = re.findall(r'^\| \[(\d)\. ([^\]]*)\]\(#([^)]*)\) \| `([^`]*)` \|$', guide, re.M)
        sections = re.split(r'^## ', guide, flags=re.M)[1:]
        self.assertEqual([int(number) for number, *_ in rows], [1, 2, 3, 4, 5])
        for (number, question, link, words), section in itertools.zip_longest(rows, sections):
            title = section.splitlines()[0]
            self.assertEqual(title, f'{number}. {question}')
            self.assertEqual(link, re.sub(r'[^\w -]', '', title.lower()).replace(' ', '-'))
            self.assertIn(f'    $ {words.replace("FILE", "loam")}\n', section)


if __name__ == '__main__':
    unittest.main()
