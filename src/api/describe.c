/* Descriptions of memory; see describe.h. */
#include "api/describe.h"

#include "base/bits.h"
#include "os/line.h"
#include "harden/sampled.h"
#include "heap/heap.h"
#include "report/maps.h"
#include "pages/huge.h"
#include "pages/run.h"
#include "slab/slab.h"

#define DUMP_BEFORE 32 /* bytes */
#define DUMP_AFTER  64
#define DUMP_LINE   16

/* Something that is in use or free as a whole. */
struct block {
	const char *kind, *state, *start;
	size_t nbytes;
	size_t gap;  /* bytes behind it that are nobody's */
	size_t lead; /* bytes before it that are nobody's */
};

static bool object_at(const struct slab *s, const char *mem, struct block *ret_block)
{
	const struct object *o = slab_object_around(s, mem);
	bool free;

	if (slab_index(s, mem) >= s->capacity)
		return false;
	free = slab_is_free(s, o);
	*ret_block =
		(struct block){"object", free ? "free" : "in use", (const char *)o, s->size, 0, 0};
	return true;
}

static bool chunk_at_address(const struct heap *h, const char *mem, struct block *ret_block)
{
	size_t nbytes;
	bool in_use;
	const void *start = heap_chunk_around(h, mem, &nbytes, &in_use);

	if (!start)
		return false;
	*ret_block = (struct block){"chunk", in_use ? "in use" : "free", start, nbytes, 8, 0};
	return true;
}

static bool sampled_at(const struct descriptor *tag, struct block *ret_block)
{
	size_t nbytes;
	bool in_use;
	const void *start = sampled_around(tag, &nbytes, &in_use);

	if (!start)
		return false;
	*ret_block =
		(struct block){"sampled object", in_use ? "in use" : "free", start, nbytes, 0, 0};
	return true;
}

static struct block run_at(const struct run *run)
{
	size_t lead = (size_t)(run->mem - run_base(run)), nbytes = run_usable(run);
	size_t all = run->npages << PAGE_SHIFT;

	return (struct block){"run",  run->kept ? "free" : "in use", run->mem,
			      nbytes, all - lead - nbytes,	     lead};
}

static bool block_at(const char *mem, struct block *ret_block)
{
	const struct descriptor *tag = pagemap_get(mem);
	const struct huge *h = tag ? NULL : huge_around(mem, false);
	const struct run *run = (const struct run *)tag;

	if (h || (tag && tag->kind == KIND_HUGE)) {
		h = h ? h : (const struct huge *)tag;
		*ret_block = (struct block){"huge object", "in use", h->mem, h->nbytes, 0, 0};
		return true;
	}
	if (tag && tag->kind == KIND_SLAB)
		return object_at((const struct slab *)tag, mem, ret_block);
	if (tag && tag->kind == KIND_HEAP)
		return chunk_at_address((const struct heap *)tag, mem, ret_block);
	if (tag && tag->kind == KIND_SAMPLED)
		return sampled_at(tag, ret_block);
	if (!tag || tag->kind != KIND_RUN)
		return false;
	*ret_block = run_at(run);
	return true;
}

static void say_block(const char *where, const struct block *b)
{
	line_say("  %s: %s of %zu bytes at %p, %s", where, b->kind, b->nbytes,
		 (const void *)b->start, b->state);
}

static void say_blocks(const char *mem)
{
	struct block at, near;

	if (!block_at(mem, &at)) {
		line_say("  in: no block of loam's");
		return;
	}
	if (block_at(at.start - at.lead - 1, &near) && near.start != at.start)
		say_block("before", &near);
	say_block("in", &at);
	if (block_at(at.start + at.nbytes + at.gap, &near) && near.start != at.start)
		say_block("behind", &near);
}

/* --- bytes ---------------------------------------------------------------------------------- */

static char digit(unsigned n)
{
	return (char)(n < 10 ? '0' + n : 'a' + n - 10);
}

/* "61 62 63 ...  abc" */
static void say_line(const unsigned char *bytes)
{
	char text[4 * DUMP_LINE + 2];
	size_t length = 0;

	for (size_t i = 0; i < DUMP_LINE; i++) {
		text[length++] = digit(bytes[i] >> 4);
		text[length++] = digit(bytes[i] & 15);
		text[length++] = ' ';
	}
	for (size_t i = 0; i < DUMP_LINE; i++)
		text[length++] = bytes[i] >= ' ' && bytes[i] <= '~' ? (char)bytes[i] : '.';
	text[length] = '\0';
	line_say("    %p  %s", (const void *)bytes, text);
}

static void say_bytes(const char *mem, const struct mapping *m)
{
	uintptr_t at = align_down((uintptr_t)mem, DUMP_LINE), start = m->start, end = m->end;

	if (at - start > DUMP_BEFORE)
		start = at - DUMP_BEFORE;
	if (end - at > DUMP_AFTER)
		end = at + DUMP_AFTER;
	for (; start < end; start += DUMP_LINE)
		say_line((const unsigned char *)start);
}

void describe(const void *mem, const void *at)
{
	struct mapping m;

	if (!maps_find(mem, &m)) {
		line_say("  mapped: no");
		return;
	}
	line_say("  mapped: %p to %p, %s%s%s%s", (const void *)m.start, (const void *)m.end,
		 m.readable ? "r" : "-", m.writable ? "w" : "-", m.name[0] ? " " : "", m.name);
	say_blocks(mem);
	if (maps_find(at, &m) && m.readable)
		say_bytes(at, &m);
}
