"""What the commands that look into processes share: their arguments, and which process is meant."""
import argparse
import os

from . import account, process
from .failure import Failure


class Parser(argparse.ArgumentParser):
    """Ends with a line, not with the usage."""

    def __init__(self, prog, description):
        super().__init__(prog=prog, description=description, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message):
        raise Failure(f'{message} ({self.prog} --help tells the options)', status=2)


def seconds(word):
    value = float(word)
    if not 0.1 <= value <= 3600:
        raise ValueError
    return value


def number_of(word):
    """The process that a number or a name means."""
    if word.isascii() and word.isdigit():
        return int(word)
    found = [pid for pid in process.all_processes() if word in (process.name_of(pid), program_of(pid))
             and pid != os.getpid()]
    if not found:
        raise Failure(f'there is no process {word} that this user may look at')
    if len(found) > 1:
        on_loam = [pid for pid in found if is_on_loam(pid)]
        found = on_loam if len(on_loam) == 1 else found
    if len(found) > 1:
        raise Failure(f'{len(found)} processes are called {word}: name one by its number:'
                      f' {", ".join(map(str, found))}')
    return found[0]


def program_of(pid):
    try:
        return os.path.basename(os.readlink(f'/proc/{pid}/exe').removesuffix(' (deleted)'))
    except OSError:
        return None


def is_on_loam(pid):
    try:
        account.Watched(pid).close()
    except Failure:
        return False
    return True


def all_accounts(finder):
    """Of every process on loam; what cannot be looked at is left out."""
    found = []
    for pid in process.all_processes():
        try:
            watched = account.Watched(pid, finder)
        except Failure:
            continue
        try:
            found.append(watched.look())
        except Failure:
            pass
        watched.close()
    return found
