"""gcc, g++ and clang on sources of 20,000 lines and of many templates; and what they compile."""
import functools
import subprocess

from harness import program


def gcc_part(name):
    """The path of a compiler proper, which the driver gcc starts."""
    return subprocess.getoutput(f'/usr/bin/gcc -print-prog-name={name}')


@functools.cache
def many_functions():
    """A C program of 20,000 lines: a thousand functions of twenty lines that call each other."""
    lines = ['#include <stdio.h>', 'struct node { unsigned key, count[8]; };']
    for n in range(1000):
        lines += [f'unsigned f{n}(unsigned x, struct node *list)', '{',
                  f'\tunsigned sum = x * {n * 7 + 3}u;',
                  f'\tstruct node *at = list + {n % 5};']
        for k in range(7):
            lines += [f'\tfor (unsigned i = 0; i < {k + n % 3 + 1}u; i++)',
                      f'\t\tsum += at->count[(i + x) % 8] ^ (sum >> {k + 1}) ^ {n * k}u;']
        lines += [f'\tif (sum % {n + 2} == 0)',
                  f'\t\tsum += f{n - 1}(sum, list);' if n else '\t\tsum++;',
                  '\treturn sum;', '}']
    calls = '\n'.join(f'\tsum = sum * 31 + f{n}(sum, list);' for n in range(1000))
    lines.append('int main(void)\n{\n\tstruct node list[5] = {{1, {2, 3, 4, 5, 6, 7, 8, 9}}};\n'
                 f'\tunsigned sum = 1;\n{calls}\n\tprintf("%u\\n", sum);\n\treturn 0;\n}}')
    return '\n'.join(lines) + '\n'


def compile_and_run(run, compiler, source, *options):
    """The assembly, byte for byte, and what the program prints, itself under the preload."""
    run(compiler, '-O2', *options, '-S', '-o', 'out.s', source)
    run(compiler, '-o', 'program', 'out.s', *options)
    return (run.dir / 'out.s').read_text().splitlines(), run('./program')


def compile_c(run, compiler):
    (run.dir / 'many.c').write_text(many_functions())
    return compile_and_run(run, compiler, 'many.c')


def compile_cxx(run, compiler):
    return compile_and_run(run, compiler, run.sources / 'containers.cc', '-std=c++17', '-pthread')


@program(gcc_part('cc1'))
def gcc(run):
    return compile_c(run, 'gcc')


@program(gcc_part('cc1plus'))
def gxx(run):
    return compile_cxx(run, 'g++')


@program('/usr/bin/clang')
def clang(run):
    return compile_c(run, 'clang'), compile_cxx(run, 'clang++')
