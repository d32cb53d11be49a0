#!/usr/bin/env python3
"""header.py HEADER: loam.h compiles without a warning in every standard of C and C++, by gcc and clang, in C
also where a program has macros under the names of malloc and free.
"""
import shutil
import subprocess
import sys

STANDARDS = {'c': ('c89', 'gnu89', 'c99', 'c11', 'c2x'), 'c++': ('c++98', 'c++11', 'c++17', 'c++20')}
COMPILERS = {'c': ('gcc', 'clang'), 'c++': ('g++', 'clang++')}
FLAGS = ['-pedantic', '-Wall', '-Wextra', '-Wshadow', '-Wundef', '-Wwrite-strings', '-Werror', '-fsyntax-only']
MACROS = '#define malloc loam_malloc\n#define free loam_free\n'


def said(compiler, language, standard, header, before):
    """What the compiler prints for a file that includes the header; empty without warnings."""
    command = [compiler, f'-std={standard}', *FLAGS, '-x', language, '-']
    done = subprocess.run(command, input=f'{before}#include "{header}"\n', capture_output=True, text=True)
    return done.stderr or ('failed' if done.returncode else '')


def main(header):
    wrong = 0
    for language, standards in STANDARDS.items():
        for compiler in filter(shutil.which, COMPILERS[language]):
            for standard in standards:
                for before in ('', MACROS) if language == 'c' else ('',):
                    text = said(compiler, language, standard, header, before)
                    wrong += bool(text)
                    print(f'{compiler} -std={standard}: {text[:2000]}' if text else '', end='')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
