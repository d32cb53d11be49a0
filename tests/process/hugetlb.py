"""Runs a program with hugetlb=on, without reserved huge pages and with some.

hugetlb.py PROGRAM, with the library in LOAM_SO.  PROGRAM says how many KiB of them it had.  Where it
may, this reserves pages for the time of the test; where it may not, it skips itself behind the part
that needs none.
"""
import fcntl
import os
import signal
import subprocess
import sys

SETTING = "/proc/sys/vm/nr_hugepages"
PAGES = 16
SKIP = 77
LEAST_KIB = 10 << 10  # the program's largest object in them
NONE = "loam: hugetlb=on: no reserved huge page of 2 MiB can be had"


def meminfo(name):
    with open("/proc/meminfo") as lines:
        return {line.split(":")[0]: int(line.split()[1]) for line in lines}.get(name, 0)


def available():
    if meminfo("Hugepagesize") != 2048:
        return 0
    return meminfo("HugePages_Free") - meminfo("HugePages_Rsvd")


def write_setting(value):
    try:
        with open(SETTING, "w") as setting:
            setting.write(str(value))
    except OSError as error:
        print(f"nothing is reserved: {error}")


def run(options):
    env = {"LD_PRELOAD": os.environ["LOAM_SO"], "LOAM_OPTIONS": options}
    done = subprocess.run([sys.argv[1]], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=100)
    print(f"{options}: status {done.returncode}, {done.stdout.strip()} KiB, '{done.stderr.strip()}'")
    return done.returncode == 0, int(done.stdout or 0) >= LEAST_KIB, NONE in done.stderr


def check(options, wanted):
    got = run(options)
    if got == wanted:
        return 0
    print(f"FAILED: {wanted} was expected")
    return 1


def main():
    try:
        setting = open(SETTING)
        fcntl.flock(setting, fcntl.LOCK_EX)  # another run of this changes it, too
    except OSError as error:
        print(f"nothing can be reserved: {error}")
    before = meminfo("HugePages_Total")
    failures, had_pages = check("hugetlb=off", (True, False, False)), False
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # by way of finally
    if available() == 0:
        failures += check("hugetlb=on", (True, False, True))
    try:
        if meminfo("Hugepagesize") == 2048 and available() < PAGES:
            write_setting(before + PAGES)
        if available() >= PAGES:
            had_pages = True
            failures += check("hugetlb=on", (True, True, False))
            failures += check("hugetlb=on,harden=2", (True, False, False))
    finally:
        if meminfo("HugePages_Total") != before:
            write_setting(before)
    if not had_pages:
        print(f"skipped: {PAGES} huge pages of 2 MiB cannot be reserved")
    return 1 if failures else 0 if had_pages else SKIP


sys.exit(main())
