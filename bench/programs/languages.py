"""Interpreters: python3, lua, perl, ruby and node, on scripts of ours and a text of Debian's."""
from programs import inputs
from programs.program import SCRIPTS, CommandProgram


def script(name, why, interpreter, package, file, sizes, env=None):
    """A script that takes its size and a text, and prints a checksum."""
    return CommandProgram(
        name, why, f"Debian's {package} on bench/programs/scripts/{file}", (package,), sizes,
        make=inputs.text, env=env or {},
        argv=lambda dir, size: [interpreter, SCRIPTS / file, size, dir / 'text'])


def python(name, why, file, sizes, env=None):
    return script(name, why, '/usr/bin/python3', 'python3', file, sizes, env)


def lua(name, why, file, sizes):
    return script(name, why, '/usr/bin/lua5.4', 'lua5.4', file, sizes)


def ruby(name, why, file, sizes):
    return script(name, why, '/usr/bin/ruby', 'ruby', file, sizes)


def node(name, why, file, sizes):
    return script(name, why, '/usr/bin/node', 'nodejs', file, sizes)


WORKLOADS = [
    python('python-objects',
           'Trees of small objects, most of which die at once; python has an allocator of its own '
           'for them, so that malloc sees its arenas and what is large. Matters to whoever runs '
           'python as it comes.', 'objects.py', (20, 350, 1200)),
    python('python-objects-malloc',
           'The same with PYTHONMALLOC=malloc, each object a malloc: what an allocator can do for '
           'an interpreter. Matters to those who write one, or look for leaks in python.',
           'objects.py', (20, 300, 1000), {'PYTHONMALLOC': 'malloc'}),
    python('python-json',
           'Documents read, changed and written. Matters to web services.',
           'documents.py', (50, 9000, 36_000)),
    python('python-threads',
           'Buffers of up to 256 KiB packed and hashed by four threads and freed by a fifth. '
           'Matters to pipelines of data.', 'pipeline.py', (20, 600, 2500)),
    python('python-words',
           'Strings split, joined and counted, and dictionaries that grow. Matters to those who '
           'process text.', 'words.py', (1, 30, 120)),
    lua('lua-trees',
        'Two small blocks a node, built and collected, with a large part of the time in malloc. '
        'Matters to games and servers that embed lua.', 'trees.lua', (6, 16, 18)),
    lua('lua-words',
        'Strings of all lengths and tables that double. Matters to programs that are scripted in '
        'lua.', 'words.lua', (1, 40, 160)),
    script('perl-words',
           'Hashes of arrays, strings and regular expressions. Matters to administrators and their '
           'log files.', '/usr/bin/perl', 'perl', 'words.pl', (1, 15, 60)),
    ruby('ruby-objects',
         'Objects, structs, arrays and hashes: ruby keeps the small ones itself and asks malloc '
         'for the rest. Matters to web applications, which are known to grow.',
         'objects.rb', (200, 40_000, 150_000)),
    ruby('ruby-json',
         'Documents written and read. Matters to web services in ruby.',
         'documents.rb', (20, 9000, 36_000)),
    node('node-json',
         'Objects and strings of v8, which has nearly all in a heap of its own: shows that an '
         'allocator does no harm. Matters to servers in node.', 'documents.js', (1, 110, 450)),
    node('node-buffers',
         "Buffers outside of v8's heap, packed by zlib and freed when the collector comes by. "
         'Matters to servers in node.', 'buffers.js', (10, 3000, 11_000)),
]
