/* Makes plans of traces; see plan.h. */
#include "plan.h"

#include "live.h"
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum {
	OWN_FREE_SLOTS = 256,	 /* that a thread keeps for itself, before others get them */
	STEPS_AT_ONCE = 1 << 20, /* that the file grows by */
	STEPS_AT = 4096,	 /* where they begin in the file */
};

#define MAX_STEPS ((uint64_t)UINT32_MAX - PLAN_EPOCH_STEPS)

static_assert(sizeof(struct plan_header) <= STEPS_AT, "the header ends before the steps");

/* Free slots, linked: the one freed last is used first. */
struct slot_list {
	uint32_t top; /* slot + 1; 0: none */
	uint32_t count;
};

struct slot {
	uint64_t nbytes;
	uint32_t last_step; /* + 1; 0: none */
	uint32_t thread;    /* of the last step */
	uint32_t turn;
	uint32_t below; /* in a list of free slots */
};

struct thread {
	uint32_t number; /* in the plan, + 1; 0: has no step so far */
	struct slot_list free;
};

struct builder {
	struct trace_reader *reader;
	const char *path;
	int fd;
	size_t map_bytes;
	struct plan_header *header;
	struct plan_step *steps;
	uint64_t max_steps, nsteps, room; /* steps: at most, written, in the file */
	struct slot *slots;
	struct slot_list free; /* slots that threads have too many of */
	struct thread *threads;
	struct plan_thread *plan_threads;
	uint64_t *live_bytes;
	struct live live;
};

static uint64_t epochs_of(uint64_t nsteps)
{
	return (nsteps + PLAN_EPOCH_STEPS - 1) / PLAN_EPOCH_STEPS;
}

/* ---- Slots. */

static void list_push(struct builder *b, struct slot_list *list, uint32_t slot)
{
	b->slots[slot].below = list->top;
	list->top = slot + 1;
	list->count++;
}

static bool list_pop(struct builder *b, struct slot_list *list, uint32_t *slot)
{
	if (!list->count)
		return false;
	*slot = list->top - 1;
	list->top = b->slots[*slot].below;
	list->count--;
	return true;
}

/*
 * A thread's own slots first: taking one that another thread left makes it wait for that thread.
 * But what one thread frees all the time, and never allocates, others must use.
 */
static void slot_free(struct builder *b, struct thread *thread, uint32_t slot)
{
	list_push(b, thread->free.count < OWN_FREE_SLOTS ? &thread->free : &b->free, slot);
}

static uint32_t slot_take(struct builder *b, struct thread *thread)
{
	uint32_t slot;

	if (list_pop(b, &thread->free, &slot) || list_pop(b, &b->free, &slot))
		return slot;
	return b->header->nslots++;
}

/* The step uses the slot: orders it after the step that used it last. */
static void use_slot(struct builder *b, struct plan_step *step, uint32_t slot, uint32_t thread)
{
	struct slot *s = &b->slots[slot];

	step->slot = slot;
	if (s->last_step && s->thread != thread) {
		b->steps[s->last_step - 1].passes = 1;
		step->waits = 1;
		s->turn++;
	}
	step->turn = s->turn & ((1 << PLAN_TURN_BITS) - 1);
	s->last_step = (uint32_t)(step - b->steps) + 1;
	s->thread = thread;
}

/* ---- What is live. */

static void block_begins(struct builder *b, uint32_t slot, uint64_t nbytes)
{
	struct plan_counts *counts = &b->header->counts;

	b->slots[slot].nbytes = nbytes;
	counts->bytes += nbytes;
	counts->live_bytes += nbytes;
	counts->live_blocks++;
	if (counts->live_bytes > counts->peak_live_bytes)
		counts->peak_live_bytes = counts->live_bytes;
	if (counts->live_blocks > counts->peak_live_blocks)
		counts->peak_live_blocks = counts->live_blocks;
}

static void block_ends(struct builder *b, uint32_t slot)
{
	b->header->counts.live_bytes -= b->slots[slot].nbytes;
	b->header->counts.live_blocks--;
}

/* ---- Events. */

/* The result of an event must not be live (T1), but for a free that was lost: that block stays. */
static bool result_is_sound(struct builder *b, const struct trace_event *event)
{
	uint32_t slot;

	if (!event->result || event->result == event->old ||
	    !live_find(&b->live, event->result, &slot))
		return true;
	if (b->reader->lost > b->header->counts.lost_frees) {
		b->header->counts.lost_frees++;
		return true;
	}
	return trace_stop(b->reader, TRACE_DAMAGED,
			  "damaged before byte %" PRIu64 ", at event %" PRIu64
			  ": it gives the address 0x%" PRIx64 ", which is live",
			  b->reader->at, event->number, event->result);
}

static bool fits(struct builder *b, const struct trace_event *event)
{
	if (event->number >= MAX_STEPS)
		return trace_stop(b->reader, TRACE_DAMAGED,
				  "too long: replay takes %" PRIu64 " events", MAX_STEPS);
	if (event->result && event->size >= PLAN_SIZE_MOST)
		return trace_stop(b->reader, TRACE_DAMAGED,
				  "event %" PRIu64 ", before byte %" PRIu64
				  ", gives a block of %" PRIu64
				  " bytes: replay takes less than 1 TiB",
				  event->number, b->reader->at, event->size);
	return result_is_sound(b, event);
}

/* The block at event->old, whose slot this is, is no more. */
static void plan_free(struct builder *b, struct plan_step *step, const struct trace_event *event,
		      uint32_t slot)
{
	live_remove(&b->live, event->old);
	block_ends(b, slot);
	use_slot(b, step, slot, event->thread);
	slot_free(b, &b->threads[event->thread], slot);
}

/* A block that the event gives, in a slot of its own. */
static void plan_result(struct builder *b, struct plan_step *step, const struct trace_event *event)
{
	uint32_t slot = slot_take(b, &b->threads[event->thread]);

	use_slot(b, step, slot, event->thread);
	block_begins(b, slot, event->size);
	live_add(&b->live, event->result, slot);
}

static void plan_realloc(struct builder *b, struct plan_step *step, const struct trace_event *event)
{
	struct plan_counts *counts = &b->header->counts;
	bool frees = event->old && !event->size && !event->result;
	uint32_t slot;
	bool known = event->old && live_find(&b->live, event->old, &slot);

	step->op = frees ? PLAN_REALLOC_FREES : PLAN_REALLOC;
	if (event->old && !known && frees)
		step->op = PLAN_NOTHING;
	counts->realloc_frees += known && frees;
	counts->inherited_frees += event->old && !known && frees;
	counts->inherited_reallocs += event->old && !known && event->result;
	if (known && frees) {
		plan_free(b, step, event, slot);
	} else if (known && event->result) {
		live_remove(&b->live, event->old);
		block_ends(b, slot);
		use_slot(b, step, slot, event->thread);
		block_begins(b, slot, event->size);
		live_add(&b->live, event->result, slot);
	} else if (event->result) {
		plan_result(b, step, event);
	} else {
		counts->failed += !frees;
	}
}

static void plan_event(struct builder *b, struct plan_step *step, const struct trace_event *event)
{
	static const enum plan_op op_of[TRACE_OPS] = {[TRACE_MALLOC] = PLAN_MALLOC,
						      [TRACE_CALLOC] = PLAN_CALLOC,
						      [TRACE_ALIGNED] = PLAN_ALIGNED,
						      [TRACE_FREE] = PLAN_FREE};
	struct plan_counts *counts = &b->header->counts;
	uint32_t slot;

	counts->events++;
	counts->calls[event->op]++;
	*step = (struct plan_step){
		.slot = PLAN_NO_SLOT, .next = PLAN_NO_STEP, .op = op_of[event->op]};
	step->size = event->size < PLAN_SIZE_MOST ? event->size : PLAN_SIZE_MOST;
	step->align_log2 = event->align_log2;
	if (event->op == TRACE_REALLOC) {
		plan_realloc(b, step, event);
	} else if (event->op != TRACE_FREE) {
		counts->failed += !event->result;
		if (event->result)
			plan_result(b, step, event);
	} else if (!event->old) {
		counts->null_frees++;
	} else if (live_find(&b->live, event->old, &slot)) {
		plan_free(b, step, event, slot);
	} else {
		counts->inherited_frees++;
		step->op = PLAN_NOTHING;
	}
}

/* ---- Steps, threads and epochs. */

/* Links a step to the one before of its thread. */
static void link_step(struct builder *b, uint32_t step, uint32_t thread)
{
	struct thread *t = &b->threads[thread];
	struct plan_thread *p;

	if (!t->number) {
		t->number = ++b->header->nthreads;
		b->plan_threads[t->number - 1] = (struct plan_thread){PLAN_NO_STEP, PLAN_NO_STEP};
	}
	p = &b->plan_threads[t->number - 1];
	if (p->first_step == PLAN_NO_STEP)
		p->first_step = step;
	else
		b->steps[p->last_step].next = step;
	p->last_step = step;
}

static void add_step(struct builder *b, const struct trace_event *event)
{
	uint32_t number = (uint32_t)b->nsteps;

	if (number == b->room) {
		uint64_t more = b->max_steps - b->room;

		more = more < STEPS_AT_ONCE ? more : STEPS_AT_ONCE;
		table_reserve(b->fd, b->path, STEPS_AT + b->room * sizeof(struct plan_step),
			      more * sizeof(struct plan_step));
		b->room += more;
	}
	plan_event(b, &b->steps[number], event);
	link_step(b, number, event->thread);
	b->live_bytes[number / PLAN_EPOCH_STEPS] = b->header->counts.live_bytes;
	b->nsteps++;
}

/* ---- The file. */

/* Tables have room for an event a byte of the trace, and take memory for what they hold. */
static void start(struct builder *b)
{
	b->max_steps = b->reader->nbytes < MAX_STEPS ? b->reader->nbytes : MAX_STEPS;
	b->map_bytes = STEPS_AT + b->max_steps * sizeof(struct plan_step);
	if (ftruncate(b->fd, (off_t)b->map_bytes))
		table_fail(b->path, strerror(errno));
	b->header = table_map_file(b->fd, b->path, b->map_bytes, true);
	table_reserve(b->fd, b->path, 0, STEPS_AT);
	b->steps = (struct plan_step *)((char *)b->header + STEPS_AT);
	b->slots = table_map(b->max_steps * sizeof(*b->slots));
	b->threads = table_map(TRACE_MAX_THREADS * sizeof(*b->threads));
	b->plan_threads = table_map(TRACE_MAX_THREADS * sizeof(*b->plan_threads));
	b->live_bytes = table_map(epochs_of(b->max_steps) * sizeof(*b->live_bytes));
	b->threads[0].number = b->header->nthreads = 1;
	b->plan_threads[0] = (struct plan_thread){PLAN_NO_STEP, PLAN_NO_STEP};
	live_init(&b->live);
}

static void put(struct builder *b, const void *bytes, size_t nbytes, uint64_t *at)
{
	*at = b->header->nbytes;
	if (pwrite(b->fd, bytes, nbytes, (off_t)*at) != (ssize_t)nbytes)
		table_fail(b->path, "cannot be written to its end: is the disk full?");
	b->header->nbytes += nbytes;
}

static void finish(struct builder *b)
{
	struct plan_header *header = b->header;

	header->state = b->reader->state;
	header->nepochs = (uint32_t)epochs_of(b->nsteps);
	header->counts.threads = header->nthreads - (b->plan_threads[0].first_step == PLAN_NO_STEP);
	header->counts.lost = b->reader->lost;
	header->nbytes = STEPS_AT + b->nsteps * sizeof(struct plan_step);
	put(b, b->live_bytes, header->nepochs * sizeof(*b->live_bytes), &header->live_at);
	put(b, b->plan_threads, header->nthreads * sizeof(*b->plan_threads), &header->threads_at);
	if (ftruncate(b->fd, (off_t)header->nbytes))
		table_fail(b->path, strerror(errno));
	memcpy(header->magic, PLAN_MAGIC, sizeof(header->magic));
}

size_t plan_build(struct trace_reader *reader, int fd, const char *path)
{
	struct builder b = {.reader = reader, .path = path, .fd = fd};
	struct trace_event event;
	size_t nbytes;

	start(&b);
	while (trace_next(reader, &event) && fits(&b, &event))
		add_step(&b, &event);
	finish(&b);
	nbytes = b.header->nbytes;
	live_deinit(&b.live);
	table_unmap(b.slots, b.max_steps * sizeof(*b.slots));
	table_unmap(b.threads, TRACE_MAX_THREADS * sizeof(*b.threads));
	table_unmap(b.plan_threads, TRACE_MAX_THREADS * sizeof(*b.plan_threads));
	table_unmap(b.live_bytes, epochs_of(b.max_steps) * sizeof(*b.live_bytes));
	table_unmap(b.header, b.map_bytes);
	return nbytes;
}

bool plan_open(struct plan *plan, const void *bytes, size_t nbytes)
{
	const struct plan_header *header = bytes;

	if (nbytes < STEPS_AT || memcmp(header->magic, PLAN_MAGIC, sizeof(header->magic)) ||
	    header->nbytes != nbytes)
		return false;
	*plan = (struct plan){
		.header = header,
		.steps = (const void *)((const char *)bytes + STEPS_AT),
		.live_bytes = (const void *)((const char *)bytes + header->live_at),
		.threads = (const void *)((const char *)bytes + header->threads_at),
	};
	return true;
}
