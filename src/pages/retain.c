/* The counters and the rule of retain.h. */
#include "pages/retain.h"

#include "base/bits.h"

size_t retain_live;
size_t retain_most;
size_t retain_peak;
size_t retain_retained;
size_t retain_idle;
size_t retain_tally;
size_t retain_regret;

/* What is kept in any case. */
static size_t base(void)
{
	return larger(options.retain_floor, load_relaxed(&retain_live) / options.retain_share);
}

/* How much larger than it was the process may become; more while it loses bet after bet. */
static size_t slack(size_t peak, size_t regret)
{
	return larger(peak / 8, RETAIN_SLACK + smaller(regret / 16, RETAIN_SLACK));
}

/* What is kept beyond that because purging it was a mistake before. */
static size_t learned(void)
{
	size_t peak = load_relaxed(&retain_peak), regret = load_relaxed(&retain_regret);
	size_t used = load_relaxed(&retain_live) - load_relaxed(&retain_idle);

	return smaller(regret, peak + slack(peak, regret) - used);
}

/* Most calls find that there is none, without a division. */
size_t retain_excess(void)
{
	size_t retained = load_relaxed(&retain_retained), more, kept;

	if (retained <= options.retain_floor)
		return 0;
	more = learned();
	if (retained <= options.retain_floor + more ||
	    (retained - more) * options.retain_share <= load_relaxed(&retain_live))
		return 0;
	kept = base();
	return retained <= kept + more ? 0 : retained - (kept / 2 + more);
}

void retain_purged(size_t nbytes)
{
	add_relaxed(&retain_tally, nbytes);
}

/* Races make both approximate: a bet may be counted twice, and is forgotten by fading. */
void retain_faults(size_t nbytes)
{
	size_t tally = load_relaxed(&retain_tally), lost = smaller(nbytes, tally);

	if (!lost)
		return;
	store_relaxed(&retain_tally, tally - lost);
	store_relaxed(&retain_regret, load_relaxed(&retain_regret) + lost);
}

void retain_fade(void)
{
	size_t live = load_relaxed(&retain_live), peak = load_relaxed(&retain_peak);

	store_relaxed(&retain_tally, load_relaxed(&retain_tally) / 4 * 3);
	store_relaxed(&retain_regret, load_relaxed(&retain_regret) / 4 * 3);
	if (peak > live)
		store_relaxed(&retain_peak, peak - (peak - live) / 4);
}

void retain_forget(void)
{
	store_relaxed(&retain_tally, 0);
	store_relaxed(&retain_regret, 0);
	store_relaxed(&retain_peak, load_relaxed(&retain_live));
}
