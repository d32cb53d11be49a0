"""What the commands that look into processes share: their arguments, and which process is meant."""
import argparse
import os
import re
import shutil

from . import account, process
from .failure import Failure, Refused, Unreadable


class Parser(argparse.ArgumentParser):
    """Ends with a line, not with the usage."""

    def __init__(self, prog, description):
        super().__init__(prog=prog, description=description, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message):
        raise Failure(f'{message} ({self.prog} --help tells the options)', status=2)


def write(path, data):
    """Writes a file whole or not at all, by renaming a new one over it; writes to a pipe, a device, or a file in a folder
    where none can be made, directly."""
    target = os.path.realpath(path)
    renames = (os.path.isfile(path) or not os.path.exists(path)) and os.access(os.path.dirname(target), os.W_OK)
    temporary, made = f'{target}.{os.getpid()}.new', False
    try:
        with open(temporary if renames else path, 'xb' if renames else 'wb') as file:
            made = renames
            file.write(data)
        if renames:
            if os.path.exists(target):
                shutil.copymode(target, temporary)
            os.replace(temporary, target)
    except BaseException as error:
        if made:
            os.unlink(temporary)
        if not isinstance(error, OSError):
            raise
        raise Failure(f'{path} cannot be written: {error.strerror}') from None


def seconds(word):
    """An argument's value."""
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"'{word}' is not a number of seconds from 0.1 to 3600")
    return value


def size(word):
    """Bytes; an argument's value, as options have sizes."""
    found = re.fullmatch(r'([0-9]{1,15})(?:([KMG])(?:i?B)?)?', word, re.IGNORECASE | re.ASCII)
    if not found:
        raise argparse.ArgumentTypeError(f"'{word}' is not a size, as 4096, 512K, 512KiB or 1G")
    return int(found[1]) << 10 * ' KMG'.index((found[2] or ' ').upper())


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
        found = on_loam or found
    if len(found) > 1:
        raise Failure(f'{len(found)} processes are called {word}: name one by its number:'
                      f' {", ".join(map(str, found))}')
    return found[0]


def program_of(pid):
    try:
        return process.printable(os.path.basename(os.readlink(f'/proc/{pid}/exe').removesuffix(' (deleted)')))
    except OSError:
        return None


def is_on_loam(pid):
    try:
        account.Watched(pid).close()
    except Failure:
        return False
    return True


def look_at_all(finder, look, before=lambda n, of: None):
    """What look() says of every process on loam, and the rows of those that cannot be read.  Processes that may not be
    looked at, unless these are all, and those that end meanwhile, are left out.  before() is called before each."""
    found, unreadable, refused = [], [], []
    pids = process.all_processes()
    for n, pid in enumerate(pids):
        before(n, len(pids))
        try:
            watched = account.Watched(pid, finder)
            try:
                found.append(look(watched))
            finally:
                watched.close()
        except Unreadable as failure:
            unreadable += row_of_unreadable(pid, failure)
        except Refused as failure:
            refused.append(failure)
        except Failure:
            pass
    if refused and not found and not unreadable:
        raise Failure(f'none of {len(pids)} processes is seen to run on loam, and {len(refused)} were refused; the first:'
                      f' {refused[0]}')
    return found, unreadable


def row_of_unreadable(pid, failure):
    """A list of one row; of none where the process has ended."""
    try:
        user = process.user_name(os.stat(f'/proc/{pid}').st_uid)
    except OSError:
        return []
    return [{'pid': pid, 'user': user, 'name': program_of(pid) or process.name_of(pid) or '?', 'unreadable': str(failure),
             'reason': failure.reason}]


def all_accounts(finder, before=lambda n, of: None):
    """Of every process on loam; of one that cannot be read a row of why that is."""
    found, unreadable = look_at_all(finder, account.Watched.look, before)
    return found + unreadable
