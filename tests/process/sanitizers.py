"""Programs built with a sanitizer run on loam, and AddressSanitizer reports their mistakes with loam's objects.

sanitizers.py COMPILER LIBLOAM_A INCLUDE MISTAKES_C THREADS_C, with the library in LOAM_SO.  Programs linked with
libloam.a call loam's own names, since libc's are the sanitizer's.  Preloaded programs run, or the sanitizer refuses in
its own words.  ThreadSanitizer does not see loam's locks and takes the reuse of a block by another thread for a race:
the programs run with its reports off.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SKIP = 77
SANITIZERS = ('address', 'thread', 'undefined')
SEEN = ('read_behind', 'write_before', 'read_after_free', 'write_after_realloc')  # by AddressSanitizer
REFUSAL = 'ASan runtime does not come first in initial library list'


def run(program, mistake, preload=''):
    env = {'PATH': os.environ['PATH'], 'ASAN_OPTIONS': 'detect_leaks=0', 'TSAN_OPTIONS': 'report_bugs=0',
           'LD_PRELOAD': preload}
    done = subprocess.run([program, mistake], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors='replace', timeout=240)
    return done.returncode, done.stdout


def try_linked(sanitizer, program, threads):
    """Yields what went wrong."""
    for path in (program, threads):
        status, text = run(path, 'nothing_wrong')
        if status != 0 or 'Sanitizer' in text:
            yield f'linked, {os.path.basename(path)}: status {status}: {text[:2000]}'
    for mistake in SEEN if sanitizer == 'address' else ():
        status, text = run(program, mistake)
        if status == 0 or not re.search(rf'ERROR: AddressSanitizer: [\s\S]*?#0 \S+ in {mistake}\b', text):
            yield f'linked, {mistake}: status {status}: {text[-2000:]}'


def try_preloaded(program):
    status, text = run(program, 'nothing_wrong', os.environ['LOAM_SO'])
    if status != 0 and not (status == 1 and REFUSAL in text):
        yield f'preloaded: status {status}: {text[-2000:]}'


def main():
    compiler, archive, include, mistakes, threads = sys.argv[1:]
    if not shutil.which(compiler):
        print(f'skipped: no {compiler}')
        return SKIP
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for sanitizer in SANITIZERS:
            linked, threaded, preloaded = (os.path.join(folder, name) for name in ('linked', 'threads', 'preloaded'))
            command = [compiler, '-O0', '-g', '-w', '-fno-builtin', f'-fsanitize={sanitizer}']
            on_loam = ['-DOWN_NAMES', '-I', include, archive, '-pthread']
            subprocess.run([*command, mistakes, *on_loam, '-o', linked], check=True)
            subprocess.run([*command, threads, *on_loam, '-o', threaded], check=True)
            subprocess.run([*command, mistakes, '-o', preloaded], check=True)
            for wrong in (*try_linked(sanitizer, linked, threaded), *try_preloaded(preloaded)):
                failed += 1
                print(f'{sanitizer}, {wrong}')
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
