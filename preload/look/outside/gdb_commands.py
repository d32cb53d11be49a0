"""The commands that gdb has beside loam: what is at an address, in an arena, beside an object, and where the
objects of a size class are; of a process that it has stopped, and of a core dump.  To be imported by gdb alone.
"""
import os

import gdb

from . import account, chunks, heap, inferior, places
from .failure import Failure, Torn
from .text import size

LINES_MOST = 1000       # of `loam objects`, where no number was given


def opened():
    """The selected process, and its heap."""
    process = inferior.Inferior()
    return places.Places(process, process.page())


def number(word):
    """An address or a number: any expression of gdb's."""
    try:
        value = gdb.parse_and_eval(word)
        if value.type.strip_typedefs().code in (gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_FUNC, gdb.TYPE_CODE_STRUCT):
            value = value.address
        return int(value) & (1 << 64) - 1
    except (gdb.error, TypeError, OverflowError) as error:
        raise Failure(f'{word} is no address: {error}') from None


# ---- What is printed.

def code_at(address):
    """A line for a return address: function and source, as far as they are known."""
    line = gdb.find_pc_line(address - 1)
    name = inferior.printed(f'info symbol {address - 1:#x}').split(' in section', 1)[0].strip()
    name = f'{address:#x}' if not name or name.startswith('No symbol') else name.split(' + ', 1)[0]
    return f'{name}  {os.path.basename(line.symtab.filename)}:{line.line}' if line.symtab else name


def bytes_of(n):
    return f'{n} byte' if n == 1 else f'{n} bytes'


def headline(place):
    of = f', arena {place.arena}' if place.arena else ''
    return f'{place.kind} of {bytes_of(place.usable)} at {place.start:#x}{of}: {place.state}'


def describe(address, found):
    if isinstance(found, places.Outside):
        return [f'{address:#x} {found.why}']
    inside = address - found.start
    lines = [headline(found)]
    if inside:
        lines[0] += f'; {address:#x} is {bytes_of(abs(inside))} {"into" if inside > 0 else "before"} it'
    lines += [f'  {note}' for note in found.notes]
    for heading, frames in found.stacks:
        lines += [f'  {heading}', *(f'    {code_at(frame)}' for frame in frames)]
    return lines


def beside(word, found):
    if found is None:
        return []
    return [f'{word}: ' + (headline(found) if isinstance(found, places.Place) else f'what is there {found.why}')]


def arena_lines(arenas, number_given):
    if number_given is None:
        yield f'{"ARENA":>6}{"LIVE":>9}{"SLABS":>8}{"IN SLABS":>10}{"IN CHUNKS":>11}{"OF CHUNKS":>11}'
        for one in arenas:
            yield f'{one["number"]:>6}{size(one["live"]):>9}{one["slabs"]:>8}{size(one["slab_live"]):>10}' \
                  f'{size(one["chunk_live"]):>11}{size(one["chunk_resident"]):>11}'
        return
    one = next((one for one in arenas if one['number'] == number_given), None)
    if one is None:
        raise Failure(f'there is no arena {number_given}: there are 1 to {len(arenas)}')
    yield f'arena {number_given}: {size(one["live"])} live: {size(one["slab_live"])} in slabs,' \
          f' {size(one["chunk_live"])} in chunks, of {size(one["chunk_resident"])} of chunk heaps'
    yield f'{"SIZE":>6}{"SLABS":>8}{"OUT":>10}{"FREE":>10}   (out: in use or in a cache)'
    for row in one['classes']:
        yield f'{row["size"]:>6}{row["slabs"]:>8}{row["in_use"]:>10}{row["free"]:>10}'


def heap_lines(found, wanted):
    """Of an arena's chunk heaps."""
    for tag, _, kind in found.tags():
        if kind != found.page.kind_heap:
            continue
        row, arena = found.heap_of(tag)
        if arena != wanted:
            continue
        counts = {True: [0, 0], False: [0, 0]}
        for chunk in chunks.each(found.process, found.page, row.base, row.end, found.secret['chunk']):
            counts[chunk.in_use][0] += 1
            counts[chunk.in_use][1] += chunk.size
        yield f'chunk heap {row.base:#x} to {row.end:#x}: {counts[True][0]} chunks in use with {counts[True][1]} bytes,' \
              f' {counts[False][0]} free ones with {counts[False][1]}'


# ---- Commands.

class Loam(gdb.Command):
    """Look into the heap of a process on loam, or of its core dump."""

    def __init__(self):
        super().__init__('loam', gdb.COMMAND_DATA, gdb.COMPLETE_COMMAND, True)


class Command(gdb.Command):
    def __init__(self, name, completes=gdb.COMPLETE_NONE):
        super().__init__(f'loam {name}', gdb.COMMAND_DATA, completes)

    def invoke(self, argument, _from_tty):
        try:
            for line in self.lines(argument.strip()):
                print(line)
        except Failure as failure:
            raise gdb.GdbError(f'loam: {failure}') from None
        except places.DAMAGE as error:
            raise gdb.GdbError(f'loam: the heap is damaged: {error}') from None


class What(Command):
    """What is at an address: loam what ADDRESS.
An object in use or free, its size, its arena, its slab or chunk heap, whose cache has it, and the stack
that allocated it where option prof or guard sampled it.  ADDRESS is any expression, and may point into
the object."""

    def lines(self, argument):
        if not argument:
            raise Failure('which address? loam what ADDRESS')
        address = number(argument)
        return describe(address, opened().what(address))


class Neighbours(Command):
    """What lies before and behind an object: loam neighbours ADDRESS."""

    def lines(self, argument):
        if not argument:
            raise Failure('which address? loam neighbours ADDRESS')
        address = number(argument)
        before, at, behind = opened().neighbours(address)
        if isinstance(at, places.Outside):
            return describe(address, at)
        return [*beside('before', before), f'here: {headline(at)}', *beside('behind', behind)]


class Arena(Command):
    """What arenas hold: loam arena [N].
Without N a line for each arena; with it, its size classes and its chunk heaps."""

    def lines(self, argument):
        wanted, found = number(argument) if argument else None, opened()
        try:
            look = heap.look(found.process, found.page)
        except Torn as torn:
            raise Failure(f'the heap of {found.process} is damaged: {torn}') from None
        arenas = sorted(map(account.of_arena, look.arenas.values()), key=lambda row: row['number'])
        yield from arena_lines(arenas, wanted)
        if wanted is not None:
            yield from heap_lines(found, wanted)


class Objects(Command):
    """Where the objects of a size class are: loam objects CLASS [MOST].
CLASS is a size in bytes: that of the class that serves so many; or huge, runs or chunks.  Prints the
addresses of those in use, MOST at most, then how many there are in all."""

    def lines(self, argument):
        words = argument.split()
        if not 0 < len(words) <= 2:
            raise Failure('which class? loam objects CLASS [MOST]; CLASS is a size in bytes, or huge, runs or chunks')
        most = number(words[1]) if len(words) > 1 else LINES_MOST
        found = opened()
        if words[0] in ('huge', 'runs', 'chunks'):
            return self.of_blocks(found, words[0], most)
        return self.of_class(found, found.class_of(number(words[0])), most)

    def of_class(self, found, sc, most):
        counts = {'in use': 0, 'cached': 0, 'free': 0}
        for start, state in found.objects_of(sc):
            counts[state] += 1
            if state == 'in use' and counts[state] <= most:
                yield f'{start:#x}'
        if counts['in use'] > most:
            yield f'and {counts["in use"] - most} more'
        yield f'class of {heap.class_size(sc)} bytes: {counts["in use"]} in use; {counts["cached"]} free in caches, the' \
              f' depot or quarantine, {counts["free"]} in slabs'

    def of_blocks(self, found, kinds, most):
        count = {True: 0, False: 0}
        for place in found.blocks_of([kinds]):
            count[place.is_in_use] += 1
            if place.is_in_use and count[True] <= most:
                yield f'{place.start:#x} {place.usable}'
        if count[True] > most:
            yield f'and {count[True] - most} more'
        yield f'{kinds}: {count[True]} in use, {count[False]} free'


def add_commands():
    Loam()
    What('what', gdb.COMPLETE_EXPRESSION)
    Neighbours('neighbours', gdb.COMPLETE_EXPRESSION)
    Arena('arena')
    Objects('objects')
