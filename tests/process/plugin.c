/* A plugin that holds memory of its own while it is loaded, and gives and takes blocks. */
#include "plugin.h"

#include "process.h"

enum { HELD = 40 };

static struct block held[HELD];

__attribute__((constructor)) static void construct(void)
{
	for (int i = 0; i < HELD; i++)
		held[i] = block_new((size_t)i * 97 + 1);
}

__attribute__((destructor)) static void destroy(void)
{
	for (int i = 0; i < HELD; i++)
		block_free(i % 4 ? held[i] : block_grow(held[i]));
}

static void *give(size_t nbytes)
{
	return block_new(nbytes).mem;
}

static void take(void *mem, size_t nbytes)
{
	block_free((struct block){mem, nbytes});
}

static void *grow(void *mem, size_t nbytes)
{
	return block_grow((struct block){mem, nbytes}).mem;
}

static char *duplicate(const char *text)
{
	return strdup(text);
}

const struct plugin plugin = {give, take, grow, duplicate, allocate_every_size};
