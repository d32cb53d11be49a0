/*
 * Sixteen threads with 64 connections each, which fill and drain buffers of 1 to 16 KiB.
 *
 * At each event a random connection either reads into a new buffer or sends its oldest and frees
 * it; it has ten at most.  A header takes 1 KiB, or where that is too small 8 KiB; all else is as
 * long as the data that came, from 1 to 16 KiB, each length equally likely.
 *
 * Stands for: proxies, load balancers and file servers with buffers a connection.
 * Cares: those who run them: sizes too large for what most allocators keep at hand, in more threads
 * than there are processors.
 * Source: the buffers that nginx has for a connection, as its documentation of 2004 to now
 * describes them: client_header_buffer_size, large_client_header_buffers, proxy_buffers.
 */
#include "block.h"

enum {
	THREADS = 16,
	EVENTS = 12000000, /* of all threads */
	CONNECTIONS = 64,
	BUFFERS = 10, /* of a connection, at most */
	HEADER = 1024,
	LARGE_HEADER = 8192,
	LARGEST = 16384
};

/* The buffers of a connection, the oldest at first. */
struct connection {
	unsigned first, count;
	struct block buffer[BUFFERS];
};

static size_t some_size(struct random *r)
{
	uint64_t percent = random_below(r, 100);

	if (percent < 10)
		return HEADER;
	return percent < 12 ? LARGE_HEADER : random_between(r, 1024, LARGEST);
}

static void receive(struct workload_thread *self, struct connection *c)
{
	unsigned last = (c->first + c->count++) % BUFFERS;

	block_fill(self, &c->buffer[last], some_size(&self->random));
}

static uint64_t send(struct workload_thread *self, struct connection *c)
{
	struct block *block = &c->buffer[c->first];
	uint64_t sum = block_read(block);

	block_free(self, block);
	c->first = (c->first + 1) % BUFFERS;
	c->count--;
	return sum;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	uint64_t events = *(const uint64_t *)arg, sum = 0;
	struct connection *connection = workload_table(CONNECTIONS * sizeof *connection);

	for (uint64_t i = 0; i < events; i++) {
		struct connection *c = &connection[random_below(&self->random, CONNECTIONS)];

		if (random_below(&self->random, BUFFERS) >= c->count)
			receive(self, c);
		else
			sum += send(self, c);
	}
	for (unsigned i = 0; i < CONNECTIONS; i++)
		while (connection[i].count)
			sum += send(self, &connection[i]);
	return sum;
}

int main(int argc, char **argv)
{
	unsigned nthreads;
	uint64_t events;

	workload_start(argc, argv, "proxy_buffers", NULL);
	nthreads = workload_threads(THREADS);
	events = workload_scaled(EVENTS) / nthreads + 1;
	return workload_end(workload_run(nthreads, body, &events));
}
