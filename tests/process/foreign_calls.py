"""ctypes finds malloc and its like behind libc's handle: what they give and take is the process's.  So it is
where two copies of the library are preloaded.

Takes the library's path from LOAM_SO.
"""
import os
import shutil
import subprocess
import sys
import tempfile

CALLS = """
import ctypes
libc, everything = ctypes.CDLL("libc.so.6"), ctypes.CDLL(None)
for library in libc, everything:
    library.malloc.restype = library.strdup.restype = library.realloc.restype = ctypes.c_void_p
    library.realloc.argtypes = ctypes.c_void_p, ctypes.c_size_t
    library.free.argtypes = library.malloc_usable_size.argtypes = (ctypes.c_void_p,)
libc.free(everything.malloc(100))
everything.free(libc.malloc(100))
libc.free(libc.realloc(libc.strdup(b"text"), 100000))
block = everything.malloc(1000)
assert libc.malloc_usable_size(block) >= 1000
libc.free(block)
blocks = [bytes(50000) for _ in range(1000)]
del blocks
def resident():
    return int(open("/proc/self/statm").read().split()[1])
for n in range(300):
    everything.memset(ctypes.c_void_p(everything.malloc(100000)), 1, 100000)
held = [ctypes.c_void_p(libc.malloc(100000)) for _ in range(500)]
for block in held:
    everything.memset(block, 1, 100000)
for block in held:
    libc.free(block)
before = resident()
assert libc.malloc_trim(0) == 1
assert resident() < before, (resident(), before)
"""


def is_well(preload):
    done = subprocess.run([sys.executable, '-c', CALLS], capture_output=True, text=True,
                          env={**os.environ, 'LD_PRELOAD': preload})
    print(f'{preload}: {done.returncode}', done.stdout, done.stderr)
    return done.returncode == 0 and not done.stderr


def main():
    library = os.environ['LOAM_SO']
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(library, folder)
        return 0 if is_well(library) & is_well(f'{library}:{copy}') else 1


sys.exit(main())
