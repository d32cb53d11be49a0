/* What memcheck and AddressSanitizer are told; see tools.h. */
#include "harden/tools.h"

#include "report/memcheck.h"
#include "os/os.h"
#include "pages/pagemap.h"

SEALED bool tools;
SEALED static bool memcheck, asan;

/* AddressSanitizer's runtime, where the program has it; of no use where loam itself is built with
 * it. */
void __asan_poison_memory_region(const volatile void *mem, size_t nbytes) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *mem, size_t nbytes) __attribute__((weak));
void __asan_get_shadow_mapping(size_t *ret_scale, size_t *ret_offset) __attribute__((weak));

/* Whether AddressSanitizer's shadow memory is mapped: it allocates before that, and then cannot be
   told of a block. */
static bool has_shadow; /* relaxed */

void tools_start(void)
{
	memcheck = memcheck_runs();
	asan = !IS_INSTRUMENTED && __asan_poison_memory_region && __asan_get_shadow_mapping;
	tools = memcheck || asan;
}

/* Whether the shadow of mem can be written.  True, too, where a filter refuses the system call that
   tells: filters are installed by programs, and the sanitizer starts before them. */
static COLD bool find_shadow(const void *mem)
{
	size_t scale, offset;

	__asan_get_shadow_mapping(&scale, &offset);
	if (!os_is_writable((const void *)(((uintptr_t)mem >> scale) + offset)))
		return false;
	store_relaxed(&has_shadow, true);
	return true;
}

/* Whether AddressSanitizer runs and can be told of mem. */
static bool asan_takes(const void *mem)
{
	return asan && (load_relaxed(&has_shadow) || find_shadow(mem));
}

/* The word before an object: the trailer of its neighbour or a chunk's header, which the program
   must not touch either.  At the start of a page the object itself, since the page before may be
   the program's. */
static char *word_before(void *mem)
{
	return (uintptr_t)mem % PAGE_SIZE ? (char *)mem - 8 : mem;
}

static void asan_poison(void *mem, size_t usable)
{
	char *start = word_before(mem);

	if (asan_takes(mem))
		__asan_poison_memory_region(start, (size_t)((char *)mem + usable - start));
}

static void asan_unpoison(void *mem, size_t usable)
{
	char *start = word_before(mem);

	if (asan_takes(mem))
		__asan_unpoison_memory_region(start, (size_t)((char *)mem + usable - start));
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
	asan_poison(mem, usable);
	if (asan_takes(mem))
		__asan_unpoison_memory_region(mem, req);
}

void tools_hide(const void *word, size_t nbytes)
{
	if (memcheck)
		memcheck_hide(word, nbytes);
}

void tools_forgotten(void *mem, size_t usable)
{
	asan_unpoison(mem, usable);
}

void tools_freed(void *mem, size_t usable)
{
	if (memcheck)
		memcheck_freed(mem);
	asan_poison(mem, usable);
}
