/*
 * The memory of a stopped process, by way of /proc/PID/mem, and a cache of its pages.
 *
 * Nothing but the tracer writes to the process while its threads are stopped. So pages are read
 * once, and written back when a thread is to run an instruction by itself that may need them
 * (memory_yield), after which they are read anew.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE_BYTES = 4096, CACHED_PAGES = 1 << 15 };

struct page {
	uint64_t number;
	uint64_t round; /* in which it was read; of others nothing is valid */
	bool dirty;
};

struct memory {
	int fd; /* of /proc/PID/mem */
	struct page *page;
	uint8_t (*bytes)[PAGE_BYTES];
	uint32_t *dirty; /* places of dirty pages */
	uint32_t ndirty;
	uint64_t round;

	bool dry; /* what would be written is only remembered, here below */
	uint64_t written_at;
	unsigned written_bytes;
	uint64_t written;
};

/* fd: of /proc/PID/mem, closed by memory_deinit(). False without memory. */
bool memory_init(struct memory *m, int fd);
void memory_deinit(struct memory *m);

bool memory_read(struct memory *m, uint64_t address, void *buffer, size_t nbytes);
bool memory_write(struct memory *m, uint64_t address, const void *buffer, size_t nbytes);

/* Before the process itself accesses those bytes: it finds what was written. */
void memory_yield(struct memory *m, uint64_t address, size_t nbytes);

/* The same for all of its memory. */
void memory_yield_all(struct memory *m);
