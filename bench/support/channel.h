/*
 * A channel: one thread puts items in, one other takes them out, the oldest first.
 *
 * Items change hands step at a time, so that the lock costs an item little.  With a lag, the taker
 * leaves as many items waiting until the channel is closed: the queue is always long.  lag and room
 * are multiples of step, and room is at least lag + 2 * step, so that the two never wait for each
 * other.
 */
#pragma once

#include "workload.h"

struct channel {
	uint64_t room, step, lag;
	void **item; /* a ring of room */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t put, taken;		/* items published and given back as room; under the lock */
	bool closed;			/* under the lock */
	_Alignas(128) uint64_t writing; /* the putter's own: items put */
	_Alignas(128) uint64_t reading, readable; /* the taker's own: items taken, and takeable */
};

static inline void channel_init(struct channel *ch, uint64_t room, uint64_t step, uint64_t lag)
{
	*ch = (struct channel){.room = room, .step = step, .lag = lag};
	ch->item = workload_table(room * sizeof *ch->item);
	pthread_mutex_init(&ch->lock, NULL);
	pthread_cond_init(&ch->changed, NULL);
}

/* Publishes what was put; waits until there is room for a step more. */
static inline void channel_publish(struct channel *ch)
{
	pthread_mutex_lock(&ch->lock);
	ch->put = ch->writing;
	pthread_cond_signal(&ch->changed);
	while (ch->writing + ch->step - ch->taken > ch->room)
		pthread_cond_wait(&ch->changed, &ch->lock);
	pthread_mutex_unlock(&ch->lock);
}

static inline void channel_put(struct channel *ch, void *item)
{
	ch->item[ch->writing++ % ch->room] = item;
	if (ch->writing % ch->step == 0)
		channel_publish(ch);
}

/* What was put is all; the putter's last call. */
static inline void channel_close(struct channel *ch)
{
	pthread_mutex_lock(&ch->lock);
	ch->put = ch->writing;
	ch->closed = true;
	pthread_cond_signal(&ch->changed);
	pthread_mutex_unlock(&ch->lock);
}

/* Waits for more items than the lag, or for the end; makes a step of them takeable. */
static inline void channel_refill(struct channel *ch)
{
	pthread_mutex_lock(&ch->lock);
	ch->taken = ch->reading;
	pthread_cond_signal(&ch->changed);
	while (!ch->closed && ch->put - ch->reading <= ch->lag)
		pthread_cond_wait(&ch->changed, &ch->lock);
	ch->readable = ch->closed ? ch->put : ch->put - ch->lag;
	if (ch->readable > ch->reading + ch->step)
		ch->readable = ch->reading + ch->step;
	pthread_mutex_unlock(&ch->lock);
}

/* The oldest item; NULL once the channel is closed and empty. */
static inline void *channel_take(struct channel *ch)
{
	if (ch->reading == ch->readable)
		channel_refill(ch);
	return ch->reading < ch->readable ? ch->item[ch->reading++ % ch->room] : NULL;
}
