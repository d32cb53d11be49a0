/* What memcheck and AddressSanitizer are told; see tools.h. */
#include "harden/tools.h"

#include "os/memcheck.h"

SEALED bool tools;
SEALED static bool memcheck, asan;

/* AddressSanitizer's runtime, where the program has it; of no use where loam itself is built with
 * it. */
void __asan_poison_memory_region(const volatile void *mem, size_t nbytes) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *mem, size_t nbytes) __attribute__((weak));

void tools_start(void)
{
	memcheck = memcheck_runs();
	asan = !IS_INSTRUMENTED && __asan_poison_memory_region;
	tools = memcheck || asan;
}

void tools_enter(void)
{
	if (memcheck)
		memcheck_enter();
}

void tools_leave(void)
{
	if (memcheck)
		memcheck_leave();
}

void tools_allocated(void *mem, size_t req, size_t usable, bool is_zero)
{
	if (memcheck)
		memcheck_allocated(mem, req, usable, is_zero);
	if (!asan)
		return;
	__asan_poison_memory_region(mem, usable);
	__asan_unpoison_memory_region(mem, req);
}

void tools_hide(const void *word, size_t nbytes)
{
	if (memcheck)
		memcheck_hide(word, nbytes);
}

void tools_forgotten(void *mem, size_t usable)
{
	if (asan)
		__asan_unpoison_memory_region(mem, usable);
}

void tools_freed(void *mem, size_t usable)
{
	if (memcheck)
		memcheck_freed(mem);
	if (asan)
		__asan_poison_memory_region(mem, usable);
}
