"""The allocator opened by dlopen, beside that of libc: its own names work, in every thread, and
nothing of it lies where libc's heap grows by brk.

Takes the library's path from LOAM_SO, or as its argument.  Opening it must find room for its thread
variable in threads that already run.
"""
import ctypes
import os
import random
import sys
import threading

THREADS = 200
BLOCKS = 300


def open_library(flags):
    lib = ctypes.CDLL(sys.argv[1] if len(sys.argv) > 1 else os.environ["LOAM_SO"], mode=flags)
    size, pointer = ctypes.c_size_t, ctypes.c_void_p
    for name, result, args in (
            ("loam_malloc", pointer, [size]),
            ("loam_calloc", pointer, [size, size]),
            ("loam_realloc", pointer, [pointer, size]),
            ("loam_free", None, [pointer]),
            ("loam_malloc_usable_size", size, [pointer]),
            ("loam_owns", ctypes.c_bool, [pointer]),
            ("loam_check", ctypes.c_bool, [])):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, args
    return lib


def use(lib, seed):
    """Allocates, fills and grows blocks; returns those still alive as (address, size, byte)."""
    rng = random.Random(seed)
    live = []
    for _ in range(BLOCKS):
        size = rng.choice((rng.randrange(1, 600), rng.randrange(1, 200000)))
        byte = rng.randrange(256)
        block = lib.loam_malloc(size)
        assert block and block % 16 == 0 and lib.loam_owns(block)
        assert lib.loam_malloc_usable_size(block) >= size
        ctypes.memset(block, byte, size)
        if rng.random() < 0.3:
            block = lib.loam_realloc(block, size * 2)
            assert ctypes.string_at(block, size) == bytes([byte]) * size
        live.append((block, size, byte))
        if rng.random() < 0.7:
            give_back(lib, live.pop(rng.randrange(len(live))))
    zeroed = lib.loam_calloc(1000, 50)
    assert ctypes.string_at(zeroed, 50000) == bytes(50000)
    lib.loam_free(zeroed)
    return live


def give_back(lib, block):
    address, size, byte = block
    assert ctypes.string_at(address, size) == bytes([byte]) * size
    lib.loam_free(address)


def in_break(address):
    """Whether an address lies in the data segment, which is libc's malloc's."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            if line.rstrip().endswith("[heap]"):
                start, end = (int(word, 16) for word in line.split()[0].split("-"))
                return start <= address < end
    return False


def main():
    opened = threading.Event()
    state = {"blocks": [], "failures": []}
    lock = threading.Lock()

    def run(seed):
        try:
            opened.wait()
            live = use(state["lib"], seed)
            with lock:
                state["blocks"] += live
        except BaseException as error:  # a thread's failure must reach main
            state["failures"].append(repr(error))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    state["lib"] = lib = open_library(ctypes.RTLD_LOCAL)
    opened.set()
    for thread in threads:
        thread.join()
    stray = sum(in_break(address) for address, _, _ in state["blocks"])
    if stray:
        state["failures"].append(f"{stray} of {len(state['blocks'])} blocks lie where libc's heap grows")
    for block in state["blocks"]:
        give_back(lib, block)
    for block in use(open_library(ctypes.RTLD_GLOBAL), 1):
        give_back(lib, block)
    if hasattr(lib, "use_operators") and not lib.use_operators():
        state["failures"].append("operators of C++, or blocks of libc, are not served")
    if not lib.loam_check():
        state["failures"].append("the heap is not sound")
    text = ctypes.create_string_buffer(100)
    if lib.loam_owns(ctypes.addressof(text)):
        state["failures"].append("claims a block of Python's")
    for failure in state["failures"]:
        print(failure)
    return 1 if state["failures"] else 0


sys.exit(main())
