"""The machine and the versions that figures were made with, for the head of a report."""
import os
import platform
import re
from pathlib import Path

from measure import allocators


def describe():
    """{what: value}, all text."""
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    return {
        'processor': f'{_cpu()}, {os.cpu_count()} processors',
        'memory': f'{memory:.0f} GiB',
        'kernel': f'{platform.system()} {platform.release()} {platform.machine()}',
        'libc': os.confstr('CS_GNU_LIBC_VERSION'),
        'commit': allocators.commit() or 'unknown',
        'load average': '{:.2f}'.format(os.getloadavg()[0]),
    }


def _cpu():
    """Its name; of machines that tell none, the numbers of implementer and part."""
    text = Path('/proc/cpuinfo').read_text()
    if found := re.search(r'^model name\s*: (.*)$', text, re.M):
        return found[1]
    parts = re.findall(r'^CPU (?:implementer|part)\s*: (.*)$', text, re.M)
    return ' '.join(parts[:2]) or platform.machine()
