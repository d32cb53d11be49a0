"""What is in a trace, by the counts that the replayer prints: a table, or a sentence."""
from measure import report
from measure.failure import Failure

MIB = 2**20
COUNTS = {      # rows of the table: how the replayer calls it, and what it is
    'events': 'calls',
    'malloc': '  malloc',
    'calloc': '  calloc',
    'aligned': '  aligned_alloc and its like',
    'realloc': '  realloc',
    'free': '  free',
    'null_frees': 'frees of NULL',
    'realloc_frees': 'reallocs to size 0, which free',
    'failed': 'calls that failed',
    'inherited_frees': 'frees of what a parent allocated',
    'inherited_reallocs': 'reallocs of what a parent allocated',
    'lost': 'calls that were not recorded',
    'lost_frees': 'frees that were not recorded',
    'threads': 'threads',
    'bytes': 'bytes asked for',
    'peak_live_bytes': 'bytes live, at most',
    'peak_live_blocks': 'blocks live, at most',
    'last_live_bytes': 'bytes live at the end',
    'last_live_blocks': 'blocks live at the end',
    'state': 'the trace is',
}


def table(paths, every):
    """A column a trace."""
    if unknown := set(every[0]) - set(COUNTS):
        raise Failure(f'the replayer counts {", ".join(unknown)}, of which the table has no row')
    rows = [['', *(path.name for path in paths)]]
    for key, what in COUNTS.items():
        rows.append([what, *(f'{one[key]:,}' if key != 'state' else one[key]
                             for one in every)])
    return report.table(rows)


def sentence(counts):
    """A sentence on what is in a trace."""
    calls = ', '.join(f'{counts[name]:,} {name}' for name in
                      ('malloc', 'calloc', 'aligned', 'realloc', 'free'))
    text = (f'{counts["events"]:,} calls ({calls}) of {counts["threads"]:,} threads;'
            f' {counts["peak_live_bytes"] / MIB:,.1f} MiB in {counts["peak_live_blocks"]:,} blocks'
            ' live at most')
    if counts['state'] != 'whole':
        text += f'; the trace is {counts["state"]}'
    return text + '.'
