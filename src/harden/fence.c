/* Fences; see fence.h. */
#include "harden/fence.h"

#include "cache/alloc.h"
#include "cache/deferred.h"
#include "cache/free.h"
#include "cache/resize.h"
#include "os/check.h"
#include "report/report.h"
#include "harden/fence_bytes.h"
#include "harden/quarantine.h"
#include "harden/tools.h"
#include "os/os.h"
#include "pages/guard.h"
#include "pages/huge.h"
#include "pages/region.h"
#include "pages/run.h"
#include "pages/zone.h"
#include "slab/slab.h"

#include <string.h>

#define PURGED (64 * KIB) /* from here on whole pages are wiped by giving them back */

SEALED bool fences;
SEALED static bool guard_pages;

void fence_start(uint64_t random, bool guards)
{
	ASSERT(!fences);
	fence_secret = random | 1;
	guard_pages = guards;
	slab_harden(guards);
	options.mmap_threshold = larger(options.mmap_threshold, RUN_FENCED_MAX);
	if (guards)
		zone_scatter(os_random(RANDOM_PLACES) | 1);
	fences = true;
}

/* --- objects of the arena's ---------------------------------------------------------------- */

/* Whether the last page is left for a guard, be it laid or not. */
static bool has_room_for_guard(const struct descriptor *tag)
{
	return guard_pages && (tag->kind == KIND_RUN || tag->kind == KIND_HUGE);
}

static bool is_guarded(const struct descriptor *tag)
{
	return has_room_for_guard(tag) && tag->guarded;
}

/* Bytes up to the trailer's end, of nbytes in all; 0: a run that ends in no whole page, as one
   where chunks had no memory. */
static size_t before_guard(const struct descriptor *tag, size_t nbytes)
{
	size_t guard = has_room_for_guard(tag) ? os_page_size() : 0;

	return minus(nbytes, guard);
}

/* The same of an object; 0, and reported, too, for what is none. */
static size_t usable_of(const void *mem, struct descriptor *tag, const char *call)
{
	return before_guard(tag, cache_usable(mem, tag, call));
}

/* The number of the arena that an object belongs to, from 1 on; 0: to none. */
static uint32_t owner_of(const struct descriptor *tag)
{
	if (tag->kind == KIND_SLAB)
		return ((const struct slab *)tag)->owner->number;
	return tag->kind == KIND_HEAP ? ((const struct heap *)tag)->owner->number : 0;
}

static struct report_about about(const void *mem, const struct descriptor *tag, size_t size)
{
	static const char *const kinds[] = {[KIND_SLAB] = "object",
					    [KIND_HEAP] = "chunk",
					    [KIND_RUN] = "run",
					    [KIND_HUGE] = "huge object"};

	return (struct report_about){
		.mem = mem, .kind = kinds[tag->kind], .usable = size, .arena = owner_of(tag)};
}

/* Of a slab's object that is handed out: what is behind its link and mark was zero when it was
   freed. */
static void check_reused(void *mem, size_t usable)
{
	struct descriptor *tag = pagemap_get(mem);

	if (tag->kind == KIND_SLAB && !is_zero(mem, sizeof(struct object), usable))
		report_write_after_free("malloc", about(mem, tag, usable),
					first_not_zero(mem, sizeof(struct object), usable));
}

/* Hides a word with the address of that object, if this is one. */
static void hide(char *const *word, const void *mem)
{
	if (*word == mem)
		tools_hide(word, sizeof *word);
}

/* Tools are told of an object, and not to take words of loam's for the program's. */
static COLD void show(void *mem, struct descriptor *tag, size_t req, size_t usable, bool is_zero)
{
	const struct region *r = *pagemap_region(mem);

	if (r)
		hide(&r->base, mem);
	if (tag->kind == KIND_SLAB)
		hide((char *const *)&((struct slab *)tag)->base, mem);
	else if (tag->kind == KIND_RUN)
		hide(&((struct run *)tag)->mem, mem);
	else if (tag->kind == KIND_HUGE)
		hide(&((struct huge *)tag)->mem, mem);
	tools_allocated(mem, req, usable, is_zero);
}

/* Whether to ask for a guard page: an object of nbytes is expected to get pages of its own. */
static bool wants_guard(size_t alignment, size_t nbytes)
{
	size_t chunk = alignment > GRANULE ? nbytes + alignment
					   : nbytes; /* as cache_alloc_aligned() has it */

	return guard_pages &&
	       (cache_wants_pages(chunk) || chunk > HEAP_MAX_REQ || alignment > PAGE_SIZE);
}

/* An object of nbytes, and of a page more if a guard page is wanted; NULL without memory. */
static void *alloc_with(size_t alignment, size_t nbytes, bool guard, bool *zero)
{
	size_t page = os_page_size();

	if (guard)
		nbytes = align_up(nbytes, page) + page;
	return alignment <= GRANULE ? cache_alloc(nbytes, zero)
				    : cache_alloc_aligned(alignment, nbytes);
}

/* Whether an object has nbytes before its guard page. All have but one that got pages of its own
   without asking for the guard. */
static bool has_usable(const void *mem, size_t nbytes)
{
	struct descriptor *tag = pagemap_get(mem);

	return !tag || tag->kind == KIND_EARLY || usable_of(mem, tag, "malloc") >= nbytes;
}

/* An object with nbytes before its guard page, if it has one; NULL without memory. Tries again with
   a guard page where the object unexpectedly got pages of its own: because chunks had no memory, or
   another thread has just changed mmap_threshold. */
static void *alloc_usable(size_t alignment, size_t nbytes, bool *zero)
{
	bool wanted = *zero, guard = wants_guard(alignment, nbytes);
	void *mem = alloc_with(alignment, nbytes, guard, zero);

	if (mem && !has_usable(mem, nbytes)) {
		ASSERT(guard_pages && !guard);
		cache_release(mem, pagemap_get(mem), "malloc");
		*zero = wanted;
		mem = alloc_with(alignment, nbytes, true, zero);
	}
	return mem;
}

void *fence_alloc(size_t alignment, size_t req, bool *zero)
{
	size_t nbytes = req + FENCE_LEAST + TRAILER, usable;
	bool wanted = *zero;
	struct descriptor *tag;
	void *mem;

	if (req > PTRDIFF_MAX - 2 * os_page_size() - FENCE_LEAST - TRAILER)
		return NULL;
	mem = alloc_usable(alignment, nbytes, zero);
	if (!mem && fence_flush()) { /* what the quarantine holds is memory too */
		*zero = wanted;
		mem = alloc_usable(alignment, nbytes, zero);
	}
	tag = mem ? pagemap_get(mem) : NULL;
	if (!tag || tag->kind == KIND_EARLY)
		return mem;
	usable = usable_of(mem, tag, "malloc");
	ASSERT(usable >= nbytes && is_aligned(usable, WORD));
	ASSERT(is_aligned((uintptr_t)mem, alignment));
	if (has_room_for_guard(tag))
		guard_lay(tag, (char *)mem + usable, os_page_size());
	if (alignment > GRANULE)
		*zero = false;
	check_reused(mem, usable);
	lay_fence(mem, req, usable);
	if (tools)
		show(mem, tag, req, usable, wanted && *zero);
	return mem;
}

/* Whether a slab has the object back: of the least its mark is where the trailer was. */
static bool is_slabs_own(const struct object *o, const struct descriptor *tag)
{
	return tag->kind == KIND_SLAB && load_relaxed(&o->key) == slab_mark(o);
}

/* Whether an object of a slab, in use or not, has a trailer that loam wrote, or none yet. */
static bool has_trailer(const struct object *o, const struct slab *s)
{
	uint64_t said = trailer(o, s->size);

	return !said || said == ~key_of(o) || (said ^ key_of(o)) <= s->size - TRAILER ||
	       is_slabs_own(o, &s->tag);
}

/* Reports what was written right before an object of a slab: it is the trailer of another. */
static void check_before(const void *mem, const struct descriptor *tag, const char *call)
{
	const struct slab *s = (const struct slab *)tag;
	const void *before;

	if (tag->kind != KIND_SLAB || (uintptr_t)mem == s->base)
		return;
	before = (const char *)mem - s->size;
	if (!has_trailer(before, s))
		report_overflow(call, about(before, tag, s->size), s->size - TRAILER);
}

/* The size in the trailer; SIZE_MAX, and reported, if the object is free or something is broken. */
static size_t checked_size(const void *mem, struct descriptor *tag, size_t usable, const char *call)
{
	uint64_t said = trailer(mem, usable), key = key_of(mem);
	size_t size = said ^ key, broken;

	ASSERT(usable >= FENCE_LEAST + TRAILER);
	/* Zeros may be an overflow's, too; what is guarded is never deferred. */
	if (said == ~key || (!said && !is_guarded(tag) && deferred_has(mem))) {
		report_double_free(call, about(mem, tag, usable));
		return SIZE_MAX;
	}
	if (size > usable - TRAILER) {
		report_overflow(call, about(mem, tag, usable), usable - TRAILER);
		return SIZE_MAX;
	}
	broken = fence_break(mem, size, usable);
	if (LIKELY(broken == fence_end(size, usable)))
		return size;
	report_overflow(call, about(mem, tag, size), broken);
	return SIZE_MAX;
}

size_t fence_size(const void *mem, struct descriptor *tag, const char *call)
{
	size_t usable = usable_of(mem, tag, call);

	return usable ? checked_size(mem, tag, usable, call) : SIZE_MAX;
}

/* --- freeing ------------------------------------------------------------------------------- */

/* Whole pages of large ones are zero when the system has taken them back. */
static void wipe(char *mem, size_t nbytes)
{
	char *first = (char *)align_up((uintptr_t)mem, os_page_size());
	char *end = (char *)align_down((uintptr_t)mem + nbytes, os_page_size());

	if (nbytes < PURGED || first >= end || !os_purge(first, (size_t)(end - first))) {
		memset(mem, 0, nbytes);
		return;
	}
	memset(mem, 0, (size_t)(first - mem));
	memset(end, 0, (size_t)(mem + nbytes - end));
}

/* Where a quarantined object can be read: of one with a guard page, the last page before that
   alone. */
static char *readable(void *mem, size_t usable, const struct descriptor *tag)
{
	ASSERT(!is_guarded(tag) || usable % os_page_size() == 0); /* a guard page begins there */
	return is_guarded(tag) ? (char *)mem + usable - os_page_size() : mem;
}

/* Nothing of the object is left, and it says that it is free. */
static void lock_up(void *mem, size_t usable, const struct descriptor *tag)
{
	char *from = readable(mem, usable, tag);

	if (from > (char *)mem && !os_guard(mem, (size_t)(from - (char *)mem)))
		wipe(mem, usable);
	wipe(from, (size_t)((char *)trailer_of(mem, usable) - from));
	set_trailer(mem, usable, ~key_of(mem));
}

/* Whether it is as lock_up() left it.  Of what was purged the first and the last page are read: the
   others would have to be faulted in. */
static bool is_locked_up(void *mem, size_t usable, const struct descriptor *tag)
{
	const char *from = readable(mem, usable, tag);
	size_t end = (size_t)((char *)trailer_of(mem, usable) - from), page = os_page_size();

	if (trailer(mem, usable) != ~key_of(mem))
		return false;
	if (end < PURGED)
		return is_zero(from, 0, end);
	return is_zero(from, 0, page) && is_zero(from, end - page, end);
}

/* Of an object that is not as lock_up() left it. */
static COLD void report_broken_lock(void *mem, size_t usable, const struct descriptor *tag)
{
	size_t from = (size_t)(readable(mem, usable, tag) - (char *)mem);

	report_write_after_free("free", about(mem, tag, usable),
				first_not_zero(mem, from, usable - TRAILER));
}

/* Out of quarantine.  What the system will not have accessible again is lost. */
static void leave(void *mem, size_t usable)
{
	struct descriptor *tag = pagemap_get(mem);

	ASSERT(fences && tag);
	if (tools)
		tools_forgotten(mem, usable);
	if (!is_locked_up(mem, usable, tag)) {
		report_broken_lock(mem, usable, tag);
		lock_up(mem, usable, tag);
	}
	if (!is_guarded(tag))
		set_trailer(mem, usable, 0);
	else if (!guard_lift(tag, mem, usable + os_page_size())) /* which leaves zeros */
		return;
	cache_release(mem, tag, "free");
}

void fence_free(void *mem, struct descriptor *tag, const char *call)
{
	size_t usable = usable_of(mem, tag, call);

	if (!usable || checked_size(mem, tag, usable, call) == SIZE_MAX)
		return;
	check_before(mem, tag, call);
	if (tools)
		tools_forgotten(mem, usable);
	lock_up(mem, usable, tag);
	if (tools)
		tools_freed(mem, usable);
	quarantine_put(mem, usable, leave);
}

bool fence_is_freed(const void *mem, const struct descriptor *tag, size_t nbytes)
{
	size_t usable = before_guard(tag, nbytes);
	uint64_t said;

	if (!fences || usable < FENCE_LEAST + TRAILER)
		return false;
	said = trailer(mem, usable);
	return said == ~key_of(mem) || !said;
}

size_t fence_flush(void)
{
	return quarantine_flush(leave);
}
