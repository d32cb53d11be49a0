"""What the comment at the top of a workload's C file says of it."""
import re
from collections import namedtuple

from measure.failure import Failure

FIELDS = ('Stands for', 'Cares', 'Source')

# why: one line, what it stands for and who cares; source: who described it first
About = namedtuple('About', 'why source')


def about(path):
    """The About of a C file, whose first comment ends with a line for each of FIELDS."""
    try:
        comment = path.read_text().split('*/')[0]
    except OSError as error:
        raise Failure(f'{path}: {error.strerror}; the table of workloads names it') from None
    words = ' '.join(re.sub(r'^ \*', '', comment, flags=re.MULTILINE).split())
    _, *parts = re.split(rf' ?({"|".join(FIELDS)}): ', words)
    found = dict(zip(parts[::2], parts[1::2]))
    missing = [field for field in FIELDS if not found.get(field)]
    if missing:
        raise Failure(f'{path}: its first comment has no line "{missing[0]}: ..."; write one')
    stands_for = found['Stands for']
    why = f'{stands_for[0].upper()}{stands_for[1:]} Matters to {found["Cares"]}'
    return About(why, found['Source'])
