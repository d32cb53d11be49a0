"""limit=auto in a memory cgroup: programs are refused memory, and not killed.

grouped.py GROUPED, with the library in LOAM_SO.  Makes a cgroup of version 1 or 2, whichever may be
made, and starts GROUPED in it.  Skips itself where none can be made.
"""
import os
import subprocess
import sys
import tempfile
import time

SKIP = 77
MIB = 1 << 20
PROGRAM = sys.argv[1]

# The least that blocks must come to, of what the group has: the rest is the kernel's, the
# program's, and what blocks of that size leave between them.
FILLS = ((64, "100", 44), (64, "3000", 48), (64, "40000", 48), (64, "200000", 48), (64, "3000000", 48),
         (64, "5000000", 45), (200, "2000", 170))
PHASES = ((64, 1, 40), (64, 4, 40), (256, 1, 160), (256, 4, 160))


def own_path(middle):
    with open("/proc/self/cgroup") as lines:
        for line in lines:
            if middle in line:
                return line.split(middle, 1)[1].rstrip("\n").rstrip("/")
    return ""


def parents():
    """Groups in which one may be made, and its file for the limit. In version 2 that file is there only where a
    group gives memory to those below it, which one with processes cannot: it is looked for upwards."""
    yield f"/sys/fs/cgroup/memory{own_path(':memory:')}", "memory.limit_in_bytes"
    path = own_path("0::")
    while path:
        yield f"/sys/fs/cgroup{path}", "memory.max"
        path = path.rpartition("/")[0]
    yield "/sys/fs/cgroup", "memory.max"


class Group:
    """A cgroup below this process's own, or below one that this is in."""

    def __init__(self, mib):
        nbytes = mib * MIB
        for parent, limit in parents():
            self.path = f"{parent}/loam-test-{os.getpid()}"
            try:
                os.mkdir(self.path)
            except OSError as error:
                self.reason = f"{self.path}: {error.strerror}"
                continue
            try:
                self.write(limit, nbytes)
                break
            except OSError as error:
                self.reason = f"{self.path}/{limit}: {error.strerror}"
                os.rmdir(self.path)
        else:
            raise OSError(self.reason)
        for swap, value in (("memory.memsw.limit_in_bytes", nbytes), ("memory.swap.max", 0)):
            try:
                self.write(swap, value)
            except OSError:
                pass

    def write(self, name, value):
        fd = os.open(f"{self.path}/{name}", os.O_WRONLY)
        try:
            os.write(fd, str(value).encode())
        finally:
            os.close(fd)

    def start(self, command, **options):
        return subprocess.Popen(command, preexec_fn=lambda: self.write("cgroup.procs", 0), **options)

    def run(self, *args, options="limit=auto"):
        """The exit status and what was said."""
        env = {"LD_PRELOAD": os.environ["LOAM_SO"], "LOAM_OPTIONS": options}
        done = self.start([PROGRAM, *map(str, args)], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
        said = done.communicate()[0]
        return done.returncode, said.strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in range(500):  # a process that was waited for may be listed for a moment
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.01)


failures = 0


def check(name, result):
    global failures
    status, said = result
    print(f"{'well' if status == 0 else 'FAILED'}: {name}: status {status}\n{said}", flush=True)
    failures += status != 0


def check_neighbour(group):
    """Another process has 24 MiB of the group."""
    holder = group.start([sys.executable, "-c", f"x = b'x' * (24 << 20); print('ready', flush=True); input()"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    check("beside another process", group.run("fill", 3000, 20))
    holder.communicate(b"\n")


def check_files(group):
    """Pages of files, which the kernel takes back, are no reason to refuse."""
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as file:
        file.write(b"x" * (48 << 20))
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        group.start(["cat", file.name], stdout=subprocess.DEVNULL).wait()
        check("behind pages of files", group.run("fill", 3000, 45))


def main():
    try:
        with Group(64):
            pass
    except OSError as error:
        print(f"skipped: no memory cgroup can be made: {error}")
        return SKIP
    for mib, size, least in FILLS:
        with Group(mib) as group:
            check(f"{size} bytes, {mib} MiB", group.run("fill", size, least))
    with Group(64) as group:
        check("untouched", group.run("untouched", 200000, 40))
        check_neighbour(group)
        check_files(group)
    for mib, threads, live in PHASES:
        with Group(mib) as group:
            check(f"phases, {threads} threads, {mib}/{live} MiB", group.run("phases", threads, live))
    return 1 if failures else 0


sys.exit(main())
