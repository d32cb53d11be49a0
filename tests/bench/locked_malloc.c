/* malloc and free that take one lock each: what bench/scale should count of them is known. */
#include <stdbool.h>
#include <stddef.h>

extern void *__libc_malloc(size_t nbytes);
extern void __libc_free(void *mem);
void *malloc(size_t nbytes);
void free(void *mem);

static _Alignas(128) bool locked;

static void take(void)
{
	while (__atomic_exchange_n(&locked, true, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

static void release(void)
{
	__atomic_store_n(&locked, false, __ATOMIC_RELEASE);
}

void *malloc(size_t nbytes)
{
	void *mem;

	take();
	mem = __libc_malloc(nbytes);
	release();
	return mem;
}

void free(void *mem)
{
	take();
	__libc_free(mem);
	release();
}
