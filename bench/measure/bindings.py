"""Whose malloc a program calls, as its loader says: LD_DEBUG=bindings, of all its processes.

Neither the files that a program is linked with nor the maps of its memory say that: a library
may be there and its malloc not, a program may define malloc itself, a script starts others.  The
loader writes each binding of a symbol to a file, and nothing of it is seen by the program.
"""
import re
from pathlib import Path

LIBC = 'libc.so.6'
BINDING = re.compile(rb"binding file (.+) \[\d+\] to (.+) \[\d+\]: normal symbol `malloc'")


def environment(folder):
    """What makes the loader write into folder; for runs that are not measured."""
    return {'LD_DEBUG': 'bindings', 'LD_DEBUG_OUTPUT': str(Path(folder) / 'bindings')}


def owners(folder):
    """The files whose malloc was called, one or more a process, after such a run."""
    found = set()
    for path in Path(folder).glob('bindings.*'):
        with open(path, 'rb') as lines:
            pairs = {match.groups() for match in map(BINDING.search, lines) if match}
        found |= {name.decode(errors='replace') for name in _owners(pairs)}
    return found


def _owners(pairs):
    """The targets but for those that are bound on to another file: a program that takes malloc's
    address is its target for the others, by an entry of its own, which goes on.  libc is none of
    these, though it too calls malloc where the loader tells it to."""
    goes_on = {source for source, target in pairs
               if source != target and Path(source.decode(errors='replace')).name != LIBC}
    return {target for _, target in pairs} - goes_on


def names(folder):
    """The owners by their last names, as libjemalloc.so.2."""
    return sorted({Path(name).name for name in owners(folder)})
