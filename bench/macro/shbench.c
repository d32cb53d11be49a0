/*
 * Rounds through sizes from 8 to about 1,000 bytes, many blocks of the small ones and few of the
 * large: of each round's blocks one third is freed in the order of allocation, one third in
 * reverse, and one third is kept, in random places of a table of 5,000, for which what was there is
 * freed.
 *
 * With --share 1 all threads keep into the same table, so that they free each other's blocks.
 *
 * Stands for: the mixes of object sizes and lives by which a commercial allocator was sold.
 * Cares: those who compare with figures of sh6bench (--share 0) and sh8bench (--share 1); it is a
 * mix of our own in their manner, not theirs.
 * Source: MicroQuill's SmartHeap benchmarks, as described by Emery Berger et al. (ASPLOS 2000) and
 * by mimalloc-bench.
 */
#include "block.h"

enum {
	ROUNDS = 18000,
	KEPT = 5000,
	LARGEST = 1000,
	BYTES_PER_SIZE = 16000,
	ROUND_MAX = 8192, /* more than what one round allocates: the sum of count_of() */
};

static uint64_t share = 0;
static uint64_t rounds; /* of one thread */

static size_t next_size(size_t size)
{
	return size + size / 2;
}

static size_t count_of(size_t size)
{
	return BYTES_PER_SIZE / (size + 8);
}

static size_t allocate(struct workload_thread *self, void **parcel)
{
	size_t n = 0;

	for (size_t size = PARCEL_MIN; size <= LARGEST; size = next_size(size))
		for (size_t i = count_of(size); i; i--) {
			size_t spread = random_below(&self->random, next_size(size) - size);

			parcel[n++] = parcel_alloc(self, size + spread);
		}
	return n;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	void **kept = (void **)arg + (share ? 0 : self->index * (size_t)KEPT);
	void **parcel = workload_table(ROUND_MAX * sizeof *parcel);
	uint64_t sum = 0;

	for (uint64_t round = 0; round < rounds; round++) {
		size_t n = allocate(self, parcel);

		for (size_t i = 0; i < n; i += 3)
			sum += parcel_free(self, parcel[i]);
		for (size_t i = n; i-- > 0;)
			if (i % 3 == 1)
				sum += parcel_free(self, parcel[i]);
		for (size_t i = 2; i < n; i += 3) {
			void **place = &kept[random_below(&self->random, KEPT)];

			sum += parcel_free(self, parcel_exchange(place, parcel[i]));
		}
	}
	return sum;
}

int main(int argc, char **argv)
{
	static const struct workload_option own[] = {
		{"--share", &share, "1: threads free each other's"}, {NULL, NULL, NULL}};
	unsigned nthreads;
	size_t nkept;
	void **kept;
	uint64_t sum;

	workload_start(argc, argv, "shbench", own);
	if (share > 1)
		workload_refuse("--share is 0 or 1");
	nthreads = workload_threads(1);
	nkept = (size_t)nthreads * KEPT;
	kept = workload_table(nkept * sizeof *kept);
	rounds = workload_scaled(ROUNDS) / nthreads + 1;
	sum = workload_run(nthreads, body, kept);
	for (size_t i = 0; i < nkept; i++)
		sum += parcel_free(workload_main_thread(), kept[i]);
	return workload_end(sum);
}
