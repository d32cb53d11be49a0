"""A heap profile as text: the stacks that hold most, each with its functions."""
import os

from .profile import CUT, FRAMES_MOST, SHOWN
from .text import several, size

AGES = ('10ms', '100ms', '1s', '10s', '100s', '1000s', '3h', 'more')   # lives end before, see samples_life()


def lived(site):
    """How long freed objects lived, as shares of a hundred."""
    total = sum(site.lives)
    if not total:
        return 'none was freed'
    shares = [(age, 100 * one / total) for age, one in zip(AGES, site.lives) if one]
    return 'freed after less than ' + ', '.join(f'{age} {share:.0f}%' for age, share in shares)


def place(line):
    return f'{line.function}  {os.path.basename(line.file)}:{line.number}' if line.file else line.function


def one(site, symbols, shown, total):
    amount = getattr(site, shown)
    which = 'that pin' if shown == 'pinned' else 'of'
    yield f'{size(amount.asked):>8} {100 * amount.asked / total:5.1f}%  {several(amount.objects, "object")}' \
          f' {which} {size(amount.asked / amount.objects) if amount.objects else 0}; in use {size(site.live.asked)},' \
          f' allocated {size(site.allocated.asked)}, peak {size(site.peak.asked)}; {lived(site)}'
    for address in symbols.code(site.frames):
        for line in symbols.lines(address):
            yield f'{"":16}{place(line)}'
    if not site.frames:
        yield f'{"":16}(no stack)'
    elif len(site.frames) >= FRAMES_MOST:
        yield f'{"":16}{CUT}'


def table(profile, symbols, shown, stacks_shown):
    """All stacks, or the first ones."""
    order = sorted(profile.sites, key=lambda site: -getattr(site, shown).asked)
    order = [site for site in order[:stacks_shown] if getattr(site, shown).asked]
    symbols.look_up(address for site in order for address in symbols.code(site.frames))
    total = profile.total(shown)
    lines = [f'{profile.of}: {size(total.asked)} {SHOWN[shown]}, {several(total.objects, "object")};'
             f' {profile.samples:,} samples' + (f', one in {size(profile.rate)}' if profile.rate else '')
             + (f', {profile.lost:,} lost' if profile.lost else '')]
    for site in order:
        lines += ['', *one(site, symbols, shown, total.asked)]
    return '\n'.join(lines) + '\n'
