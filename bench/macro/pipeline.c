/*
 * Five threads in a row: each takes a buffer from the one before, makes a larger one of it, hands
 * that on, and frees what it took.
 *
 * The first makes buffers of 100 to 1,000 bytes; each of the others two to four times what it
 * takes, so that the last frees up to 256 KB at a time.  Up to 64 buffers wait between two threads.
 *
 * Stands for: what decodes, unpacks and renders: compression, media, search over documents.
 * Cares: those who build pipelines: each size is allocated by one thread, always, and freed by
 * another, always.
 * Source: Christian Bienia, Sanjeev Kumar, Jaswinder Pal Singh, Kai Li, "The PARSEC benchmark
 * suite: characterization and architectural implications" (PACT 2008): the pipelines of dedup and
 * ferret.
 */
#include "block.h"
#include "channel.h"

enum { STAGES = 5, BUFFERS = 500000, WAITING = 64, STEP = 8 };

static struct channel channel[STAGES - 1];
static uint64_t buffers;

static uint64_t begin(struct workload_thread *self)
{
	for (uint64_t i = 0; i < buffers; i++)
		channel_put(&channel[0],
			    parcel_filled(self, random_between(&self->random, 100, 1000)));
	channel_close(&channel[0]);
	return 0;
}

/* What a stage makes of a buffer, which it frees. */
static uint64_t convert(struct workload_thread *self, uint64_t *from, struct channel *to)
{
	if (to)
		channel_put(to, parcel_filled(self, from[0] * random_between(&self->random, 2, 4)));
	return parcel_free(self, from);
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	unsigned stage = self->index;
	struct channel *to = stage + 1 < STAGES ? &channel[stage] : NULL;
	uint64_t sum = 0;
	void *from;

	if (stage == 0)
		return begin(self);
	while ((from = channel_take(&channel[stage - 1])))
		sum += convert(self, from, to);
	if (to)
		channel_close(to);
	return sum;
}

int main(int argc, char **argv)
{
	workload_start(argc, argv, "pipeline", NULL);
	buffers = workload_scaled(BUFFERS);
	for (unsigned i = 0; i < STAGES - 1; i++)
		channel_init(&channel[i], WAITING, STEP, 0);
	return workload_end(workload_run(STAGES, body, NULL));
}
