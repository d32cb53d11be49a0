"""test_gdb.py INSPECTED STATIC: gdb's commands beside loam, of a process that gdb has stopped and of a core dump of
it, against what the program says of itself.  STATIC is the same program with libloam.a.
"""
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from target import environment

INSPECTED, STATIC = map(os.path.abspath, sys.argv[1:3])
sys.argv[1:] = sys.argv[3:]
LIBRARY = Path(os.environ['LOAM_SO']).resolve()
SCRIPT = Path(f'{LIBRARY}-gdb.py')

BEFORE = '''set pagination off
set confirm off
set print thread-events off
set auto-load python-scripts {auto_load}
{allowed}
python
import gdb, os
def addresses():
    path = os.environ.get('OUT')
    lines = open(path).read().splitlines()[:-1] if path else []
    return {{name: address for name, address, _ in map(str.split, lines)}}
def do(command):
    try:
        said = gdb.execute(command.format(**addresses()), to_string=True)
    except gdb.error as error:
        said = f'error: {{error}}'
    print(f'<<<{{said}}>>>', flush=True)
end
'''
Block = collections.namedtuple('Block', 'address usable')


def gdb(lines, *argv, sourced=True, allowed='', **env):
    """What each line that do() ran has printed."""
    with tempfile.NamedTemporaryFile('w', suffix='.gdb') as script:
        script.write(BEFORE.format(auto_load='off' if sourced else 'on', allowed=allowed))
        script.write(f'source {SCRIPT}\n' if sourced else '')
        script.write('\n'.join(lines) + '\n')
        script.flush()
        done = subprocess.run(['gdb', '-nx', '-batch', '-x', script.name, *map(str, argv)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=240, env=environment(False, **env))
    said = re.findall(r'<<<(.*?)>>>', done.stdout, re.S)
    if len(said) != sum(line.startswith('python do(') for line in lines):
        raise AssertionError(f'{lines}: {done.stdout}{done.stderr}')
    return said if sourced else (said, done.stdout + done.stderr)


def do(command):
    return f'python do({command!r})'


def to_stop(out, mode='', preloaded=LIBRARY, **options):
    """The lines that bring the program to where it stops; its output goes to a file."""
    wrapper = [f'LD_PRELOAD={preloaded}'] if preloaded else []
    wrapper += [f'LOAM_OPTIONS={options["options"]}'] if options else []
    return [f'set exec-wrapper env {" ".join(wrapper)}'] * bool(wrapper) + ['break stop', f'run {mode} > {out}']


class Session:
    """A run of the program up to where it stops."""

    def __init__(self, folder, program=INSPECTED, preloaded=LIBRARY, mode='', core=False, **options):
        self.folder, self.program, self.preloaded, self.mode = Path(folder), program, preloaded, mode
        self.options, self.core, self.blocks, self.all = options, core, {}, collections.defaultdict(set)

    def do(self, *commands):
        """What they print.  They may name blocks that the program has printed, as {object}."""
        out = self.folder / 'out'
        start = to_stop(out, self.mode, self.preloaded, **self.options)
        core, lines = self.folder / 'core', list(map(do, commands))
        if self.core:
            gdb([*start, do(f'gcore {core}')], self.program)
            said = gdb(lines, self.program, core, OUT=str(out))
        else:
            said = gdb([*start, *lines], self.program, OUT=str(out))
        self.read(out)
        return said

    def read(self, out):
        self.blocks.clear()
        self.all.clear()
        for line in out.read_text().splitlines():
            if line != 'ready':
                name, address, usable = line.split()
                block = Block(int(address, 16), int(usable))
                self.all[name].add(block.address)
                self.blocks[name] = block


class Gdb(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    # ---- What a program knows of itself.

    def agree(self, **how):
        session = Session(self.folder, **how)
        names = ['object', 'cached', 'freed', 'before', 'free_chunk', 'behind', 'short_run', 'run', 'huge']
        said = session.do(*(f'loam what {{{name}}}+1' for name in names), 'loam neighbours {before}',
                          'loam neighbours {behind}', 'loam neighbours {object}', 'loam objects 90 100000',
                          'loam objects chunks 100000', 'loam objects huge', 'loam objects runs', 'loam arena', 'loam arena 1')
        self.each_is_known(session, names, said)
        said = said[len(names):]
        self.neighbours_are(session, *said[:3])
        self.all_are_listed(session, *said[3:7])
        if how.get('mode') != 'thread':
            self.arenas_agree(*said[3:5], *said[7:9])
        return session

    def each_is_known(self, session, names, said):
        kinds = {'before': 'chunk', 'free_chunk': 'chunk', 'behind': 'chunk', 'short_run': 'run', 'run': 'run',
                 'huge': 'huge object'}
        states = {'cached': r'free, in the cache of thread \d+', 'freed': 'free.*', 'free_chunk': 'free'}
        for name, words in zip(names, said):
            block = session.blocks[name]
            self.assertRegex(words, rf'^{kinds.get(name, "object")} of {block.usable} bytes at {block.address:#x}'
                                    rf'(, arena \d)?: {states.get(name, "in use")};'
                                    rf' {block.address + 1:#x} is 1 byte into it\n', name)

    def neighbours_are(self, session, of_before, of_behind, of_object):
        at = {name: f'{block.address:#x}' for name, block in session.blocks.items()}
        self.assertRegex(of_before, rf'(?s)^before: chunk .*\nhere: chunk .* {at["before"]}, .*: in use\n'
                                    rf'behind: chunk .* {at["free_chunk"]}, arena \d: free\n$')
        self.assertRegex(of_behind, rf'^before: chunk .* {at["free_chunk"]}, arena \d: free\nhere: chunk .* {at["behind"]},'
                                    r' .*: in use\nbehind: chunk .*: in use\n$')
        near = [int(word, 16) for word in re.findall(r'at (0x\w+), arena \d', of_object)]
        size = session.blocks['object'].usable
        self.assertEqual(near, [session.blocks['object'].address + i * size for i in (-1, 0, 1)])

    def all_are_listed(self, session, objects, chunks, huge, runs):
        listed = {int(word, 16) for word in re.findall('^0x[0-9a-f]+$', objects, re.M)}
        in_chunks = {int(word, 16) for word in re.findall(r'^(0x[0-9a-f]+) \d+$', chunks, re.M)}
        held, gone = session.all['held'], session.all['gone']
        self.assertEqual(len(held) + len(gone), 4000)
        self.assertFalse(held - listed - in_chunks)
        self.assertFalse(gone & (listed | in_chunks))
        self.assertLess(len(listed - held), 8)      # libc's own
        self.assertGreater(len(listed), 1500)
        self.assertEqual(huge, f'{session.blocks["huge"].address:#x} {session.blocks["huge"].usable}\nhuge: 1 in use, 0 free\n')
        for name in ('short_run', 'run'):
            self.assertIn(f'{session.blocks[name].address:#x} {session.blocks[name].usable}\n', runs)

    def arenas_agree(self, objects, chunks, arenas, arena):
        in_use, cached, free = map(int, re.search(r'(\d+) in use; (\d+) free in caches.* (\d+) in slabs', objects).groups())
        row = re.search(r'^ +96 +(\d+) +(\d+) +(\d+)$', arena, re.M)
        self.assertEqual((int(row[2]), int(row[3])), (in_use + cached, free))
        self.assertEqual(arenas.count('\n'), 2, arenas)
        of_chunks = [tuple(map(int, found)) for found in re.findall(r'(\d+) chunks in use .* (\d+) free ones', arena)]
        both = re.search(r'chunks: (\d+) in use, (\d+) free', chunks)
        self.assertEqual(tuple(map(sum, zip(*of_chunks))), (int(both[1]), int(both[2])))

    def test_stopped(self):
        self.agree()

    def test_a_core_dump(self):
        self.agree(core=True)

    def test_a_thread(self):
        self.agree(mode='thread')

    def test_without_symbols(self):
        stripped = self.folder / 'libloam.so'
        subprocess.run(['strip', '--strip-all', LIBRARY, '-o', stripped], check=True)
        self.agree(preloaded=stripped)
        self.agree(preloaded=stripped, core=True)

    def test_linked_statically(self):
        self.agree(program=STATIC, preloaded=None)
        self.agree(program=STATIC, preloaded=None, core=True)

    def test_a_core_dump_without_its_files(self):
        """The first bytes of files are in the dump."""
        copy, library = self.folder / 'program', self.folder / 'libloam.so'
        shutil.copy(INSPECTED, copy)
        shutil.copy(LIBRARY, library)
        session = Session(self.folder, program=copy, preloaded=library, core=True)
        session.do()
        copy.unlink()
        library.unlink()
        block = session.blocks['object']
        said, = gdb([do(f'loam what {block.address:#x}')], '--core', self.folder / 'core')
        self.assertRegex(said, rf'^object of 96 bytes at {block.address:#x}, arena 1: in use\n')

    # ---- With options.

    def test_sampled_stacks(self):
        session = Session(self.folder, options='prof=16')
        for core in (False, True):
            session.core = core
            said, = session.do('loam what {object}')
            self.assertRegex(said, r'(?s) 96 bytes were asked for\n  allocated \(sampled by prof\):\n.*'
                                   r'    allocate  inspected.c:\d+\n    have_objects  inspected.c:\d+\n    work  inspected.c:\d+\n')

    def test_sampled_objects(self):
        session = Session(self.folder, options='guard=1')
        sampled, other = session.do('loam what objects[100]', 'loam what {object}')
        self.assertRegex(sampled, r'(?s)^sampled object of 96 bytes at 0x\w+: in use\n  allocated by thread 0x\w+:\n'
                                  r'.*    allocate  inspected.c:\d+\n    have_objects ')
        self.assertRegex(other, 'object of 96 bytes')

    def test_fences(self):
        """Usable is what was asked for; what is freed waits in quarantine."""
        for level in (2, 3):
            session = Session(self.folder, options=f'harden={level}')
            said = session.do('loam what {object}', 'loam what {cached}', 'loam what {run}', 'loam what {huge}')
            for name, words in zip(('object', 'cached', 'run', 'huge'), said):
                self.assertRegex(words, rf'of \d+ bytes at {session.blocks[name].address:#x}')
                if name != 'cached':
                    self.assertRegex(words, rf' of {session.blocks[name].usable} bytes at 0x\w+(, arena 1)?: in use\n')
            self.assertIn('free, in quarantine', said[1])

    # ---- How it is loaded.

    def test_gdb_loads_it_by_itself(self):
        lines = [*to_stop(self.folder / 'out'), do('loam what objects[1999]')]
        said, _ = gdb(lines, INSPECTED, sourced=False, allowed=f'add-auto-load-safe-path {LIBRARY.parent}')
        self.assertRegex(said[0], '^object of 96 bytes')
        said, printed = gdb(lines, INSPECTED, sourced=False)
        self.assertRegex(said[0], '^error: Undefined command: "loam"')
        self.assertRegex(printed, rf'{re.escape(str(SCRIPT))}" auto-loading has been declined')

    def test_it_leaves_no_files(self):
        look = Path(__file__).resolve().parents[2] / 'preload/look'
        gdb([do('help loam')])
        self.assertEqual(list(look.rglob('__pycache__')), [])

    # ---- What is wrong.

    def refused(self, session, pattern, *commands):
        for words in session.do(*commands):
            self.assertRegex(words, rf'^error: loam: {pattern}$')
            self.assertEqual(words.count('\n'), 0)

    def test_no_process_or_no_loam(self):
        for words in gdb([do('loam what 16'), do('loam arena'), do('loam neighbours 16'), do('loam objects 16')], INSPECTED):
            self.assertEqual(words, 'error: loam: there is no process: run one, attach to one, or open a core dump')
        session = Session(self.folder, preloaded=None)
        self.refused(session, r'process \d+ does not run on loam: start it by `loam run`, or link it with loam',
                     'loam what {object}', 'loam arena', 'loam neighbours {object}', 'loam objects 96')

    def test_what_is_not_loams(self):
        said = Session(self.folder).do('loam what 0', 'loam what 16', 'loam what &objects', 'loam what main',
                                       'loam neighbours $sp', 'loam what -1')
        for words, pattern in zip(said, ('0x0 is no address', "0x10 is not loam's", "0x\\w+ is not loam's",
                                         "0x\\w+ is not loam's", "0x\\w+ is not loam's", "0xffffffffffffffff is not loam's")):
            self.assertRegex(words, f'^{pattern}\n$')

    def test_wrong_words(self):
        for command, pattern in (('loam what', 'which address.*'), ('loam neighbours', 'which address.*'),
                                 ('loam objects', 'which class.*'), ('loam objects 1 2 3', 'which class.*'),
                                 ('loam what nosuch', 'nosuch is no address: No symbol.*'),
                                 ('loam arena 77', 'there is no arena 77: there are 1 to 1'),
                                 ('loam objects 99999', 'there is no size class of 99999 bytes: they end at 32768'),
                                 ('loam objects 0', 'there is no size class of 0 bytes.*')):
            self.refused(Session(self.folder), pattern, command)

    def test_overwritten_fences(self):
        session = Session(self.folder, mode='damaged')
        said = session.do('loam what written', 'loam what {short_run}', 'loam neighbours {short_run}')
        for word in ('before', 'behind'):
            self.assertIn(f'  the word {word} it is not as loam wrote it: something was written there\n', said[0])
        self.assertNotIn('the word', said[1])
        self.assertNotIn('is the same', said[2])

    def test_an_overwritten_header(self):
        """It is named; what lies before it is found as ever, and so is what is no chunk."""
        session = Session(self.folder, mode='damaged')
        said = session.do('loam what {before}', 'loam what {object}', 'loam what chunks[41]', 'loam neighbours chunks[40]',
                          'loam objects chunks', 'print/x (unsigned long)chunks[41] - 8')
        header = re.search(r'0x\w+', said[5])[0]
        self.assertRegex(said[0], ': in use')
        self.assertRegex(said[1], ': in use')
        for words in said[2:5]:
            self.assertRegex(words, rf'^error: loam: the heap( of process \d+)? is damaged: the header at {header} was overwritten$')

    def test_other_damage(self):
        """The page map, descriptors, the page of figures: a line each."""
        poke = 'set var *(unsigned long *)({}) = {}'
        said = gdb([*to_stop(self.folder / 'out'), 'python from outside import gdb_commands as c; f = c.opened()',
                    'python tag, kind, _ = f.tag_at(int(gdb.parse_and_eval("objects[1999]")))',
                    'python gdb.execute("' + poke.format('%d', '-1') + '" % (tag + f.page.slab_size))',
                    do('loam what objects[1999]'), do('loam objects 96'),
                    'python gdb.execute("' + poke.format('%d', '1') + '" % f.page.address)',
                    do('loam what objects[1999]'), do('loam arena')], INSPECTED)
        for words in said[:2]:
            self.assertRegex(words, r'^error: loam: the heap( of process \d+)? is damaged: the descriptor of a slab at 0x\w+'
                                    ' contradicts itself$')
        for words in said[2:]:
            self.assertRegex(words, r'^error: loam: the page of figures of process \d+ is damaged: it does not begin as one$')


if __name__ == '__main__':
    unittest.main()
