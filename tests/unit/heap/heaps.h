/* What the tests of chunk heaps share: empty heaps, and how many blocks one has. */
#pragma once

#include "heap/heap.h"
#include "pages/retain.h"
#include "test.h"

static inline struct chunk_heap *fresh(bool brk)
{
	static struct chunk_heap many[32];
	static int used;

	REQUIRE(used < 32);
	retain_forget();
	many[used].brk = brk;
	return &many[used++];
}

static inline size_t count_heaps(const struct chunk_heap *ch)
{
	size_t n = 0;

	for (const struct heap *heap = ch->heaps; heap; heap = heap->next)
		n++;
	return n;
}
