/*
 * malloc and its family against a shadow heap: each object has its bytes, which nothing but the
 * program changes; sizes and alignments are what was asked for.
 */
#include "fuzz.h"

#include <loam/loam.h>
#include <string.h>

enum { OBJECTS = 64, MOST = 24 /* 2^24 bytes */, SEEN = 256 /* bytes compared at each end */ };

static struct object {
	unsigned char *mem;
	size_t size;
	unsigned char byte;
} objects[OBJECTS];

static unsigned char next_byte;

static void fill(struct object *o)
{
	size_t n = o->size < SEEN ? o->size : SEEN;

	o->byte = ++next_byte;
	memset(o->mem, o->byte, n);
	memset(o->mem + o->size - n, o->byte, n);
}

static void compare(const struct object *o, size_t size)
{
	size_t n = size < SEEN ? size : SEEN;

	for (size_t i = 0; i < n; i++)
		MUST(o->mem[i] == o->byte);
	if (size == o->size)
		for (size_t i = 1; i <= n; i++)
			MUST(o->mem[size - i] == o->byte);
}

static void drop(struct object *o)
{
	if (o->mem)
		compare(o, o->size);
	loam_free(o->mem);
	o->mem = NULL;
}

static void keep(struct object *o, void *mem, size_t size)
{
	o->mem = mem;
	o->size = size;
	if (!mem)
		return;
	MUST(loam_malloc_usable_size(mem) >= size);
	MUST((uintptr_t)mem % 16 == 0);
	fill(o);
}

static void allocate(struct object *o, struct choices *c)
{
	size_t size = choose_size(c, MOST);

	drop(o);
	keep(o, loam_malloc(size), size);
}

static void allocate_zeros(struct object *o, struct choices *c)
{
	size_t size = choose_size(c, MOST - 4);
	unsigned char *mem;

	drop(o);
	mem = loam_calloc(1, size);
	for (size_t i = 0; mem && i < size; i++)
		MUST(!mem[i]);
	keep(o, mem, size);
}

static void allocate_aligned(struct object *o, struct choices *c)
{
	size_t alignment = (size_t)16 << choose(c, 14), size = choose_size(c, MOST - 4);
	void *mem;

	drop(o);
	mem = loam_memalign(alignment, size);
	MUST((uintptr_t)mem % alignment == 0);
	keep(o, mem, size);
}

static void resize(struct object *o, struct choices *c)
{
	size_t size = choose_size(c, MOST), before = o->size;
	void *mem;

	if (!o->mem || !size)
		return;
	mem = loam_realloc(o->mem, size);
	if (!mem)
		return;
	o->mem = mem;
	compare(o, size < before ? size : before); /* the first bytes of it */
	keep(o, mem, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choices c = {data, data + size};

	while (any_left(&c)) {
		struct object *o = &objects[choose(&c, OBJECTS)];

		switch (choose(&c, 8)) {
		case 0 ... 2:
			allocate(o, &c);
			break;
		case 3:
			allocate_zeros(o, &c);
			break;
		case 4:
			allocate_aligned(o, &c);
			break;
		case 5:
			resize(o, &c);
			break;
		case 6:
			drop(o);
			break;
		default:
			if (choose(&c, 16) == 0)
				loam_malloc_trim(choose(&c, 65536));
		}
	}
	for (int i = 0; i < OBJECTS; i++)
		drop(&objects[i]);
	MUST(loam_check());
	return 0;
}
