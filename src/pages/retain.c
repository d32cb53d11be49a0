/* The counters and the rule of retain.h. */
#include "pages/retain.h"

#include "base/probe.h"

size_t retain_live;
size_t retain_most;
size_t retain_peak;
size_t retain_retained;
size_t retain_idle;
size_t retain_claimed;
size_t retain_tally;
size_t retain_low;
size_t retain_low_before;
size_t retain_needed = SIZE_MAX;
size_t retain_regret;
bool retain_due;
struct retain_limit retain_limit = {.known = SIZE_MAX, .step = SIZE_MAX};

/* What is live without what lies idle in heaps and slabs; below 0 where threads race. */
ALWAYS_INLINE intptr_t used(void)
{
	return (intptr_t)(load_relaxed(&retain_live) - load_relaxed(&retain_idle));
}

static size_t used_or_none(void)
{
	intptr_t now = used();

	return now > 0 ? (size_t)now : 0;
}

void retain_note_peak(size_t live)
{
	intptr_t now = used();

	if (live > load_relaxed(&retain_most))
		store_relaxed(&retain_most, live);
	if (now > (intptr_t)load_relaxed(&retain_peak))
		store_relaxed(&retain_peak, (size_t)now);
}

/* How far the process may grow beyond its peak; the more, the more was purged in vain of late. */
static size_t slack(size_t peak, size_t regret)
{
	return larger(peak / 8, RETAIN_SLACK + smaller(regret, peak) / 16);
}

/* How much may be retained under limit: half of what is left of it; under pressure, which only
   limit=auto reads, at most an eighth of what may be retained without having learned. */
static size_t most_under_limit(void)
{
	bool is_auto = retain_limit_is_auto();
	size_t limit = is_auto ? load_relaxed(&retain_limit.known) : options.limit;
	size_t now = used_or_none(), most = limit > now ? (limit - now) / 2 : 0;

	if (!is_auto || !load_relaxed(&retain_limit.pressed))
		return most;
	return smaller(most, larger(now / options.retain_share, options.retain_floor) / 8);
}

/* Whether nbytes fit under `limit` beside what is live, retained and `claimed`. */
static COLD LATER bool fits(size_t claimed, size_t nbytes)
{
	size_t held = retain_held() + claimed;
	size_t most = retain_limit_is_auto() ? load_relaxed(&retain_limit.step) : options.limit;

	return held <= most && nbytes <= most - held;
}

LATER bool retain_is_below_limit(size_t nbytes)
{
	return fits(load_relaxed(&retain_claimed), nbytes);
}

/* Reads the claims before the live bytes: a claim ends after its bytes are counted as live, so
   each allowed byte is seen in one of the two. */
LATER size_t retain_claim_under_limit(size_t nbytes)
{
	size_t claimed = load_acquire(&retain_claimed);

	do
		if (!fits(claimed, nbytes))
			return RETAIN_REFUSED;
	while (!__atomic_compare_exchange_n(&retain_claimed, &claimed, claimed + nbytes, true,
					    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	if (fits(claimed, nbytes)) /* again: what was claimed and ended meanwhile is live by now */
		return nbytes;
	retain_unclaim_under_limit(nbytes);
	return RETAIN_REFUSED;
}

/* The sum may be less than the claim: a signal handler may have forked since it was made, and the
   child drops all claims. */
LATER void retain_unclaim_under_limit(size_t claim)
{
	size_t claimed = load_relaxed(&retain_claimed);

	while (!__atomic_compare_exchange_n(&retain_claimed, &claimed, minus(claimed, claim), true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

/* Most calls find that there is none, without a division. */
size_t retain_excess(void)
{
	size_t retained = load_relaxed(&retain_retained), floor = options.retain_floor;
	size_t peak = load_relaxed(&retain_peak), regret = load_relaxed(&retain_regret);
	intptr_t now, room;
	size_t base, line;

	if (UNLIKELY(options.limit) && retained > most_under_limit())
		return retained - most_under_limit();
	if (retained <= floor)
		return 0;
	if (retained > load_relaxed(&retain_needed))
		return retained - load_relaxed(&retain_needed);
	now = used();
	room = (intptr_t)(peak + slack(peak, regret)) - now;
	if (((intptr_t)retained <= room && retained <= floor + regret) ||
	    (intptr_t)(retained * options.retain_share) <= now)
		return 0;
	base = now > 0 ? larger((size_t)now / options.retain_share, floor) : floor;
	line = room > (intptr_t)base ? smaller(base + regret, (size_t)room) : base;
	return retained <= line ? 0 : retained - (line - base / 2);
}

void retain_purged(size_t nbytes)
{
	if (!nbytes)
		return;
	add_relaxed(&retain_tally, nbytes);
	PROBE2(loam, purge, nbytes, load_relaxed(&retain_retained));
}

void retain_note_taken(void)
{
	if (retain_is_over_floor() || UNLIKELY(retain_limit_is_auto() && retain_limit_is_due()))
		store_relaxed(&retain_due, true);
}

/* Racing threads may count the same purged bytes as regret twice; fading corrects that. */
void retain_faults(size_t nbytes)
{
	size_t tally = load_relaxed(&retain_tally), lost = smaller(nbytes, tally);
	size_t needed = load_relaxed(&retain_needed);

	retain_note_taken();
	if (needed != SIZE_MAX)
		store_relaxed(&retain_needed, needed + nbytes);
	if (!lost)
		return;
	store_relaxed(&retain_tally, tally - lost);
	store_relaxed(&retain_regret, load_relaxed(&retain_regret) + lost);
}

/* A half of decay_ms ends: what was retained for all of it and of the one before. */
static size_t end_half(void)
{
	size_t low = load_relaxed(&retain_low), before = load_relaxed(&retain_low_before);

	store_relaxed(&retain_low_before, low);
	store_relaxed(&retain_low, load_relaxed(&retain_retained));
	return smaller(low, before);
}

/* So much of what is retained was not needed: it is to go, but for the floor. */
static void let_go(size_t unneeded)
{
	size_t retained = load_relaxed(&retain_retained), floor = options.retain_floor;
	size_t regret = load_relaxed(&retain_regret);

	store_relaxed(&retain_regret, regret - smaller(regret, unneeded));
	if (unneeded > floor && unneeded <= retained)
		store_relaxed(&retain_needed, retained - (unneeded - floor));
}

void retain_half(bool long_enough)
{
	size_t low = end_half();

	if (long_enough && low >= load_relaxed(&retain_retained) / 2)
		let_go(low);
}

size_t retain_fade(void)
{
	size_t now = used_or_none(), peak = load_relaxed(&retain_peak), unneeded = end_half();

	store_relaxed(&retain_tally, load_relaxed(&retain_tally) / 4 * 3);
	store_relaxed(&retain_regret, load_relaxed(&retain_regret) / 4 * 3);
	let_go(unneeded);
	if (peak > now)
		store_relaxed(&retain_peak, peak - (peak - now) / 4);
	return unneeded;
}

void retain_forget(void)
{
	store_relaxed(&retain_tally, 0);
	store_relaxed(&retain_regret, 0);
	store_relaxed(&retain_peak, used_or_none());
}
