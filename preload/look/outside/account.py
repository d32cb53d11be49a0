"""What a look found, summed up so that it adds up, as plain values that JSON can have.

	RSS  = held + foreign
	held = live in RAM + cached + free + metadata
	live = live in RAM + untouched (never touched, or swapped out)

All sizes are bytes.  docs/observing.md says what each means.
"""
import time

from . import counters, heap, page as pages, words
from .failure import Failure, Torn, Unreadable
from .process import Process, user_name

RATES = ('objects', 'refills', 'chunks', 'runs', 'huge', 'purged', 'lock_waits', 'minor_faults', 'major_faults',
         'live')


def percent(part, whole):
    return round(100 * part / whole, 1) if whole else 0.0


def of_class(one):
    return {'size': one.size, 'slabs': one.slabs, 'pages': one.nbytes >> 12, 'nbytes': one.nbytes,
            'resident': one.resident, 'in_use': one.in_use, 'live': one.in_use * one.size, 'cached': one.cached,
            'free': max(one.capacity - one.out, 0), 'free_bytes': one.free, 'empty_bytes': one.empty_resident,
            'percent': percent(min(one.in_use * one.size, one.resident), one.resident), 'fills': one.fills}


def of_arena(arena):
    slabs = arena.classes.values()
    out = sum(one.out * one.size for one in slabs)
    resident = sum(one.resident for one in slabs)
    return {'number': arena.number, 'live': out + arena.chunks_in_use,
            'free_bytes': sum(one.free for one in slabs) + arena.chunks_free,
            'slabs': sum(one.slabs for one in slabs), 'slab_live': out, 'slab_resident': resident,
            'chunk_live': arena.chunks_in_use, 'chunk_resident': arena.chunks_resident,
            'percent': percent(min(out + arena.chunks_in_use, resident + arena.chunks_resident),
                               resident + arena.chunks_resident),
            'classes': [of_class(one) for _, one in sorted(arena.classes.items())]}


def of_threads(found, names):
    numbers = {arena.address: arena.number for arena in found.arenas.values()}
    rows = []
    for cache in found.caches:
        rows.append({'cache': cache.address, 'thread': cache.thread if cache.thread in names else 0,
                     'name': names.get(cache.thread, '(ended: the next thread takes its cache)'),
                     'arena': numbers.get(cache.arena, 0), 'cached': cache.nbytes,
                     'objects': sum(cache.objects.values()),
                     'classes': [{'size': heap.class_size(sc), 'objects': n}
                                 for sc, n in sorted(cache.objects.items())]})
    return sorted(rows, key=lambda row: -row['cached'])


def sums(found, kernel):
    classes, arenas = found.classes, found.arenas.values()
    cached = sum(one.cached * one.size for one in classes)
    chunks = sum(arena.chunks_in_use for arena in arenas)
    live = {'slabs': sum(one.in_use * one.size for one in classes), 'chunks': chunks,
            'runs': found.runs.nbytes, 'huge': found.huge.nbytes, 'other': found.special.nbytes}
    resident = {'slabs': sum(max(min(one.resident, one.out * one.size) - one.cached * one.size, 0)
                             for one in classes),
                'chunks': sum(min(arena.chunks_in_use, arena.chunks_resident) for arena in arenas),
                'runs': found.runs.resident, 'huge': found.huge.resident, 'other': found.special.resident}
    free = {'slabs': sum(one.free for one in classes), 'chunks': sum(arena.chunks_free for arena in arenas),
            'runs': found.kept_runs.resident, 'blocks': found.free_blocks,
            'huge': found.sums['huge_sizes_kept']}
    held = sum(resident.values()) + cached + sum(free.values()) + found.metadata.resident
    return {'held': held, 'live': sum(live.values()), 'live_in_ram': sum(resident.values()),
            'untouched': max(sum(live.values()) - sum(resident.values()), 0), 'cached': cached,
            'free': sum(free.values()), 'metadata': found.metadata.resident, 'swapped': found.swapped,
            'live_by_floor': live, 'in_ram_by_floor': resident, 'free_by_floor': free,
            'metadata_mapped': found.metadata.nbytes,
            'mapped': found.sums['zone_mapped'] + found.outside + found.huge.nbytes, 'retained_by_rule': found.sums['retained'],
            'most_live_in_blocks': found.sums['most'],
            'foreign': {'files': kernel['files'], 'shared': kernel['shared'],
                        'anonymous': max(kernel['anonymous'] - held, 0)}}


def counts(found, kernel):
    arenas = found.arenas.values()
    return {'objects': sum(a.objects for a in arenas), 'refills': sum(a.refills for a in arenas),
            'chunks': sum(a.chunks_allocated for a in arenas), 'runs': found.sums['runs_made'],
            'huge': found.sums['huge_sizes_made'],
            'purged': found.sums['zone_purged'] + sum(a.purged for a in arenas),
            'lock_waits': found.sums['lock_waits'], 'minor_faults': kernel['minor_faults'],
            'major_faults': kernel['major_faults']}


def rates(before, now):
    """Per second, between two accounts of one process."""
    seconds = now['time'] - before['time']
    if seconds <= 0:
        return {}
    found = {name: (now['counters'][name] - before['counters'][name]) / seconds for name in now['counters']}
    return found | {'live': (now['heap']['live'] - before['heap']['live']) / seconds}


class Watched:
    """A process that is looked at again and again."""

    def __init__(self, pid, finder=None):
        self.process = Process(pid)
        try:
            self.page = (finder or pages.Finder()).find(self.process)
        except Failure:
            self.close()
            raise
        except Torn as torn:
            self.close()
            raise pages.damaged(self.process, f'{torn} cannot be read') from None
        self.last = None

    def close(self):
        self.process.close()

    def counters(self):
        """By their names; as loam_stats() has them."""
        until = time.monotonic() + heap.SECONDS_MOST
        for left in range(heap.TRIES - 1, -1, -1):
            lists = heap.Lists(self.process, self.page, until)
            try:
                return counters.Sums(lists, heap.class_size, pages.OBJECTS).collect(heap.ARENAS_MOST)
            except heap.NONSENSE as error:
                if not left or time.monotonic() > until:
                    raise Unreadable(f'the heap of {self.process} makes no sense ({error}): it is damaged') from None
        return None

    def read(self, kind=heap.Heap):
        """The heap as it is now."""
        try:
            return heap.look(self.process, self.page, kind)
        except heap.Slow as slow:
            raise Unreadable(f'the heap of {self.process} is large, or the machine busy: {slow}; `loam ctl'
                             f' {self.process.pid} stats` needs no walk', 'slow') from None
        except Torn as torn:
            raise Unreadable(f'the heap of {self.process} makes no sense ({torn}): it is damaged, or changes too'
                          ' fast') from None

    def look(self):
        return self.tell(self.read())

    def tell(self, found):
        """The account of a heap that was read just now."""
        kernel, names = self.process.kernel(), self.process.threads()
        account = {'pid': self.process.pid, 'name': self.process.name, 'user': user_name(self.process.uid),
                   'loam': self.page.version, 'time': time.time(), 'look_seconds': round(found.seconds, 4),
                   'left_out': found.left_out, 'kernel': kernel, 'heap': sums(found, kernel),
                   'classes': [of_class(one) for one in found.classes if one.slabs],
                   'arenas': sorted(map(of_arena, found.arenas.values()), key=lambda row: row['number']),
                   'threads': of_threads(found, names),
                   'huge': {'count': found.huge.count, 'nbytes': found.huge.nbytes},
                   'counters': counts(found, kernel)}
        account['rates'] = rates(self.last, account) if self.last else {}
        account['words'] = words.tell(account)
        self.last = account
        return account
