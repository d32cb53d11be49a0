"""Runs a program with the library preloaded under the tools of valgrind: each starts and finishes.

tools.py TOOL MODEST, with the library in LOAM_SO.
"""
import os
import shutil
import subprocess
import sys

SKIP = 77
OUTPUT = {"callgrind": ["--callgrind-out-file=/dev/null"],
          "massif": ["--massif-out-file=/dev/null"],
          "memcheck": ["--leak-check=full", "--error-exitcode=99"]}


def main():
    tool, program = sys.argv[1:]
    if not shutil.which("valgrind"):
        print("skipped: no valgrind")
        return SKIP
    command = ["valgrind", f"--tool={tool}", *OUTPUT[tool], program, "2"]
    env = dict(os.environ, LD_PRELOAD=os.environ["LOAM_SO"])
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace")
    if done.returncode != 0:
        print(" ".join(command))
        print(done.stdout[-4000:])
        print(f"FAILED {tool}: status {done.returncode}")
    return 1 if done.returncode else 0


sys.exit(main())
