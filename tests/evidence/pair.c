/* N pairs of malloc and free of SIZE bytes; or, for SIZE 0, the same loop around nothing. */
#include <stdlib.h>

static __attribute__((noinline)) void pairs(long n, size_t size)
{
	for (long i = 0; i < n; i++)
		free(malloc(size));
}

static __attribute__((noinline)) void nothing(long n)
{
	for (long i = 0; i < n; i++)
		__asm__ volatile("");
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 0;
	size_t size = argc > 2 ? (size_t)atol(argv[2]) : 0;

	if (size)
		pairs(n, size);
	else
		nothing(n);
	return 0;
}
