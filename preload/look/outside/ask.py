"""Asking a process for something: words that are written into it, which its slow path answers.

src/cache/requests.h tells how, and what each kind of request means.  The words are written through
/proc/PID/mem, which needs the same rights as process_vm_writev() and belongs to one address space:
when the process becomes another program, nothing is written into that.
"""
import errno
import fcntl
import os
import struct
import time

from .failure import Failure, Torn
from .page import REQUESTS

AGAIN = 0.05        # seconds until words that may have been lost are written again
LOOKS = 0.002       # between two looks for the answer
CACHES_MOST = 1 << 20


class Late(Failure):
    """There is no answer yet; the request stays."""

    def __init__(self, message):
        super().__init__(message, status=3)


class Asker:
    """Of an open process and its page; use it with `with`."""

    def __init__(self, process, page):
        self.process, self.page = process, page
        self.memory = self.folder = -1

    def __enter__(self):
        try:
            self.memory = os.open(f'{self.process.folder}/mem', os.O_RDWR | os.O_CLOEXEC)
            self.folder = os.open(f'/proc/{self.process.pid}', os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            self.close()
            raise self.process.failure(error) from None
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for descriptor in (self.memory, self.folder):
            if descriptor >= 0:
                os.close(descriptor)
        self.memory = self.folder = -1

    def ask(self, kind, given=0, text='', wait=5.0):
        """The answer's result and text.  Raises Late after that many seconds, Failure where it is refused."""
        row = self.page.requests + self.page.requests_of + REQUESTS.index(kind) * self.page.request_bytes
        until = time.monotonic() + wait
        text = os.fsencode(text).decode(errors='replace')   # an argument may have bytes that are no UTF-8
        if len(text.encode()) >= self.page.request_text_bytes:
            raise Failure(f'that is longer than {self.page.request_text_bytes - 1} bytes: {text}', status=2)
        try:
            self.lock(until)
            asked = self.write_request(row, given, text)
            self.wait(row, asked, until)
            return self.answer(row)
        except Torn as torn:
            raise Failure(f'the heap of {self.process} makes no sense ({torn}): it is damaged') from None

    def lock(self, until):
        """Of those who ask, one at a time; where /proc cannot be locked, all at once."""
        while True:
            try:
                fcntl.flock(self.folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise Failure(f'another command waits for {self.process} to answer: nothing was asked; try again') from None
                time.sleep(LOOKS)
                continue
            except OSError:
                pass
            return

    def write_request(self, row, given, text):
        page = self.page
        if self.byte(page.requests + page.requests_refused):
            raise Failure(f'{self.process} runs with rights that its user does not have (AT_SECURE): it takes no requests')
        asked = self.byte(row + page.request_asked)
        if asked != self.byte(row + page.request_answered):
            waits = self.text(row)
            if waits == text and self.word(row + page.request_given) == given:
                return asked
            raise Failure(f'{self.process} was asked for {waits or "the same"} before, and has not allocated since:'
                          ' that is to be done first')
        asked = (asked + 1) % 256
        self.write(row + page.request_text, text.encode().ljust(page.request_text_bytes, b'\0'))
        self.write(row + page.request_given, struct.pack('<Q', given))
        self.write(row + page.request_asked, bytes([asked]))
        return asked

    def wait(self, row, asked, until):
        again = 0
        while self.byte(row + self.page.request_answered) != asked:
            if time.monotonic() > until:
                raise Late(f'{self.process} has not allocated since: it will be done at its next call of malloc')
            if time.monotonic() >= again:
                self.hurry()
                again = time.monotonic() + AGAIN
            time.sleep(LOOKS)

    def hurry(self):
        """Makes the next call of the process look."""
        page = self.page
        for cache in self.caches():
            self.write(cache + page.cache_ticks, b'\xff')
        for limit in (page.fast_limit_counted, page.fast_limit):
            if 0 < self.word(limit) <= page.fast_granules:
                self.write(limit, bytes(8))

    def caches(self):
        address, left = self.word(self.page.caches), CACHES_MOST
        while address:
            left -= 1
            if not left:
                raise Torn('a list without an end')
            yield address
            address = self.word(address + self.page.cache_next)

    def answer(self, row):
        said = self.text(row)
        if self.byte(row + self.page.request_failed):
            raise Failure(said)
        return self.word(row + self.page.request_result), said

    # ---- Memory.

    def byte(self, address):
        return self.process.read(address, 1)[0]

    def word(self, address):
        return struct.unpack('<Q', self.process.read(address, 8))[0]

    def text(self, row):
        data = self.process.read(row + self.page.request_text, self.page.request_text_bytes)
        return data.split(b'\0')[0].decode(errors='replace')

    def write(self, address, data):
        try:
            written = os.pwrite(self.memory, data, address)
        except OSError as error:
            if error.errno in (errno.EIO, errno.EFAULT):
                raise Torn(f'address {address:#x} cannot be written') from None
            raise self.process.failure(error) from None
        if not written:
            raise self.process.gone()
