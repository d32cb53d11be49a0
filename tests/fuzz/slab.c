/* One slab of any class: objects out are distinct and keep their bytes, withdrawn pages come back.
 */
#include "fuzz.h"

#include "slab/slab.h"

#include <string.h>

enum { OUT = 4096 };

static struct object *out[OUT];
static uint32_t count;

static void take(struct slab *s)
{
	struct object *o = count < OUT ? slab_take(s) : NULL;

	if (!o)
		return;
	s->tag.live++;
	MUST(slab_starts_object(s, o));
	for (uint32_t i = 0; i < count; i++)
		MUST(out[i] != o);
	memset(o, 0x5a, s->size);
	out[count++] = o;
}

static void give(struct slab *s, uint32_t i)
{
	const unsigned char *bytes = (const unsigned char *)out[i];

	for (uint32_t k = 0; k < s->size; k++)
		MUST(bytes[k] == 0x5a);
	slab_push(s, out[i]);
	s->tag.live--;
	out[i] = out[--count];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choices c = {data, data + size};
	unsigned class = choose(&c, CLASSES);
	struct slab *s;

	slab_start(1);
	s = slab_new(NULL, class, class_order(class) - 2 * choose(&c, 2), 0x1234);
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
			slab_withdraw(s);
		}
		MUST(slab_check(s));
	}
	while (count)
		give(s, count - 1);
	s->tag.live--;
	s->state = SLAB_EMPTY;
	slab_free(s);
	return 0;
}
