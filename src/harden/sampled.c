/* Sampled objects; see sampled.h. */
#include "harden/sampled.h"

#include "base/bits.h"
#include "base/list.h"
#include "base/options.h"
#include "os/check.h"
#include "os/line.h"
#include "report/report.h"
#include "os/os.h"
#include "pages/metadata.h"
#include "pages/place.h"
#include "report/signals.h"
#include "report/stack.h"

#include <string.h>

#define SLOTS	     1024
#define OBJECT_MOST  (16 * KIB)
#define PATTERN	     0xa5
#define PATTERN_MOST ((size_t)64) /* bytes of it on either side */

SEALED static bool is_on;

struct lock sampled_lock = LOCK_INIT(LOCK_SAMPLED);

static struct {
	struct link free;     /* the one freed longest ago first */
	struct link *waiting; /* freed without the lock; singly linked; atomic */
	struct slot *slots;
	uint64_t random;
} sampled = {.free = {&sampled.free, &sampled.free}};

/* Whole pages, of which the last one of a slot's is that of its objects' ends. */
static size_t slot_bytes(void)
{
	return align_up(OBJECT_MOST, os_page_size());
}

/* And a guard page. */
static size_t stride(void)
{
	return slot_bytes() + os_page_size();
}

static char *slot_end(const struct slot *s)
{
	return s->start + slot_bytes();
}

static bool in_use(const struct slot *s)
{
	return load_acquire(&s->in_use);
}

static struct slot *of_link(struct link *l)
{
	return container_of(l, struct slot, link);
}

/* --- faults --------------------------------------------------------------------------------- */

static struct report_about about(const struct slot *s, const void *mem)
{
	return (struct report_about){.mem = mem,
				     .kind = "sampled object",
				     .usable = s->size,
				     .start = mem == s->mem ? NULL : s->mem,
				     .state = in_use(s) ? "in use" : "free",
				     .allocated = &s->allocated,
				     .freed = &s->freed};
}

/* The slot of the object that an address is nearest to: behind the guard page that s ends with the
   next slot begins. */
static const struct slot *nearest(const struct slot *s, const char *address)
{
	const struct slot *next = s + 1;

	if (address < slot_end(s) || next == sampled.slots + SLOTS || !next->mem || !in_use(next))
		return s;
	return s->mem && in_use(s) && address - (s->mem + s->size) < next->mem - address ? s : next;
}

/* Says what it was that touched a guard page or a free slot; false for all other addresses. */
static bool explain(const void *address)
{
	const struct slot *s = (const struct slot *)pagemap_get(address);
	const char *what = "use after free";

	if (!s || s->tag.kind != KIND_SAMPLED)
		return false;
	s = nearest(s, address);
	if (!s->mem)
		return false;
	if (in_use(s))
		what = (const char *)address < s->mem ? "heap buffer underflow"
						      : "heap buffer overflow";
	report_access(what, about(s, address));
	return true;
}

/* --- slots ---------------------------------------------------------------------------------- */

/* A guard page, then the slots, each with its own; NULL without memory. */
static char *map_slots(void)
{
	size_t nbytes = os_page_size() + SLOTS * stride();
	char *area = place_map(nbytes, os_page_size(), nbytes, OS_PAGES);

	if (!area)
		return NULL;
	sampled.slots = metadata_alloc(SLOTS * sizeof(struct slot));
	if (sampled.slots && os_guard(area, nbytes))
		return area;
	os_unmap(area, nbytes);
	return NULL;
}

void sampled_start(void)
{
	char *area = map_slots(), *first;

	if (!area) {
		line_say("guard: no memory for sampled objects; none is");
		return;
	}
	first = area + os_page_size();
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &sampled.slots[i];

		s->tag.kind = KIND_SAMPLED;
		s->start = first + i * stride();
		list_push_back(&sampled.free, &s->link);
		pagemap_set(s->start, stride(), &s->tag);
	}
	pagemap_set(area, os_page_size(), &sampled.slots[0].tag);
	sampled.random = os_random(RANDOM_SAMPLES);
	is_on = true;
	store_relaxed(&sampling, true);
}

bool sampled_is_on(void)
{
	return is_on;
}

/* The rate on average, between 1 and twice that, so that no rhythm of the program's is in step with
   it. */
static uint32_t some_time(void)
{
	uint64_t random = add_relaxed(&sampled.random, 1);

	ASSERT(options.guard && options.guard <= UINT32_MAX / 2);
	return (uint32_t)(mix64(random) % (2 * options.guard - 1)) + 1;
}

/* Begins the thread's next count. False for its first one, which begins only now, unless that ends
   at once. */
static bool count_anew(void)
{
	static __thread bool begun __attribute__((tls_model("initial-exec")));
	bool is_first = !begun;

	begun = true;
	mine.until_sampled = some_time();
	return !is_first || mine.until_sampled == 1;
}

/* Puts a free slot into the list that needs no lock; list_waiting() moves it to the free list. */
static void give_later(struct slot *s)
{
	struct link *first = load_relaxed(&sampled.waiting);

	do
		s->link.next = first;
	while (!__atomic_compare_exchange_n(&sampled.waiting, &first, &s->link, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

static void list_waiting(void)
{
	struct link *l = __atomic_exchange_n(&sampled.waiting, NULL, __ATOMIC_ACQUIRE), *next;

	ASSERT(lock_held(&sampled_lock));
	for (; l; l = next) {
		next = l->next;
		list_push_back(&sampled.free, l);
	}
}

static struct slot *take_slot(void)
{
	struct link *l;

	if (!cache_may_lock(&sampled_lock))
		return NULL;
	lock_acquire(&sampled_lock);
	list_waiting();
	l = list_empty(&sampled.free) ? NULL : list_pop(&sampled.free);
	lock_release(&sampled_lock);
	return l ? of_link(l) : NULL;
}

static void give_slot(struct slot *s)
{
	ASSERT(!in_use(s) && s->tag.kind == KIND_SAMPLED);
	if (!cache_may_lock(&sampled_lock)) {
		give_later(s);
		return;
	}
	lock_acquire(&sampled_lock);
	list_push_back(&sampled.free, &s->link);
	lock_release(&sampled_lock);
}

/* --- objects -------------------------------------------------------------------------------- */

/* The known bytes before and behind the object. */
static char *pattern_start(const struct slot *s)
{
	size_t before = (size_t)(s->mem - s->start);

	return s->mem - (before < PATTERN_MOST ? before : PATTERN_MOST);
}

static void lay_pattern(struct slot *s)
{
	char *behind = s->mem + s->size;

	memset(pattern_start(s), PATTERN, (size_t)(s->mem - pattern_start(s)));
	memset(behind, PATTERN, (size_t)(slot_end(s) - behind));
}

/* The first byte around the object that was overwritten; NULL: none. */
static const char *broken_byte(const struct slot *s)
{
	const char *byte = pattern_start(s);

	for (; byte < slot_end(s); byte++) {
		if (byte == s->mem)
			byte += s->size;
		if (byte < slot_end(s) && *(const unsigned char *)byte != PATTERN)
			return byte;
	}
	return NULL;
}

/* A handler is there from the first object on, not from the start: a program that looks whether it
   has one finds none as long as there is nothing to explain, and one that sets its own early is
   asked after loam. */
static void catch_faults(void)
{
	static bool caught;

	if (!__atomic_exchange_n(&caught, true, __ATOMIC_RELAXED))
		signals_catch(explain);
}

/* At the end of its slot, so that what lies behind the object is unreadable. */
void *sampled_alloc(size_t alignment, size_t req)
{
	struct slot *s;

	if (!count_anew() || req > OBJECT_MOST || alignment > OBJECT_MOST / 4)
		return NULL;
	s = take_slot();
	if (!s)
		return NULL;
	if (!os_unguard(s->start, slot_bytes())) {
		give_slot(s);
		return NULL;
	}
	ASSERT(!in_use(s));
	s->size = req;
	s->mem = (char *)align_down((uintptr_t)slot_end(s) - req, alignment < 16 ? 16 : alignment);
	ASSERT(s->mem >= s->start && s->mem + req <= slot_end(s));
	ASSERT(is_aligned((uintptr_t)s->mem, alignment));
	catch_faults();
	s->freed = (struct stack){0};
	stack_note(&s->allocated);
	lay_pattern(s);
	store_release(&s->in_use, true);
	return s->mem;
}

static bool check(const struct slot *s, const void *mem, const char *call)
{
	if (LIKELY(s->mem == mem && in_use(s)))
		return true;
	if (s->mem == mem && mem)
		report_double_free(call, about(s, mem));
	else if (s->mem)
		report_interior_pointer(call, about(s, mem));
	else
		report_unknown_pointer(call, (struct report_about){.mem = mem});
	return false;
}

const void *sampled_around(const struct descriptor *tag, size_t *ret_size, bool *ret_in_use)
{
	const struct slot *s = (const struct slot *)tag;

	*ret_size = s->size;
	*ret_in_use = in_use(s);
	return s->mem;
}

size_t sampled_size(const void *mem, struct descriptor *tag, const char *call)
{
	const struct slot *s = (const struct slot *)tag;

	return check(s, mem, call) ? s->size : SIZE_MAX;
}

void sampled_free(void *mem, struct descriptor *tag, const char *call)
{
	struct slot *s = (struct slot *)tag;
	const char *broken;

	if (!check(s, mem, call))
		return;
	broken = broken_byte(s);
	if (broken && broken < s->mem)
		report_underflow(call, about(s, mem), (size_t)(s->mem - broken));
	else if (broken)
		report_overflow(call, about(s, mem), (size_t)(broken - s->mem));
	if (!__atomic_exchange_n(&s->in_use, false, __ATOMIC_ACQ_REL)) {
		report_double_free(call, about(s, mem)); /* another thread was first */
		return;
	}
	stack_note(&s->freed);
	if (os_guard(s->start, slot_bytes()))
		give_slot(s); /* else it stays as it is for good */
}

void sampled_visit(void (*visit)(const void *mem, size_t nbytes, void *arg), void *arg)
{
	for (size_t i = 0; is_on && i < SLOTS; i++)
		if (in_use(&sampled.slots[i]))
			visit(sampled.slots[i].mem, sampled.slots[i].size, arg);
}

/* --- fork ----------------------------------------------------------------------------------- */

void sampled_recover(void)
{
	list_repair(&sampled.free);
}
