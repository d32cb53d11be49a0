/*
 * Who waits for whom (plan.h): the gates of epochs, and the turns of slots.
 *
 * A thread that must wait looks a few times, then sleeps (futex), and is woken with those alone
 * that wait for the same: there may be hundreds of threads on two processors.
 *
 * An epoch's gate opens when all epochs before the one before it are done.  A thread that leaves an
 * epoch says how many of its steps it has done; who brings that to an end opens gates.  Counts are
 * changed and read in one order (sequentially consistent), so that of two threads that end two
 * epochs at once, one sees both.
 */
#pragma once

#include "plan.h"

struct order_epoch {
	uint32_t left; /* atomic: steps that are not known as done */
	uint32_t gate; /* atomic */
};

/* epochs, one each of the plan's, are zeroed; when an epoch ends, its time is put into ended_ns. */
void order_start(const struct plan *plan, struct order_epoch *epochs, uint64_t *ended_ns);

void order_enter(uint32_t epoch);
void order_leave(uint32_t epoch, uint32_t steps);

/* Waits until a slot's turn, which begins at 0, was passed on as often as the step has it. */
void order_wait(uint32_t *turn, const struct plan_step *step);
void order_pass(uint32_t *turn);

/* CLOCK_MONOTONIC */
uint64_t order_now_ns(void);
