/* Sites and samples; see samples.h. */
#include "observe/samples.h"

#include "base/bits.h"
#include "base/probe.h"
#include "observe/poisson.h"
#include "os/check.h"
#include "os/os.h"
#include "pages/metadata.h"
#include "pages/pagemap.h"
#include "slab/classes.h"

struct samples samples;

static struct pool site_pool = POOL_INIT(struct site), sample_pool = POOL_INIT(struct sample);

static bool make_table(void)
{
	struct sample **heads = metadata_alloc(SAMPLE_HEADS * sizeof *heads + SAMPLE_COUNTS);
	struct site **site_heads = metadata_alloc(SITE_HEADS * sizeof *site_heads);

	if (!heads || !site_heads)
		return false;
	samples.site_heads = site_heads;
	store_release(&samples.heads, heads);
	return true;
}

static void forget_site(struct site *site)
{
	site->allocated = site->live = site->peak = (struct sum){0};
	for (unsigned i = 0; i < LIVES; i++)
		site->lives[i] = 0;
	store_release(&site->samples, 0);
}

static void link_sample(struct sample *s)
{
	struct sample **head = &samples.heads[samples_head((void *)s->mem)];
	uint8_t *count = samples_count(samples.heads, (void *)s->mem);

	if (*count < UINT8_MAX)
		store_relaxed(count, *count + 1);
	KEEP_ORDER();
	s->next = *head;
	store_release(head, s);
}

static void unlink_sample(struct sample **at)
{
	struct sample *s = *at;
	uint8_t *count = samples_count(samples.heads, (void *)s->mem);

	store_relaxed(at, s->next);
	KEEP_ORDER();
	ASSERT(*count);
	if (*count < UINT8_MAX)
		store_relaxed(count, *count - 1);
}

static void forget_samples(struct sample **head)
{
	struct sample *s;

	while ((s = *head)) {
		unlink_sample(head);
		pool_free(&sample_pool, s);
	}
}

bool samples_start(size_t rate)
{
	if (!samples.heads && !make_table())
		return false;
	for (size_t i = 0; i < SAMPLE_HEADS && samples.taken; i++)
		forget_samples(&samples.heads[i]);
	for (struct site *site = samples.sites; site; site = site->next_all)
		forget_site(site);
	samples.taken = samples.in_use = samples.lost = samples.peak = samples.peaks = 0;
	samples.live = (struct sum){0};
	samples.rate = rate;
	samples.started = os_clock();
	samples.stopped = 0;
	return true;
}

void samples_stop(void)
{
	store_relaxed(&samples.stopped, os_clock());
}

void samples_visit(void (*visit)(const void *mem))
{
	for (size_t i = 0; samples.heads && i < SAMPLE_HEADS; i++)
		for (const struct sample *s = samples.heads[i]; s; s = s->next)
			visit((const void *)s->mem);
}

/* --- sums ----------------------------------------------------------------------------------- */

static uint64_t weighted(uint64_t nbytes, uint64_t weight)
{
	return (uint64_t)((unsigned __int128)nbytes * weight / POISSON_ONE);
}

static struct sum stands_for(const struct sample *s)
{
	return (struct sum){s->weight, weighted(s->asked, s->weight),
			    weighted(s->given, s->weight)};
}

static void sum_add(struct sum *to, struct sum what)
{
	store_relaxed(&to->objects, to->objects + what.objects);
	store_relaxed(&to->asked, to->asked + what.asked);
	store_relaxed(&to->given, to->given + what.given);
}

static void sum_subtract(struct sum *from, struct sum what)
{
	ASSERT(from->objects >= what.objects && from->asked >= what.asked);
	store_relaxed(&from->objects, from->objects - what.objects);
	store_relaxed(&from->asked, from->asked - what.asked);
	store_relaxed(&from->given, from->given - what.given);
}

/* Called before the site's live sum changes. */
static void note_peak(struct site *site)
{
	if (site->peak_noted == samples.peaks)
		return;
	site->peak = site->live;
	store_relaxed(&site->peak_noted, samples.peaks);
}

static void enter_use(struct site *site, struct sum what)
{
	note_peak(site);
	sum_add(&site->live, what);
	sum_add(&samples.live, what);
	if (samples.live.asked <= samples.peak)
		return;
	store_relaxed(&samples.peak, samples.live.asked);
	store_relaxed(&samples.peaks, samples.peaks + 1);
}

static void leave_use(struct site *site, struct sum what)
{
	note_peak(site);
	sum_subtract(&site->live, what);
	sum_subtract(&samples.live, what);
}

/* --- sites ---------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct trail *trail)
{
	uint64_t hash = trail->depth;

	for (uint64_t i = 0; i < trail->depth; i++)
		hash = mix64(hash ^ (uintptr_t)trail->frames[i]);
	return hash;
}

static bool is_same(const struct trail *a, const struct trail *b)
{
	bool same = a->depth == b->depth;

	for (uint64_t i = 0; same && i < a->depth; i++)
		same = a->frames[i] == b->frames[i];
	return same;
}

static struct site *add_site(uint64_t hash, const struct trail *trail)
{
	struct site **head = &samples.site_heads[hash % SITE_HEADS], *site = pool_alloc(&site_pool);

	if (!site)
		return NULL;
	site->hash = hash;
	site->trail.depth = trail->depth;
	for (uint64_t i = 0; i < trail->depth; i++)
		site->trail.frames[i] = trail->frames[i];
	site->next = *head;
	site->next_all = samples.sites;
	store_release(&samples.sites, site);
	store_release(head, site);
	return site;
}

/* The site of a stack, made if there is none; NULL without memory. */
static struct site *site_of(const struct trail *trail)
{
	uint64_t hash = hash_of(trail);
	struct site *site = samples.site_heads[hash % SITE_HEADS];

	while (site && (site->hash != hash || !is_same(&site->trail, trail)))
		site = site->next;
	return site ? site : add_site(hash, trail);
}

/* --- samples -------------------------------------------------------------------------------- */

static struct sample **find(const void *mem)
{
	struct sample **at = &samples.heads[samples_head(mem)];

	while (*at && (*at)->mem != (uintptr_t)mem)
		at = &(*at)->next;
	return at;
}

const struct sample *samples_find(const void *mem)
{
	return *find(mem);
}

/* Counts the sample at its site, and links it. */
static void begin_use(struct sample *s)
{
	struct sum what = stands_for(s);

	enter_use(s->site, what);
	link_sample(s);
	PROBE3(otel_memory, alloc, s->mem, s->asked, what.asked);
}

static uint64_t weight_of(size_t nbytes)
{
	return poisson_weight(align_up(nbytes ? nbytes : 1, GRANULE) / GRANULE, samples.rate);
}

/* Counts an allocation at its site, with the weight of what was allocated. An object that grew was
   counted as an object before. */
static void count(struct site *site, const struct sampled_object *o, uint64_t weight)
{
	uint64_t grown = weighted(o->grown, weight);
	bool is_new = o->grown == o->asked;

	store_relaxed(&site->samples, site->samples + 1);
	store_relaxed(&samples.taken, samples.taken + 1);
	sum_add(&site->allocated, (struct sum){is_new ? weight : 0, grown,
					       is_new ? weighted(o->given, weight) : grown});
}

bool samples_add(const struct sampled_object *o)
{
	struct site *site;
	struct sample *s;
	uint64_t weight;

	ASSERT(o->trail->depth <= TRAIL_MOST && o->grown <= o->asked);
	if (o->grown == o->asked)
		samples_remove(o->mem, o->now); /* of an object whose free nobody noticed */
	site = site_of(o->trail);
	s = site ? pool_alloc(&sample_pool) : NULL;
	if (!s) {
		store_relaxed(&samples.lost, samples.lost + 1);
		return false;
	}
	weight = weight_of(o->grown);
	count(site, o, weight);
	*s = (struct sample){.mem = (uintptr_t)o->mem,
			     .site = site,
			     .asked = o->asked,
			     .given = o->given,
			     .weight = o->grown == o->asked ? weight : weight_of(o->asked),
			     .time = o->now};
	if (*find(o->mem)) {
		pool_free(&sample_pool, s);
		return true;
	}
	store_relaxed(&samples.in_use, samples.in_use + 1);
	begin_use(s);
	return true;
}

unsigned samples_life(uint64_t age)
{
	unsigned life = 0;

	for (age /= 10 * OS_MS; age && life < LIVES - 1; age /= 10)
		life++;
	return life;
}

bool samples_remove(const void *mem, uint64_t now)
{
	struct sample **at = find(mem), *s = *at;
	uint64_t *lives;

	if (!s)
		return false;
	unlink_sample(at);
	lives = &s->site->lives[samples_life(minus(now, s->time))];
	store_relaxed(lives, *lives + s->weight);
	store_relaxed(&samples.in_use, samples.in_use - 1);
	leave_use(s->site, stands_for(s));
	PROBE1(otel_memory, free, mem);
	pool_free(&sample_pool, s);
	return true;
}

/* Sizes before and after do not give the weight: the object may have been larger once. */
bool samples_resize(const void *mem, const void *moved, size_t asked, size_t given, size_t grown)
{
	struct sample **at = find(mem), *s = *at;

	if (!s)
		return false;
	unlink_sample(at);
	leave_use(s->site, stands_for(s));
	PROBE1(otel_memory, free, mem);
	if (grown)
		s->weight = poisson_weight_of_both(s->weight, weight_of(grown));
	s->asked = asked;
	s->given = given;
	s->mem = (uintptr_t)moved;
	begin_use(s);
	return true;
}

bool samples_page_has(const void *mem)
{
	const struct sample *s = samples.heads[samples_head(mem)];

	while (s && (s->mem ^ (uintptr_t)mem) >> PAGE_SHIFT)
		s = s->next;
	return s != NULL;
}

/* --- fork ----------------------------------------------------------------------------------- */

void samples_recover(void)
{
	samples.live = (struct sum){0};
	samples.in_use = 0;
	for (struct site *site = samples.sites; site; site = site->next_all)
		site->live = (struct sum){0};
	for (size_t i = 0; samples.heads && i < SAMPLE_HEADS; i++)
		for (struct sample *s = samples.heads[i]; s; s = s->next) {
			samples.in_use++;
			sum_add(&s->site->live, stands_for(s));
			sum_add(&samples.live, stands_for(s));
		}
}
