/*
 * Which addresses of the recorded process are live, and in which slot: a hash table with open
 * addressing and linear probing (Knuth, volume 3, 6.4, algorithms L and R), at most half full.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct live_entry {
	uint64_t address; /* 0: empty */
	uint32_t slot;
};

struct live {
	struct live_entry *entries;
	unsigned log2_room;
	size_t count;
};

void live_init(struct live *live);
void live_deinit(struct live *live);

/* The slot of a live address; false if it is not live. */
bool live_find(const struct live *live, uint64_t address, uint32_t *slot);

/* Makes an address live, in this slot from now on. */
void live_add(struct live *live, uint64_t address, uint32_t slot);

/* address is live: it is no more. */
void live_remove(struct live *live, uint64_t address);
