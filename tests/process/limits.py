"""Starts and threads under limits of memory: what runs with libc's allocator runs with loam.

limits.py MODEST FILLER, with the library in LOAM_SO.  From the smallest limit under which MODEST runs
without the library, it must run with it.  The threads hold all they ever hold at the same time.
Under a limit of data 16 of them may need 8 MiB more: libc's arenas are not counted there until
they are used, loam's page map is.

FILLER holds 55 MB, the most of what its limit allows: what loam has for itself is seen there.
"""
import os
import resource
import subprocess
import sys

LADDER_KIB = (20000, 22000, 25000, 30000, 36000, 44000, 54000, 66000, 80000, 100000, 130000, 170000,
              220000, 300000, 400000, 500000, 700000, 1000000, 1500000, 2200000)
ATTEMPTS = 8
FILLED_KIB = 54000
FILLER_MORE_KIB = 3400  # page map, library, metadata, what no object fits
STACK = 1 << 20  # each thread's, so that threads fit in the first steps


def runs(command, limit, kib, preload):
    def restrict():
        resource.setrlimit(resource.RLIMIT_STACK, (STACK, STACK))
        resource.setrlimit(limit, (kib << 10, kib << 10))

    env = {"LD_PRELOAD": preload} if preload else {}
    done = subprocess.run(command, env=env, preexec_fn=restrict, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode == 0, f"status {done.returncode}: {done.stdout.strip()}"


def smallest_for_libc(command, limit):
    """The first step at which libc's allocator is well several times in a row."""
    for kib in LADDER_KIB:
        if all(runs(command, limit, kib, None)[0] for _ in range(ATTEMPTS)):
            return kib
    return None


def fills(size, limit, kib, preload):
    return runs([sys.argv[2], size, str(FILLED_KIB)], limit, kib, preload)[0]


def check_filler(name, limit):
    failures = 0
    for size in ("48", "100", "mixed", "5000", "50000", "300000", "8000000"):
        kib = FILLED_KIB
        while not fills(size, limit, kib, None):
            kib += 250
        print(f"{name}: objects of {size} bytes fit in {kib} KiB with libc's allocator")
        if not fills(size, limit, kib + FILLER_MORE_KIB, os.environ["LOAM_SO"]):
            failures += 1
            print(f"FAILED with {FILLER_MORE_KIB} KiB more")
    return failures


def main():
    failures = check_filler("ulimit -v", resource.RLIMIT_AS) + check_filler("ulimit -d", resource.RLIMIT_DATA)
    for name, limit in (("ulimit -v", resource.RLIMIT_AS), ("ulimit -d", resource.RLIMIT_DATA)):
        for threads in (0, 1, 4, 16):
            more = 8192 if limit == resource.RLIMIT_DATA and threads == 16 else 0
            command = [sys.argv[1], str(threads), "together"]
            smallest = smallest_for_libc(command, limit)
            print(f"{name}: {threads} threads run from {smallest} KiB with libc's allocator")
            if not smallest:
                failures += 1
                continue
            for kib in LADDER_KIB[LADDER_KIB.index(smallest):]:
                well, how = runs(command, limit, kib + more, os.environ["LOAM_SO"])
                if not well:
                    failures += 1
                    print(f"FAILED {name} {kib + more}, {threads} threads: {how}")
    return 1 if failures else 0


sys.exit(main())
