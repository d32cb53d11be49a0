"""LOAM_OPTIONS=stats=exit on a python3 run: every mechanism has been at work.

The figures are read from the lines that loam prints, one a floor; each must be above zero.
"""

import os
import re
import resource
import subprocess
import sys

# A program with something for every mechanism: many small blocks of few sizes and of many,
# blocks that grow, big ones, and objects that one thread makes and another drops.
PROGRAM = r"""
import ctypes, json, random, threading, queue
random.seed(7)
held = []
for i in range(60000):
    held.append(bytes(random.choice((600, 700, 3000, 9000, 40000)) if i % 50 else 200000))
    if len(held) > 800:
        held.pop(random.randrange(len(held)))
text = json.dumps([{"k%d" % i: "v" * (i % 900)} for i in range(4000)])
tree = json.loads(text)
big = [bytearray(6 << 20) for _ in range(3)]
del big, tree
ready = queue.Queue(100)
def make():
    for i in range(20000):
        ready.put(bytes(600 + i % 5000))
    ready.put(None)
maker = threading.Thread(target=make)
maker.start()
while ready.get() is not None:
    pass
maker.join()
"""

# What must have happened, and the words around its figure.
MECHANISMS = {
    "objects of slabs": r"slab: (\d+) objects taken",
    "refills of magazines": r"(\d+) refills",
    "classes promoted": r"(\d+) classes promoted",
    "hits of small bins": r"hits: (\d+) small bin",
    "hits of unsorted": r"(\d+) unsorted",
    "hits of large bins": r"(\d+) large bin",
    "hits of the last remainder": r"(\d+) last remainder",
    "hits of top": r"(\d+) top;",
    "splits of chunks": r"heap: .* (\d+) splits",
    "merges of chunks": r"heap: .* (\d+) merges",
    "growth of top by brk": r"grown (\d+) times by brk",
    "growth of top by block": r"(\d+) by block",
    "blocks taken": r"(\d+) blocks taken",
    "splits of blocks": r"pages: .* (\d+) splits",
    "merges of blocks": r"pages: .* (\d+) merges",
    "runs": r"(\d+) runs made",
    "huge objects": r"(\d+) huge made",
}


# Addresses so scarce that no heap grows by brk.
SCARCE = 250 << 20


def statistics(program, limit=None):
    def restrict():
        if limit:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    env = {"PATH": "/usr/bin:/bin", "LD_PRELOAD": os.environ["LOAM_SO"],
           "LOAM_OPTIONS": "stats=exit", "PYTHONMALLOC": "malloc"}
    done = subprocess.run(["/usr/bin/python3", "-c", program], env=env, capture_output=True,
                          text=True, preexec_fn=restrict)
    if done.returncode != 0:
        sys.exit(f"python3 ended with {done.returncode}:\n{done.stderr}")
    return done.stderr


def main():
    text = statistics(PROGRAM)
    scarce = statistics("held = [bytes(5000 + i) for i in range(2000)]", SCARCE)
    print(text, scarce)
    idle = [what for what, pattern in MECHANISMS.items()
            if not any(int(n) for n in re.findall(pattern, text + scarce))]
    for what in idle:
        print(f"not at work: {what}")
    return bool(idle)


if __name__ == "__main__":
    sys.exit(main())
