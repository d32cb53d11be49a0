/* Outboxes and inbox; see remote.h. */
#include "arena/remote.h"

#include "arena/magazine.h"
#include "arena/registry.h"
#include "base/bits.h"
#include "base/report.h"

#define BATCH_OBJECTS 64
#define BATCH_BYTES   (32 * KIB)

/* Links of inbox and outbox are in the objects' own memory, and so encoded. */
static void set_next(struct object *o, struct object *next)
{
	o->link = (uintptr_t)next ^ ~slab_mark(o);
}

static struct object *next_of(const struct object *o)
{
	return (struct object *)(o->link ^ ~slab_mark(o));
}

/* Puts a chain into an inbox; false when that was empty. */
static bool push(struct arena *to, struct object *first, struct object *last)
{
	struct object *head = load_relaxed(&to->inbox);

	do
		set_next(last, head);
	while (!__atomic_compare_exchange_n(&to->inbox, &head, first, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED));
	return head != NULL;
}

/* Who finds the last post still there looks whether a thread takes care of the arena at all; but
   not while it tends another, or one would lead to the next without end. */
static void post(struct arena *self, struct outbox *box)
{
	struct arena *to = box->to;

	store_relaxed(&box->to, NULL);
	self->counts.remote_posts++;
	if (load_relaxed(&to->retired))
		return;
	add_relaxed(&to->inbox_bytes, box->nbytes);
	if (push(to, box->first, box->last) && self == arena_mine)
		registry_tend(to);
}

void remote_defer(void *mem)
{
	push(&arena_main, mem, mem);
}

static struct outbox *outbox_for(struct arena *self, struct arena *to)
{
	struct outbox *box = &self->outbox[to->number % OUTBOX_SLOTS];

	if (box->to && box->to != to)
		post(self, box);
	if (!box->to) {
		box->first = box->last = NULL;
		box->count = 0;
		box->nbytes = 0;
		store_relaxed(&box->to, to);
	}
	return box;
}

void remote_free(struct arena *self, struct arena *to, void *mem, size_t nbytes)
{
	struct outbox *box = outbox_for(self, to);
	struct object *o = mem;

	set_next(o, box->first);
	box->first = o;
	if (!box->last)
		box->last = o;
	box->count++;
	box->nbytes += nbytes;
	self->counts.remote_sent++;
	if (box->count == BATCH_OBJECTS || box->nbytes >= BATCH_BYTES)
		post(self, box);
}

/* The outbox must be for that arena already, and not be full by this object. */
static bool takes_one_more(const struct outbox *box, const struct arena *to, size_t nbytes)
{
	return box->to == to && box->count + 1 < BATCH_OBJECTS &&
	       box->nbytes + nbytes < BATCH_BYTES;
}

static void into_outbox(struct arena *self, struct outbox *box, const struct slab *s,
			struct object *o)
{
	o->key = slab_mark(o);
	set_next(o, box->first);
	box->first = o;
	box->count++;
	box->nbytes += s->size;
	self->counts.remote_sent++;
}

bool remote_free_short(void *mem)
{
	struct slab *s = (struct slab *)pagemap_get(mem);
	struct arena *self = arena_mine;
	struct object *o = mem;
	struct outbox *box = &self->outbox[s->owner->number % OUTBOX_SLOTS];
	bool taken;

	if (slab_is_open(s) || self == s->owner || !slab_starts_object(s, mem) ||
	    o->key == slab_mark(o) || !arena_begin(self))
		return false;
	taken = takes_one_more(box, s->owner, s->size);
	if (taken)
		into_outbox(self, box, s, o);
	arena_end(self);
	return taken;
}

void remote_flush(struct arena *self)
{
	for (unsigned i = 0; i < OUTBOX_SLOTS; i++)
		if (self->outbox[i].to)
			post(self, &self->outbox[i]);
}

UNSYNCHRONIZED void remote_visit(void (*visit)(const struct arena *to, size_t nbytes, void *arg), void *arg)
{
	for (struct arena *a = NULL; (a = registry_next(a));) {
		visit(a, load_relaxed(&a->inbox_bytes), arg);
		for (unsigned i = 0; i < OUTBOX_SLOTS; i++) {
			const struct arena *to = load_relaxed(&a->outbox[i].to);

			if (to)
				visit(to, a->outbox[i].nbytes, arg);
		}
	}
}

bool remote_drain(struct arena *self)
{
	struct object *o, *next;
	struct descriptor *tag;

	if (!load_relaxed(&self->inbox))
		return false;
	o = __atomic_exchange_n(&self->inbox, NULL, __ATOMIC_ACQUIRE);
	store_relaxed(&self->inbox_bytes, 0);
	for (; o; o = next) {
		tag = pagemap_get(o);
		if (UNLIKELY(!tag))
			report_corruption("corrupted list of freed objects",
					  (struct report_about){.mem = o, .arena = self->number + 1});
		next = next_of(o);
		__builtin_prefetch(next);
		arena_release_drained(self, tag, o);
		self->counts.remote_drained++;
	}
	return true;
}
