/*
 * Four threads in a ring: each builds requests of 200 objects and hands them to the next, which
 * reads and frees them; 32 requests wait before each.
 *
 * Objects have 16 to 1,500 bytes, the smaller the likelier, and are linked.  A thread allocates and
 * frees in turn, a request at a time, but never frees what it allocated.
 *
 * Stands for: servers that parse in one thread and work in another, with all threads doing both.
 * Cares: those who run them: memory wanders round the ring, and must find its way back.
 * Source: Jeff Bonwick and Jonathan Adams, "Magazines and Vmem: extending the slab allocator to
 * many CPUs and arbitrary resources" (USENIX 2001), on objects that one processor allocates and
 * another frees, and David Gay and Alex Aiken, "Memory management with explicit regions" (PLDI
 * 1998), on requests whose objects end together.
 */
#include "block.h"
#include "channel.h"

enum { THREADS = 4, REQUESTS = 90000, OBJECTS = 200, WAITING = 32, ROOM = 4 * WAITING };

struct object {
	struct object *next;
	size_t nbytes;
};

static struct channel inbox[WORKLOAD_MAX_THREADS];
static unsigned nthreads;
static uint64_t requests; /* of one thread */

/* Half of all sizes are below 120 bytes. */
static size_t some_size(struct random *r)
{
	return 16 + random_below(r, 1 + random_below(r, 1 + random_below(r, 1485)));
}

static struct object *request_make(struct workload_thread *self)
{
	struct object *first = NULL;

	for (unsigned i = 0; i < OBJECTS; i++) {
		size_t nbytes = some_size(&self->random);
		struct object *object = workload_alloc(self, nbytes);

		memset(object, (int)nbytes, nbytes);
		*object = (struct object){first, nbytes};
		first = object;
	}
	return first;
}

static uint64_t request_end(struct workload_thread *self, struct object *object)
{
	uint64_t sum = 0;

	while (object) {
		struct object *next = object->next;

		sum += object->nbytes * ((unsigned char *)object)[object->nbytes - 1];
		workload_free(self, object, object->nbytes);
		object = next;
	}
	return sum;
}

/*
 * No ring of waiting: a thread waits only for one that has done fewer requests, as ROOM is more
 * than WAITING.
 */
static uint64_t body(struct workload_thread *self, void *arg)
{
	struct channel *from = &inbox[self->index], *to = &inbox[(self->index + 1) % nthreads];
	struct object *request;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < requests; i++) {
		channel_put(to, request_make(self));
		if (i >= WAITING)
			sum += request_end(self, channel_take(from));
	}
	channel_close(to);
	while ((request = channel_take(from)))
		sum += request_end(self, request);
	return sum;
}

int main(int argc, char **argv)
{
	workload_start(argc, argv, "request_batches", NULL);
	nthreads = workload_threads(THREADS);
	requests = workload_scaled(REQUESTS) / nthreads + 1;
	for (unsigned i = 0; i < nthreads; i++)
		channel_init(&inbox[i], ROOM, 1, 0);
	return workload_end(workload_run(nthreads, body, NULL));
}
