"""What ends a look: one line that names the process and says what is the matter."""
import io
import os
import signal
import sys


class Failure(Exception):
    """A message of one line, and the exit status: 1, or 2 for wrong usage."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


class Refused(Failure):
    """The kernel does not let this user look at the process."""


class Gone(Failure):
    """The process ended, or became another program, while it was looked at."""


class Unreadable(Failure):
    """The process runs on loam, and what it has for readers is damaged, or of another layout: reason says which."""

    def __init__(self, message, reason='damaged'):
        super().__init__(message)
        self.reason = reason


class Torn(Exception):
    """Memory that makes no sense: it was changed while it was read, or is damaged."""


def set_output(**how):
    """Sets how standard output encodes what is printed; a StringIO in its place stays as it is."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors='backslashreplace', **how)    # a name may be in another encoding


def run_main(main):
    """Ends the process with what main() returns; a Failure is printed, not traced."""
    try:
        if sys.stdout is None:      # the process was started without one
            sys.stdout = open(os.devnull, 'w', encoding='utf-8')    # pylint: disable=consider-using-with
        set_output()
        status = main()
        if sys.stdout:
            sys.stdout.flush()
    except Failure as failure:
        print(f'loam: {failure}', file=sys.stderr)
        status = failure.status
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        status = 128 + signal.SIGPIPE
    except OSError as error:
        print(f'loam: {error.filename or "standard output"}: {error.strerror or error}', file=sys.stderr)
        if sys.stdout:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)
