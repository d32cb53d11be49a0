/*
 * An allocator that needs 5% more memory than libc's, for the trial of bench/compare: it is libc's,
 * and of each twenty bytes that are asked for it takes and touches one more, never to free it.
 * What is freed is not given back either: right only for a program that fills memory and ends.
 */
#include <stdlib.h>
#include <string.h>

enum { SHARE = 20, PIECE = 65536, BOOKKEEPING = 8 };

extern void *__libc_malloc(size_t size);

void *malloc(size_t size)
{
	static size_t taken; /* since the last piece of waste */
	size_t more = (size + BOOKKEEPING + 15) & ~(size_t)15;

	if (__atomic_add_fetch(&taken, more, __ATOMIC_RELAXED) >= (size_t)PIECE * SHARE) {
		void *waste = __libc_malloc(PIECE);

		if (waste)
			memset(waste, 1, PIECE);
		__atomic_sub_fetch(&taken, (size_t)PIECE * SHARE, __ATOMIC_RELAXED);
	}
	return __libc_malloc(size);
}
