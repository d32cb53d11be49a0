#include "order.h"

#include <linux/futex.h>
#include <limits.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	LOOKS = 50,	     /* before a thread that waits sleeps */
	FORGET_EPOCHS = 256, /* whose steps are dropped from memory at once: 2 MiB */
	TURN_MASK = (1 << PLAN_TURN_BITS) - 1,
};

/* In a turn, beside the count: somebody sleeps until it changes. */
#define TURN_SLEEPER ((uint32_t)1 << 31)

enum { GATE_CLOSED, GATE_SLEEPERS, GATE_OPEN };

static struct {
	const struct plan_step *steps;
	struct order_epoch *epochs;
	uint64_t *ended_ns;
	uint32_t nepochs;
	uint32_t done; /* atomic: epochs from the first that are done */
} order;

uint64_t order_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void sleep_while(uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* ---- Epochs. */

static void open_gate(uint32_t epoch)
{
	uint32_t *gate;

	if (epoch >= order.nepochs)
		return;
	gate = &order.epochs[epoch].gate;
	if (__atomic_exchange_n(gate, GATE_OPEN, __ATOMIC_SEQ_CST) == GATE_SLEEPERS)
		wake(gate);
}

void order_enter(uint32_t epoch)
{
	uint32_t *gate = &order.epochs[epoch].gate;

	for (int looks = 0; looks < LOOKS; looks++)
		if (__atomic_load_n(gate, __ATOMIC_ACQUIRE) == GATE_OPEN)
			return;
	for (;;) {
		uint32_t closed = GATE_CLOSED;

		__atomic_compare_exchange_n(gate, &closed, GATE_SLEEPERS, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_SEQ_CST);
		if (closed == GATE_OPEN)
			return;
		sleep_while(gate, GATE_SLEEPERS);
	}
}

/* Steps of done epochs are not read again. */
static void forget_steps(uint32_t done)
{
	if (done > FORGET_EPOCHS && done % FORGET_EPOCHS == 0)
		madvise((void *)(order.steps + (done - FORGET_EPOCHS) * PLAN_EPOCH_STEPS),
			FORGET_EPOCHS * PLAN_EPOCH_STEPS * sizeof(*order.steps), MADV_DONTNEED);
}

/* If the first epoch that is not done now is, says so, and lets threads go on. */
static void end_epochs(void)
{
	uint32_t done = __atomic_load_n(&order.done, __ATOMIC_SEQ_CST);

	while (done < order.nepochs &&
	       !__atomic_load_n(&order.epochs[done].left, __ATOMIC_SEQ_CST)) {
		if (!__atomic_compare_exchange_n(&order.done, &done, done + 1, false,
						 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			continue;
		order.ended_ns[done] = order_now_ns();
		done++;
		open_gate(done + 1);
		forget_steps(done);
	}
}

void order_leave(uint32_t epoch, uint32_t steps)
{
	if (!__atomic_sub_fetch(&order.epochs[epoch].left, steps, __ATOMIC_SEQ_CST))
		end_epochs();
}

void order_start(const struct plan *plan, struct order_epoch *epochs, uint64_t *ended_ns)
{
	uint64_t left = plan->header->counts.events;

	order.steps = plan->steps;
	order.epochs = epochs;
	order.ended_ns = ended_ns;
	order.nepochs = plan->header->nepochs;
	for (uint32_t i = 0; i < order.nepochs; i++) {
		epochs[i].left = left < PLAN_EPOCH_STEPS ? left : PLAN_EPOCH_STEPS;
		left -= epochs[i].left;
	}
	open_gate(0);
	open_gate(1);
}

/* ---- Turns. */

static inline bool has_turn(uint32_t *turn, const struct plan_step *step, uint32_t *seen)
{
	*seen = __atomic_load_n(turn, __ATOMIC_ACQUIRE);
	return (*seen & TURN_MASK) == step->turn;
}

void order_wait(uint32_t *turn, const struct plan_step *step)
{
	uint32_t seen;

	for (int looks = 0; looks < LOOKS; looks++)
		if (has_turn(turn, step, &seen))
			return;
	while (!has_turn(turn, step, &seen))
		if (__atomic_compare_exchange_n(turn, &seen, seen | TURN_SLEEPER, false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			sleep_while(turn, seen | TURN_SLEEPER);
}

void order_pass(uint32_t *turn)
{
	uint32_t next = (__atomic_load_n(turn, __ATOMIC_RELAXED) + 1) & ~TURN_SLEEPER;

	if (__atomic_exchange_n(turn, next, __ATOMIC_SEQ_CST) & TURN_SLEEPER)
		wake(turn);
}
