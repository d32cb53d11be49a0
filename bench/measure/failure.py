"""Trouble that the user can do something about: one clear line, exit status 2."""
import argparse
import errno
import os
import pathlib
import signal
import sys


class Failure(Exception):
    """A message of one line that names the thing and says what to do."""


class Parser(argparse.ArgumentParser):
    """Of a command line: what is wrong with it is a Failure."""

    def error(self, message):
        raise Failure(f'{message} (--help tells the options)')


def writable(file):
    """The path of a file that is to be written at the end, made with its folder; else a Failure."""
    path = pathlib.Path(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open('a').close()
    except OSError as error:
        raise Failure(f'cannot write to {path}: {error.strerror}') from None
    return path


def end_in_order(number, _):
    sys.exit(128 + number)


def run_main(main):
    """Ends the process with what main() returns; a Failure is printed, not traced. Signals that end it leave no
    folders behind."""
    name = pathlib.Path(sys.argv[0]).name
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:      # not ignored, as under nohup
            signal.signal(number, end_in_order)
    try:
        status = main()
        sys.stdout.flush()
    except Failure as failure:
        print(f'{name}: {failure}', file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        status = 128 + signal.SIGPIPE
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        to = f' to {error.filename}' if error.filename else ''
        print(f'{name}: cannot write{to}: {error.strerror}', file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 2
    sys.exit(status)
