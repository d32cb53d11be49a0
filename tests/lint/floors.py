#!/usr/bin/env python3
"""The shape of the source tree.

1. Include lines go downward: a file includes its own floor and floors below it, by a path
   that starts at src; and inside a floor modules include each other in no circle.  What a
   header declares is not defined on a floor above it.
2. The build chooses files, code does not choose with #if: it stands in the two places where
   compilers and systems differ, and nowhere else.
3. Every src/x/y.c has tests/unit/x/test_y.c, or the reason stands below.
4. Names of libc's are defined in preload alone.
5. A file can be read in one sitting.
6. The system is reached through os/ alone: no floor above it makes system calls, nor includes what
   declares them.  Only unwind/ finds functions of libc's, too.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What each floor may include beside itself.  loam is the public header.
LOWEST = ['base']
FLOORS = {'base': [], 'os': LOWEST, 'unwind': LOWEST + ['os'], 'report': LOWEST + ['os', 'unwind'],
          'pages': LOWEST + ['os', 'report']}
FLOORS['slab'] = FLOORS['heap'] = FLOORS['pages'] + ['pages']
FLOORS['arena'] = FLOORS['pages'] + ['pages', 'slab', 'heap']
FLOORS['cache'] = FLOORS['arena'] + ['arena']
FLOORS['harden'] = FLOORS['cache'] + ['cache']
FLOORS['observe'] = FLOORS['harden'] + ['harden', 'unwind']
FLOORS['api'] = FLOORS['observe'] + ['observe', 'loam']
FLOORS['preload'] = FLOORS['api'] + ['api']

# What declares system calls, or leads to libc's own functions.
SYSTEM = r'os/(?:syscall|calls|libc)\.h|fcntl\.h|unistd\.h|poll\.h|sys/(?!types)\w+\.h'

MAY_CHOOSE = ('src/base/compiler.h', 'src/os/', 'src/unwind/registers.h')
CPLUSPLUS = ('include/loam/loam.h', '#ifdef __cplusplus')

LINES_MOST = 400

NO_UNIT_TEST = {
    'base/options.c': 'rows of options.def, nothing else',
    'os/alone.c': 'tests/unit/os/test_lock.c tests what it is for',
    'os/check.c': 'tests/unit/report/test_report.c tests it',
    'os/line.c': 'tests/unit/report/test_report.c tests it',
    'os/os_linux.c': 'tests/unit/os/test_os.c tests it: each system is its os_<name>*.c',
    'os/os_linux_map.c': 'tests/unit/os/test_os.c tests it',
    'os/os_linux_files.c': 'tests/unit/os/test_files.c, of the real system as of the simulated one',
    'os/os_linux_process.c': 'tests/unit/os/test_process.c, in the same way',
    'slab/slab_check.c': 'tests/unit/slab/test_slab.c shows it each fault',
    'slab/slab_purge.c': 'tests/unit/slab/test_purge.c tests it',
    'slab/slab_take.c': 'tests/unit/slab/test_slab.c tests it',
    'heap/heap_check.c': 'tests/unit/heap/test_heap.c calls it after every step',
    'pages/huge_purge.c': 'tests/unit/pages/test_huge_objects.c tests it',
    'arena/slabs_aside.c': 'tests/unit/cache/test_shared_pages.c tests it',
    'arena/slabs_check.c': 'tests/unit/arena/test_slabs.c shows it each fault',
    'arena/slabs_idle.c': 'tests/unit/arena/test_slabs.c tests it',
    'unwind/cfi_expression.c': 'tests/unit/unwind/test_cfi.c tests it',
    'report/memcheck.c': 'tests/process/tools: what memcheck says of a program',
    'report/memcheck_none.c': 'it does nothing',
    'harden/tools.c': 'tests/process/tools: what memcheck and AddressSanitizer say of a program',
    'observe/leak.c': 'tests/process/leaks.py, against memcheck',
    'observe/roots.c': 'tests/process/leaks.py: pointers in all places, of threads that live and that are gone',
    'observe/threads.c': 'tests/process/leaks.py: threads that are gone',
    'api/aligned.c': 'tests/api/test_alignment.c, test_errno.c',
    'api/background.c': 'tests/process/test_background.c',
    'api/check.c': 'tests/api/test_own.c',
    'api/mallinfo.c': 'tests/api/test_mallinfo.c',
    'api/loam_stats.c': 'tests/unit/api/test_stats.c',
    'api/malloc_info.c': 'tests/api/test_malloc_info.c',
    'api/malloc_state.c': 'tests/api/test_sized.c',
    'api/malloc_stats.c': 'tests/api/test_malloc_info.c',
    'cache/trim.c': 'tests/unit/api/test_requests.c, tests/api/test_trim.c',
    'api/malloc_trim.c': 'tests/api/test_trim.c',
    'api/option_values.c': 'tests/unit/api/test_options.c tests it',
    'api/options_glibc.c': 'tests/unit/api/test_options.c tests it',
    'api/options_table.c': 'tests/unit/api/test_options.c tests it',
    'api/realloc.c': 'tests/api/test_realloc.c, tests/unit/api/test_alloc.c',
    'api/sizes.c': 'tests/api/test_sized.c, test_usable_size.c',
}


def sources(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob('*')
                  if path.suffix in ('.c', '.h', '.def', '.S'))


def name(path):
    return path.relative_to(ROOT).as_posix()


def floor(path):
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == 'src' else parts[0]


def wrong_includes(path, text):
    allowed = FLOORS[floor(path)] + [floor(path)]
    for header in re.findall(r'^\s*#\s*include\s+["<]([^">]+)[">]', text, re.M):
        folder, slash, _ = header.partition('/')
        if slash and folder in [*FLOORS, 'loam']:
            if folder not in allowed:
                yield f'includes {header}, which is above or beside it'
        elif (ROOT / 'src' / floor(path) / header).exists():
            yield f'"{header}" does not say its floor'


def wrong_systems(path, text):
    if floor(path) in ('base', 'os', 'preload', 'loam'):
        return
    for header in re.findall(rf'^\s*#\s*include ["<]({SYSTEM})[">]', text, re.M):
        if (floor(path), header) != ('unwind', 'os/libc.h'):
            yield f'includes {header}, which src/os alone may'


def included(path):
    """The modules of a file's own floor that it includes; x.c and x.h are one module."""
    headers = re.findall(rf'^\s*#\s*include "{floor(path)}/(\w+)\.', path.read_text(), re.M)
    return set(headers) - {path.stem}


def wrong_homes():
    """Functions that are defined on a floor above that of the header which declares them."""
    defined = {}
    for path in sources('src'):
        for function in re.findall(r'^(?!static)[A-Za-z_][\w \t*]*?\b(\w+)\([^;{}]*\)\n{', path.read_text(), re.M):
            defined.setdefault(function, path)
    for path in sources('src'):
        for function in re.findall(r'^[A-Za-z_][\w \t*]*?\b(\w+)\([^;{}]*;', path.read_text(), re.M):
            home = defined.get(function, path)
            if floor(home) not in [floor(path), *FLOORS[floor(path)]]:
                yield f'{name(path)}: declares {function}, which {name(home)} defines'


def circles():
    for which in FLOORS:
        needs = {}
        for path in sources(f'src/{which}'):
            needs.setdefault(path.stem, set()).update(included(path))
        while free := [module for module in needs if not needs[module] & needs.keys()]:
            for module in free:
                del needs[module]
        if needs:
            yield f'src/{which}: a circle of includes between {", ".join(sorted(needs))}'


def wrong_choices(path, text):
    if name(path).startswith(MAY_CHOOSE):
        return
    for line in re.findall(r'^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*', text, re.M):
        if (name(path), line.strip()) != CPLUSPLUS:
            yield f'chooses by "{line.strip()}"'


def libc_names():
    names = (ROOT / 'preload/names.txt').read_text()
    return {word for word in re.findall(r'^(\w+) ', names, re.M) if not word.startswith('loam_')}


def wrong_definitions(path, text, names):
    for function in re.findall(r'^[A-Za-z_][\w \t*]*?\b(\w+)\(', text, re.M):
        if function in names:
            yield f'declares or defines {function}, which is preload\'s'


def wrong_lengths():
    for path in sources('src'):
        module, lines = path.relative_to(ROOT / 'src').as_posix(), len(path.read_text().splitlines())
        if lines > LINES_MOST:
            yield f'src/{module}: has {lines} lines, over {LINES_MOST}'


def wrong_tests():
    for path in sources('src'):
        module = path.relative_to(ROOT / 'src').as_posix()
        test = ROOT / 'tests/unit' / path.parent.name / f'test_{path.stem}.c'
        if path.suffix != '.c':
            continue
        if test.exists() == (module in NO_UNIT_TEST):
            yield (f'src/{module}: has {name(test)} and is excepted from it' if test.exists()
                   else f'src/{module}: {name(test)} does not exist')
    for module in NO_UNIT_TEST:
        if not (ROOT / 'src' / module).exists():
            yield f'src/{module}: excepted from a unit test, but does not exist'


def main():
    wrong = [*wrong_tests(), *wrong_lengths(), *wrong_homes(), *circles()]
    names = libc_names()
    for path in sources('src', 'preload', 'include'):
        text = path.read_text()
        found = list(wrong_choices(path, text))
        if floor(path) in FLOORS:
            found += wrong_includes(path, text)
            found += wrong_systems(path, text)
        if floor(path) != 'preload':
            found += wrong_definitions(path, text, names)
        wrong += [f'{name(path)}: {what}' for what in found]
    print('\n'.join(wrong))
    return 1 if wrong else 0


sys.exit(main())
