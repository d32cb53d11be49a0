/* One slab of any class: objects out are distinct and keep their bytes, purged pages are used
   again.
 */
#include "fuzz.h"

#include "slab/slab.h"

#include <string.h>

enum { OUT = 4096 };

static struct object *out[OUT];
static uint32_t count;

static void take(struct slab *s)
{
	bool zero;
	struct object *o = count < OUT ? slab_take_one(s, &zero) : NULL;

	if (!o)
		return;
	MUST(slab_starts_object(s, o));
	for (uint32_t i = 0; i < count; i++)
		MUST(out[i] != o);
	memset(o, 0x5a, s->size);
	out[count++] = o;
}

/* False: it is free already. */
static bool give_one(struct slab *s, struct object *o)
{
	struct object *twice = NULL;

	return slab_give(s, &o, 1, &twice) == 1 && !twice;
}

static void give(struct slab *s, uint32_t i)
{
	const unsigned char *bytes = (const unsigned char *)out[i];

	for (uint32_t k = 0; k < s->size; k++)
		MUST(bytes[k] == 0x5a);
	slab_set_marks(out[i]);
	MUST(give_one(s, out[i]));
	MUST(!give_one(s, out[i]));
	out[i] = out[--count];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choices c = {data, data + size};
	unsigned class = choose(&c, CLASSES);
	struct slab *s;

	slab_start(1);
	s = slab_new(NULL, class, class_order(class) - 2 * choose(&c, 2));
	if (!s)
		return 0;
	while (any_left(&c)) {
		uint32_t n = choose(&c, 64);

		switch (choose(&c, 4)) {
		case 0:
			while (n--)
				take(s);
			break;
		case 1:
			while (n-- && count)
				give(s, choose(&c, count));
			break;
		case 2:
			if (count)
				give(s, count - 1);
			break;
		default:
			slab_purge(s);
		}
		MUST(slab_check(s));
	}
	while (count)
		give(s, count - 1);
	slab_free(s);
	return 0;
}
