/* Memory when nothing else can be touched; see early.h. */
#include "arena/early.h"

#include "base/bits.h"
#include "os/check.h"
#include "os/os.h"
#include "pages/pagemap.h"
#include "pages/place.h"

#define EARLY_STEP (64 * KIB)

/* Before each object: its size. */
struct header {
	size_t nbytes, unused;
};

/* The start of a mapping that objects are cut from. */
struct area {
	char *next, *end; /* next is atomic */
};

static struct descriptor early_tag = {.kind = KIND_EARLY};
static struct area *area; /* atomic */

/* Reads as false, if as anything, before the dynamic linker has set up the thread's variables. */
static __thread volatile bool thread_is_set_up __attribute__((tls_model("initial-exec"))) = true;

/* Holds the address that it has only after relocation. */
static void *const relocated = &early_tag;

bool early_is_over(void)
{
	return *(void *const volatile *)&relocated == &early_tag && thread_is_set_up;
}

/* A new area, NULL without memory; nobody else's as yet. */
static struct area *map_area(size_t nbytes)
{
	size_t step = align_up(nbytes, EARLY_STEP);
	struct area *new = place_map(step, os_page_size(), step, OS_METADATA);

	if (!new)
		return NULL;
	pagemap_set(new, step, &early_tag);
	new->next = (char *)(new + 1);
	new->end = (char *)new + step;
	return new;
}

/* Cuts from an area; NULL when it has too little left. */
static void *cut(struct area *from, size_t alignment, size_t nbytes)
{
	char *next = load_relaxed(&from->next), *mem, *past;

	ASSERT(nbytes && is_power_of_two(alignment) && alignment >= sizeof(struct header));
	do {
		mem = (char *)align_up((uintptr_t)next + sizeof(struct header), alignment);
		past = (char *)align_up((uintptr_t)mem + nbytes, sizeof(struct header));
		if (past > from->end)
			return NULL;
	} while (!__atomic_compare_exchange_n(&from->next, &next, past, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	((struct header *)mem)[-1].nbytes = nbytes;
	return mem;
}

void *early_alloc(size_t alignment, size_t nbytes)
{
	size_t most = sizeof(struct area) + 2 * sizeof(struct header) + alignment + nbytes;
	struct area *from = load_acquire(&area);
	void *mem;

	nbytes = nbytes ? nbytes : 1; /* an object of no bytes is one: it can be resized */
	if (alignment < sizeof(struct header))
		alignment = sizeof(struct header);
	if (nbytes > PTRDIFF_MAX || alignment > PTRDIFF_MAX || most > PTRDIFF_MAX - EARLY_STEP)
		return NULL;
	mem = from ? cut(from, alignment, nbytes) : NULL;
	if (mem || !(from = map_area(most)))
		return mem;
	mem = cut(from, alignment, nbytes);
	store_release(&area, from); /* of two that map one each, the later one's serves others */
	return mem;
}

size_t early_usable(const void *mem)
{
	return ((const struct header *)mem)[-1].nbytes;
}
