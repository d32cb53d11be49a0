/* What cache-scratch and cache-thrash have in common: small blocks that are written very often. */
#pragma once

#include "block.h"

enum { SHARING_BLOCKS = 1000, SHARING_WRITES = 6000000 };

struct sharing {
	struct block *given; /* one for each thread, or NULL */
	uint64_t nbytes;     /* of a block */
	uint64_t writes;     /* of one thread to one block */
};

/* Reads the options, --size among them. */
static inline void sharing_start(struct sharing *sharing, int argc, char **argv, const char *name)
{
	const struct workload_option own[] = {{"--size", &sharing->nbytes, "bytes of a block"},
					      {NULL, NULL, NULL}};

	sharing->nbytes = 1;
	workload_start(argc, argv, name, own);
	if (sharing->nbytes < 1 || sharing->nbytes > UINT32_MAX)
		workload_refuse("--size is at least 1 and below 4 GiB");
	sharing->writes = workload_scaled(SHARING_WRITES) / workload_threads(4) + 1;
}

/* A thousand times: allocates a block, writes it again and again, frees it. */
static inline uint64_t sharing_write(struct workload_thread *self, const struct sharing *sharing)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SHARING_BLOCKS; i++) {
		volatile unsigned char *mem = workload_alloc(self, sharing->nbytes);

		for (uint64_t write = 0; write < sharing->writes; write++)
			for (size_t k = 0; k < sharing->nbytes; k++)
				mem[k] = (unsigned char)write;
		sum += mem[0];
		if (self->index == 0)
			workload_sample(); /* one thread alone has no other block */
		workload_free(self, (void *)mem, sharing->nbytes);
	}
	return sum;
}
