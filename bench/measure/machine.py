"""The machine and the versions that figures were made with, for the head of a report."""
import os
import platform
import re
from pathlib import Path

from measure import allocators


LOAD = os.getloadavg()[0]   # before anything is measured
HUGE_PAGES = Path('/sys/kernel/mm/transparent_hugepage/enabled')


def describe():
    """{what: value}, all text."""
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    return {
        'processor': f'{_cpu()}, {_processors()} processors',
        'memory': f'{memory:.0f} GiB',
        'kernel': f'{platform.system()} {platform.release()} {platform.machine()}',
        'libc': os.confstr('CS_GNU_LIBC_VERSION'),
        'commit': allocators.commit() or 'unknown',
        'transparent huge pages': _huge_pages(),
        'load average before': f'{LOAD:.2f}',
    }


def _processors():
    usable, all_of_them = len(os.sched_getaffinity(0)), os.cpu_count()
    return f'{all_of_them}' if usable == all_of_them else f'{usable} of {all_of_them}'


def _huge_pages():
    found = re.search(r'\[(\w+)\]', HUGE_PAGES.read_text()) if HUGE_PAGES.exists() else None
    return found[1] if found else 'none'


def _cpu():
    """Its name; of machines that tell none, the numbers of implementer and part."""
    text = Path('/proc/cpuinfo').read_text()
    if found := re.search(r'^model name\s*: (.*)$', text, re.M):
        return found[1]
    parts = re.findall(r'^CPU (?:implementer|part)\s*: (.*)$', text, re.M)
    return ' '.join(parts[:2]) or platform.machine()
