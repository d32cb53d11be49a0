/*
 * One thread puts messages into a queue, another takes them out, the oldest first, and frees them;
 * about 61,000 messages always wait.
 *
 * A message has 32 to 400 bytes, one in a hundred 4 to 16 KiB.
 *
 * Stands for: queues between a fast and a slow part: event buses, log shippers, trading systems.
 * Cares: those whose messages are all freed by the thread that did not allocate them, long after:
 * what was allocated a moment ago is never what is freed now.
 * Source: Martin Thompson et al., "Disruptor: high performance alternative to bounded queues for
 * exchanging data between concurrent threads" (LMAX, 2011), which describes such queues, and what
 * messages from the heap cost in them.
 */
#include "block.h"
#include "channel.h"

enum { MESSAGES = 9000000, STEP = 1024, WAITING = 60 * STEP, ROOM = 2 * WAITING };

static struct channel queue;
static uint64_t messages;

static uint64_t produce(struct workload_thread *self)
{
	struct random *r = &self->random;

	for (uint64_t i = 0; i < messages; i++) {
		bool large = random_below(r, 100) == 0;
		size_t nbytes = large ? random_between(r, 4096, 16384) : random_between(r, 32, 400);

		channel_put(&queue, parcel_filled(self, nbytes));
	}
	channel_close(&queue);
	return 0;
}

static uint64_t consume(struct workload_thread *self)
{
	void *message;
	uint64_t sum = 0;

	while ((message = channel_take(&queue)))
		sum += parcel_free(self, message);
	return sum;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	return self->index == 0 ? produce(self) : consume(self);
}

int main(int argc, char **argv)
{
	workload_start(argc, argv, "message_queue", NULL);
	messages = workload_scaled(MESSAGES);
	channel_init(&queue, ROOM, STEP, WAITING);
	return workload_end(workload_run(2, body, NULL));
}
