"""Compilers: gcc on much generated C, g++ and clang on templates; what they print is assembly."""
from programs import inputs
from programs.program import SCRIPTS, CommandProgram

TEMPLATES = SCRIPTS / 'templates.cc'


GCC_SIZES = (4, 40, 150)    # message classes
CXX_SIZES = ('-fsyntax-only', 0), ('-O0', 0), ('-O1', 2)    # and types for the templates


def make_c(dir):
    for count in GCC_SIZES:
        (dir / f'messages{count}.c').write_text(inputs.messages_c(count))


def templates(name, compiler, packages):
    return CommandProgram(
        name, 'Headers of the standard library and templates: many small nodes, most of them kept '
        'to the end. Matters to whoever waits for a build.',
        f"Debian's {packages[0]} on bench/programs/scripts/templates.cc", packages, CXX_SIZES,
        argv=lambda dir, size: [compiler, '-std=c++17', size[0], f'-DTYPES={size[1]}', '-S',
                                '-o', '-', TEMPLATES])


WORKLOADS = [
    CommandProgram(
        'gcc', 'A compiler that optimises many small functions: obstacks, hash tables, bitmaps. '
        'Matters to whoever builds software in C.', "Debian's gcc on generated message classes",
        ('gcc', 'libc6-dev'), GCC_SIZES, make=make_c,
        argv=lambda dir, size: ['/usr/bin/gcc', '-O2', '-S', '-o', '-', dir / f'messages{size}.c']),
    templates('gxx', '/usr/bin/g++', ('g++',)),
    templates('clang', '/usr/bin/clang++', ('clang', 'g++')),
]
