#include "run.h"

#include "fill.h"
#include "order.h"
#include "table.h"
#include "ticks.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK_BYTES = 256 << 10 };

/* What a slot holds is written by the thread whose turn it is. */
struct slot {
	void *mem;
	uint32_t turn;	 /* see order.h */
	uint32_t filled; /* bytes of the block that are filled: all, if it has under 4 GiB */
};

/* A thread but the first, which keeps those that run in a list. */
struct runner {
	const struct plan_thread *plan;
	pthread_t thread;
	struct runner *next;
};

static struct {
	const struct plan_step *steps;
	struct slot *slots;
	struct runner *runners;
	size_t too_large; /* what stands for PLAN_SIZE_MOST; a constant the compiler would refuse */
	bool timed;
	pthread_mutex_t lock; /* of latency */
	struct latency latency[RUN_CALLS];
} run = {.lock = PTHREAD_MUTEX_INITIALIZER};

size_t fill_small = FILL_SMALL;

/* ---- Steps. */

_Noreturn static void fail(const struct plan_step *step, const void *mem, uint64_t nbytes,
			   const char *what)
{
	static const char *const names[] = {"nothing", "malloc",  "calloc", "aligned",
					    "realloc", "realloc", "free"};

	dprintf(2, "replay: event %td, %s, slot %" PRIu32 ": %s (%" PRIu64 " bytes at %p)\n",
		step - run.steps, names[step->op], step->slot, what, nbytes, mem);
	_exit(1);
}

static size_t size_of(const struct plan_step *step)
{
	return step->size == PLAN_SIZE_MOST ? run.too_large : step->size;
}

static void *aligned(const struct plan_step *step)
{
	size_t alignment = (size_t)1 << step->align_log2;
	void *mem = NULL;

	alignment = alignment < sizeof(void *) ? sizeof(void *) : alignment;
	errno = posix_memalign(&mem, alignment, size_of(step));
	return errno ? NULL : mem;
}

/* Makes a call, and counts how long it took if calls are timed. */
#define CALL(kind, call)                                                                           \
	do {                                                                                       \
		uint64_t before = latency ? ticks_before() : 0;                                    \
		call;                                                                              \
		if (latency)                                                                       \
			latency_record(&latency[kind], ticks_after() - before);                    \
	} while (0)

static inline void *call(const struct plan_step *step, void *old, struct latency *latency)
{
	void *mem = NULL;

	switch (step->op) {
	case PLAN_MALLOC:
		CALL(RUN_MALLOC, mem = malloc(size_of(step)));
		break;
	case PLAN_CALLOC:
		CALL(RUN_CALLOC, mem = calloc(1, size_of(step)));
		break;
	case PLAN_ALIGNED:
		CALL(RUN_MALLOC, mem = aligned(step));
		break;
	case PLAN_REALLOC:
	case PLAN_REALLOC_FREES:
		CALL(RUN_REALLOC, mem = realloc(old, size_of(step)));
		break;
	case PLAN_FREE:
		CALL(RUN_FREE, free(old));
		break;
	default:
		break;
	}
	return mem;
}

/* The block that a step got, into its slot, where a realloc has left what was filled before. */
static inline void take(const struct plan_step *step, struct slot *slot, void *mem)
{
	uint64_t pattern = fill_pattern(step->slot);
	uint32_t kept = slot->filled, filled = step->size < UINT32_MAX ? step->size : UINT32_MAX;

	kept = kept < filled ? kept : filled;
	if (!mem && step->size)
		fail(step, mem, step->size, "there is no memory");
	if (step->op == PLAN_CALLOC && !fill_holds(mem, filled, filled, 0))
		fail(step, mem, step->size, "the block is not zero");
	if (step->op == PLAN_ALIGNED && (uintptr_t)mem & (((uintptr_t)1 << step->align_log2) - 1))
		fail(step, mem, step->size, "the block is not aligned");
	if (step->op == PLAN_REALLOC && !fill_holds(mem, slot->filled, kept, pattern))
		fail(step, mem, step->size, "the block did not keep what was written into it");
	fill_block(mem, filled, pattern);
	slot->mem = mem;
	slot->filled = filled;
}

/* Takes the block that a step ends, as it was left, from its slot. */
static inline void *give(const struct plan_step *step, struct slot *slot)
{
	void *mem = slot->mem;

	if (!fill_holds(mem, slot->filled, slot->filled, fill_pattern(step->slot)))
		fail(step, mem, slot->filled, "the block does not hold what was written into it");
	slot->mem = NULL;
	slot->filled = 0;
	return mem;
}

static inline void do_step(const struct plan_step *step, struct latency *latency)
{
	bool ends = step->op == PLAN_FREE || step->op == PLAN_REALLOC_FREES;
	struct slot *slot = &run.slots[step->slot];
	void *mem;

	if (step->slot != PLAN_NO_SLOT && !ends) {
		take(step, slot, call(step, slot->mem, latency));
		return;
	}
	/* Where the recorded call gave nothing, what this one gives goes at once. */
	mem = call(step, step->slot == PLAN_NO_SLOT ? NULL : give(step, slot), latency);
	if (mem)
		free(mem);
}

/* The step of a thread's that is next, within the epoch that it is in. */
struct place {
	uint32_t step, epoch, done; /* done: steps in this epoch */
};

/* Goes to the step, which is later than the one before. */
static inline void go_to(struct place *place, uint32_t step)
{
	uint32_t epoch = step / PLAN_EPOCH_STEPS;

	place->step = step;
	if (epoch == place->epoch)
		return;
	if (place->done)
		order_leave(place->epoch, place->done);
	order_enter(epoch);
	place->epoch = epoch;
	place->done = 0;
}

/* Does the step, and returns the next of the thread. */
static inline uint32_t step_on(struct place *place, struct latency *latency)
{
	const struct plan_step *step = &run.steps[place->step];

	if (step->waits)
		order_wait(&run.slots[step->slot].turn, step);
	do_step(step, latency);
	place->done++;
	if (step->passes)
		order_pass(&run.slots[step->slot].turn);
	return step->next;
}

static void end_steps(struct place *place, const struct latency *latency)
{
	if (place->done)
		order_leave(place->epoch, place->done);
	if (!latency)
		return;
	pthread_mutex_lock(&run.lock);
	for (int i = 0; i < RUN_CALLS; i++)
		latency_add(&run.latency[i], &latency[i]);
	pthread_mutex_unlock(&run.lock);
}

/* ---- Threads. */

/* Inlined, so that there is one that times nothing. */
static inline __attribute__((always_inline)) void do_thread(uint32_t step, struct latency *latency)
{
	struct place place = {.epoch = UINT32_MAX};

	while (step != PLAN_NO_STEP) {
		go_to(&place, step);
		step = step_on(&place, latency);
	}
	end_steps(&place, latency);
}

static __attribute__((noinline)) void do_thread_timed(uint32_t step)
{
	struct latency latency[RUN_CALLS] = {0};

	do_thread(step, latency);
}

static void *runner_body(void *arg)
{
	uint32_t step = ((struct runner *)arg)->plan->first_step;

	if (run.timed)
		do_thread_timed(step);
	else
		do_thread(step, NULL);
	return NULL;
}

static void start_thread(struct runner **running, struct runner *runner)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	errno = pthread_create(&runner->thread, &attributes, runner_body, runner);
	if (errno)
		table_fail("a thread of the trace cannot be started", strerror(errno));
	runner->next = *running;
	*running = runner;
}

/* Waits for the end of those threads whose last step is before this one. */
static void join_threads(struct runner **running, uint32_t step)
{
	struct runner **link = running;

	while (*link) {
		if ((*link)->plan->last_step >= step) {
			link = &(*link)->next;
			continue;
		}
		pthread_join((*link)->thread, NULL);
		*link = (*link)->next;
	}
}

/* The first thread: its own steps, and where their first steps are, the births of the others. */
static inline __attribute__((always_inline)) void do_first(const struct plan *plan,
							   struct latency *latency)
{
	uint32_t nthreads = plan->header->nthreads, born = 1, step = plan->threads[0].first_step;
	struct place place = {.epoch = UINT32_MAX};
	struct runner *running = NULL;

	for (;;) {
		uint32_t birth = born < nthreads ? plan->threads[born].first_step : PLAN_NO_STEP;

		if (birth < step) {
			go_to(&place, birth);
			join_threads(&running, birth);
			run.runners[born].plan = &plan->threads[born];
			start_thread(&running, &run.runners[born++]);
		} else if (step != PLAN_NO_STEP) {
			go_to(&place, step);
			step = step_on(&place, latency);
		} else {
			break;
		}
	}
	end_steps(&place, latency);
	join_threads(&running, PLAN_NO_STEP);
}

static __attribute__((noinline)) void do_first_timed(const struct plan *plan)
{
	static struct latency latency[RUN_CALLS];

	do_first(plan, latency);
}

/* ---- The whole. */

/* Room for count things of nbytes at the end of a table, on cache lines of its own; its offset. */
static size_t part(size_t *table, size_t count, size_t nbytes)
{
	size_t at = *table;

	*table += (count * nbytes + 63) & ~(size_t)63;
	return at;
}

/* Makes the tables of slots, runners and epochs; result gets the epochs' times. */
static void make_tables(const struct plan *plan, struct run_result *result)
{
	const struct plan_header *header = plan->header;
	size_t nbytes = 0;
	size_t slots = part(&nbytes, header->nslots, sizeof(*run.slots));
	size_t runners = part(&nbytes, header->nthreads, sizeof(*run.runners));
	size_t epochs = part(&nbytes, header->nepochs, sizeof(struct order_epoch));
	size_t ended_ns = part(&nbytes, header->nepochs, sizeof(uint64_t));
	char *table = table_in_file(nbytes);

	run.slots = (struct slot *)(table + slots);
	run.runners = (struct runner *)(table + runners);
	order_start(plan, (struct order_epoch *)(table + epochs), (uint64_t *)(table + ended_ns));
	result->epoch_ended_ns = (uint64_t *)(table + ended_ns);
	result->table_bytes = nbytes;
}

struct run_result run_plan(const struct plan *plan, bool timed)
{
	struct run_result result = {.latency = timed ? run.latency : NULL};

	make_tables(plan, &result);
	run.steps = plan->steps;
	run.timed = timed;
	run.too_large = SIZE_MAX / 2 + 1;
	if (timed)
		latency_start();
	result.began_ns = order_now_ns();
	if (timed)
		do_first_timed(plan);
	else
		do_first(plan, NULL);
	result.ended_ns = order_now_ns();
	return result;
}
