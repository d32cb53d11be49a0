"""Runs a program while the kernel grants no more memory than it has (vm.overcommit_memory=2).

overcommit.py MODEST, with the library in LOAM_SO.  Skips itself where the setting cannot be
changed, or where that would starve what else runs on the machine; restores it always.
"""
import fcntl
import os
import signal
import subprocess
import sys

SETTING = "/proc/sys/vm/overcommit_memory"
SKIP = 77


def write_setting(value):
    with open(SETTING, "w") as setting:
        setting.write(value)


def committed_share():
    with open("/proc/meminfo") as meminfo:
        fields = dict(line.split(":") for line in meminfo)
    kib = {name: int(fields[name].split()[0]) for name in ("Committed_AS", "CommitLimit")}
    return kib["Committed_AS"] / kib["CommitLimit"]


def main():
    setting = open(SETTING)
    fcntl.flock(setting, fcntl.LOCK_EX)  # another run of this changes it, too
    before = setting.read()
    try:
        write_setting(before)
    except OSError as error:
        print(f"skipped: {error}")
        return SKIP
    if committed_share() > 0.5:
        print("skipped: over half of the commit limit is in use already")
        return SKIP
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # by way of finally
    failures = 0
    try:
        write_setting("2")
        for preload in ({}, {"LD_PRELOAD": os.environ["LOAM_SO"]}):
            for threads in ("0", "16"):
                done = subprocess.run([sys.argv[1], threads], env=preload, timeout=240)
                if done.returncode != 0:
                    failures += 1
                    print(f"FAILED with {preload or 'libc'}, {threads} threads: {done.returncode}")
    finally:
        write_setting(before)
    return 1 if failures else 0


sys.exit(main())
