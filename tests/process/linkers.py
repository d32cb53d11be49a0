"""Programs that a given linker links with libloam.a run to their end, and what loam seals is read-only in them.

linkers.py LIBLOAM_A LINKER SOURCE...   each kind of link that gcc makes; LINKER as in -fuse-ld=LINKER
linkers.py LIBLOAM_A rust SOURCE        as rustc links: linkers.rs

What is sealed lies between two names of the archive, which no linker changes; the rest of the program's data
is written by the program itself (linkers.c).
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SKIP = 77
PAGE = 4096
INCLUDE = '-I' + os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../include')
SEALED = ('seal_begin', 'seal_end')
KINDS = {  # compiler's flags, linker's flags
    'dynamic': ([], []),
    'no-pie': (['-fno-pie'], ['-no-pie']),
    'static': ([], ['-static']),
    'static-pie': (['-fPIE'], ['-static-pie']),
    'static-c++': ([], ['-static', '-Wl,-u,__cxa_throw']),  # whose library has probes of its own
    'lto': (['-flto'], ['-flto']),
}
LIBRARY = """
#include <new>
extern "C" int refused()
{
    try {
        ::operator delete(::operator new(static_cast<std::size_t>(-1) / 4));
    } catch (const std::bad_alloc &) {
        return 1;
    }
    return 0;
}
"""
CALLER = "int refused(void); int main(void) { return !refused(); }"
HIDER = "#include <stdlib.h>\nint main(void) { free(malloc(100)); return 0; }"
LACKING = {('gold', 'static-pie'), ('lld', 'lto')}  # gcc cannot link so with these linkers


def links(linker, sources, archive):
    """Yields what each link is called and its command, but for the output."""
    for kind, (compile_flags, link_flags) in KINDS.items():
        if (linker, kind) in LACKING:
            continue
        for drop in ([], ['-Wl,--gc-sections']):
            flags = ['-O1', '-ffunction-sections', '-fdata-sections', '-fno-builtin', '-D_GNU_SOURCE', INCLUDE,
                     *compile_flags, *link_flags]
            yield ' '.join([kind, *drop]), ['gcc', f'-fuse-ld={linker}', *flags, *sources, *drop, '-Wl,-u,malloc',
                                            archive, '-pthread', *(['-lstdc++'] if kind == 'static-c++' else [])]


def addresses(program):
    """Of the names in its symbol table."""
    table = subprocess.run(['nm', program], capture_output=True, text=True, check=True).stdout
    return {name: int(address, 16) for address, name in re.findall(r'^(\w+) \w (\S+)$', table, re.M)}


def what_is_wrong(program):
    """Runs it; what it did wrong, or an empty string."""
    done = subprocess.run([program], env={**os.environ, 'LOAM_OPTIONS': 'confirm'}, capture_output=True, text=True,
                          errors='replace')
    at = re.search(r'^(\w+) where$', done.stdout, re.M)
    if done.returncode != 0 or not at:
        return f'status {done.returncode}: {done.stderr[-2000:]}'
    if 'loam: confirm=yes (LOAM_OPTIONS)' not in done.stderr:
        return 'has not found its options'
    names = addresses(program)
    if not names.keys() >= set(SEALED):
        return f'has no {" or ".join(SEALED)}'
    begin, end = (int(at[1], 16) - names['where'] + names[name] for name in SEALED)
    if begin % PAGE or end % PAGE or begin >= end:
        return f'sealed from {begin:#x} to {end:#x}, which are not whole pages'
    sealed = 0
    for start, stop, rights in re.findall(r'^(\w+)-(\w+) (\S+)', done.stdout, re.M):
        start, stop = max(int(start, 16), begin), min(int(stop, 16), end)
        sealed += max(stop - start, 0) if rights == 'r--p' else 0
    return '' if sealed == end - begin else f'{sealed} of {end - begin} bytes are read-only:\n{done.stdout}'


def catches(linker, archive, folder):
    """Whether a program in C runs well whose library in C++ catches what loam's operator new throws."""
    library, program = os.path.join(folder, 'library.so'), os.path.join(folder, 'caller')
    for source, command in ((LIBRARY, ['g++', '-shared', '-fPIC', '-o', library]),
                            (CALLER, ['gcc', f'-fuse-ld={linker}', '-o', program])):
        beside = [library, '-Wl,-u,malloc', archive, '-pthread'] if source is CALLER else []
        language = 'c' if source is CALLER else 'c++'
        subprocess.run([*command, '-x', language, '-', '-x', 'none', *beside], input=source, text=True, check=True)
    done = subprocess.run([program], capture_output=True, text=True, errors='replace')
    print(f'library in C++: {done.stderr or "well"}')
    return done.returncode == 0


def tells_of_hiding(linker, archive, folder):
    """Whether a program that hides loam's malloc from libc says so, in one line, and one that does not says nothing."""
    program, said = os.path.join(folder, 'hiding'), []
    for flags in ([], ['-Wl,--exclude-libs,ALL']):
        subprocess.run(['gcc', f'-fuse-ld={linker}', '-x', 'c', '-', '-x', 'none', '-fno-builtin', *flags, '-o', program,
                        '-Wl,-u,malloc', archive, '-pthread'], input=HIDER, text=True, check=True)
        done = subprocess.run([program], capture_output=True, text=True, errors='replace',
                              env=os.environ | {'LOAM_OPTIONS': 'report=full'})
        said.append(f'{done.returncode} {done.stderr}')
    print(f'hidden malloc: {said}')
    return said[0] == '0 ' and re.fullmatch(r'0 loam: malloc is hidden from the program.* --exclude-libs.*\n', said[1])


def try_links(commands, folder):
    failed = 0
    for name, command in commands:
        program = os.path.join(folder, 'program')
        linked = subprocess.run([*command, '-o', program], cwd=folder, capture_output=True, text=True,
                                errors='replace')
        wrong = linked.stderr[-2000:] if linked.returncode else what_is_wrong(program)
        if wrong:
            failed += 1
        print(f'{name}: {wrong or "well"}')
    return failed


def main():
    archive, linker = os.path.abspath(sys.argv[1]), sys.argv[2]
    if not shutil.which('rustc' if linker == 'rust' else f'ld.{linker}'):
        print(f'skipped: no {"rustc" if linker == "rust" else "linker " + linker}')
        return SKIP
    if linker == 'rust':
        library = ['-L', os.path.dirname(archive), '-l', 'static=loam']
        commands = [('rust', ['rustc', '-O', '--edition=2021', os.path.abspath(sys.argv[3]), *library])]
    else:
        sources = [os.path.abspath(source) for source in sys.argv[3:]]
        commands = links(linker, sources, archive)
    with tempfile.TemporaryDirectory() as folder:
        return try_links(commands, folder) > 0 or (linker != 'rust' and not (
            catches(linker, archive, folder) and tells_of_hiding(linker, archive, folder)))


if __name__ == '__main__':
    sys.exit(main())
