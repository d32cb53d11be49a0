"""From the JSON files of single runs to rows: medians, ratios, percentiles, a verdict.

A row is a dict that JSON takes: one loop of one executable under one allocator.
    executable, row, series, x, axis, operation     which loop, and what it measures
    allocator
    ns, low, high, rounds       nanoseconds an operation: median, least, most, each round
    grain                       ns, the least step of the clock that timed single calls
    latency                     {call: {'p50', 'p99', 'p99.9', 'p99.99', 'max', 'samples'}}, ns
    to_baseline                 {'ratio', 'low', 'high', 'differs'} of times: below 1 is faster,
                                and differs where that is larger than the noise
    best_other, to_best_other   the fastest of the other allocators, and the ratio to it
    verdict                     a few words
    failure                     None, or what went wrong; then there are no figures
"""
import re
from statistics import median

from measure import stats

SUFFIX = re.compile(r'/(min_time|iterations|repeats|real_time|manual_time|threads):?.*$')
PERCENTILES = ('p50', 'p99', 'p99.9', 'p99.99', 'max')


def read(report):
    """What one run of an executable says: (context, {row: {'ns', 'latency', 'failure'}})."""
    rows = {}
    for item in report['benchmarks']:
        name = _row_name(item['name'])
        timed = name.endswith('/latency')
        row = rows.setdefault(name.removesuffix('/latency'),
                              {'ns': None, 'latency': {}, 'failure': None})
        if item.get('error_occurred'):
            row['failure'] = item.get('error_message', 'failed')
        elif timed:
            row['latency'] = _latency(item)
        else:
            row['ns'] = 1e9 / item['items_per_second']
    return report['context'], rows


def _row_name(name):
    """hot_pair/16/min_time:0.050/real_time/threads:1 is the row hot_pair/16."""
    return SUFFIX.sub('', name)


def rows_listed(listing):
    """The rows that an executable lists, in its order."""
    names = (_row_name(line).removesuffix('/latency') for line in listing.split())
    return list(dict.fromkeys(names))


def _latency(item):
    """The counters named CALL:PERCENTILE, as {call: {percentile: ns}}."""
    calls = {}
    for key, value in item.items():
        call, colon, what = key.partition(':')
        if colon:
            calls.setdefault(call, {})[what] = value
    return calls


def calls(rows):
    """The calls that were timed in these rows, free last."""
    found = {call for row in rows if not row['failure'] for call in row['latency']}
    return sorted(found, key=lambda call: (call == 'free', call))


def rows_of(executable, runs, baseline):
    """Rows of one executable; runs is {allocator: [read() of a round, ...] or a failure's text}."""
    sound = {name: rounds for name, rounds in runs.items() if not isinstance(rounds, str)}
    merged = [_failed(executable, name, what) for name, what in runs.items() if name not in sound]
    for row in dict.fromkeys(row for rounds in sound.values() for _, one in rounds for row in one):
        merged += _compared(executable, row, sound, baseline)
    return merged


def _failed(executable, allocator, what):
    return {'executable': executable, 'row': executable, 'series': executable, 'x': None,
            'axis': '', 'operation': '', 'allocator': allocator, 'failure': what,
            'verdict': what}


def _compared(executable, row, runs, baseline):
    """The rows of one loop, an allocator each."""
    merged = {name: _merged(executable, row, name, rounds) for name, rounds in runs.items()}
    sound = {name: one['rounds'] for name, one in merged.items() if not one['failure']}
    for name, rounds in sound.items():
        one = merged[name]
        if baseline in sound and name != baseline:
            one['to_baseline'] = _ratio(rounds, sound[baseline])
        others = {other: median(values) for other, values in sound.items() if other != name}
        if others:
            one['best_other'] = min(others, key=others.get)
            one['to_best_other'] = _ratio(rounds, sound[one['best_other']])
        one['verdict'] = _verdict(one, baseline)
    return list(merged.values())


def _merged(executable, row, allocator, rounds):
    context = rounds[0][0]
    ones = [one.get(row) or {'failure': 'missing in a round'} for _, one in rounds]
    series, _, x = row.rpartition('/')
    merged = {'executable': executable, 'row': row, 'series': series, 'x': int(x),
              'axis': context.get(f'axis:{series}', ''), 'operation': context['operation'],
              'grain': float(context['grain_ns']), 'allocator': allocator,
              'failure': next((one['failure'] for one in ones if one['failure']), None)}
    if merged['failure']:
        return merged | {'verdict': merged['failure']}
    values = [one['ns'] for one in ones]
    return merged | {'ns': median(values), 'low': min(values), 'high': max(values),
                     'rounds': values, 'latency': _percentiles([one['latency'] for one in ones]),
                     'to_baseline': None, 'best_other': None, 'to_best_other': None}


def _percentiles(rounds):
    """The median over rounds of each percentile that all rounds have."""
    return {call: {what: median(one[call][what] for one in rounds)
                   for what in rounds[0][call]
                   if all(what in one.get(call, {}) for one in rounds)}
            for call in rounds[0]}


def _ratio(values, others):
    ratio = stats.ratio(values, others)
    return {'ratio': ratio.value, 'low': ratio.low, 'high': ratio.high,
            'differs': stats.differs(ratio, stats.LEAST_TIME)}


def _verdict(row, baseline):
    """As '2.10x faster than glibc, 1.30x slower than mimalloc'."""
    said = [_against(row['to_baseline'], baseline)] if row['to_baseline'] else []
    if row['to_best_other'] and row['best_other'] != baseline:
        said.append(_against(row['to_best_other'], row['best_other']))
    return ', '.join(said)


def _against(ratio, other):
    if not ratio['differs']:
        return f'within the noise of {other}'
    if ratio['ratio'] < 1:
        return f'{1 / ratio["ratio"]:.2f}x faster than {other}'
    return f'{ratio["ratio"]:.2f}x slower than {other}'
