#include "coherence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 1 << 12 };

static void *zeroed(size_t n, size_t nbytes)
{
	void *mem = calloc(n, nbytes);

	if (!mem) {
		fprintf(stderr, "scale: no memory for the model of the caches\n");
		exit(2);
	}
	return mem;
}

void coherence_init(struct coherence *c)
{
	*c = (struct coherence){zeroed(FIRST_SLOTS, sizeof(struct line)), FIRST_SLOTS, 0};
}

void coherence_deinit(struct coherence *c)
{
	free(c->slot);
}

/* The slot of a line, or the empty one where it belongs. */
static struct line *slot_of(const struct coherence *c, uint64_t number)
{
	size_t i = (number * 0x9e3779b97f4a7c15) >> 20;

	while (c->slot[i &= c->nslots - 1].used && c->slot[i].number != number)
		i++;
	return &c->slot[i];
}

static void grow(struct coherence *c)
{
	struct coherence larger = {zeroed(c->nslots * 2, sizeof(struct line)), c->nslots * 2,
				   c->nlines};

	for (size_t i = 0; i < c->nslots; i++)
		if (c->slot[i].used)
			*slot_of(&larger, c->slot[i].number) = c->slot[i];
	free(c->slot);
	*c = larger;
}

struct line *coherence_line(struct coherence *c, uint64_t address)
{
	struct line *line = slot_of(c, address / LINE_BYTES);

	if (line->used)
		return line;
	if (c->nlines * 2 >= c->nslots) {
		grow(c);
		line = slot_of(c, address / LINE_BYTES);
	}
	c->nlines++;
	line->used = true;
	line->number = address / LINE_BYTES;
	return line;
}

static bool is_sharer(const struct line *line, unsigned processor)
{
	return line->sharers[processor / 64] >> processor % 64 & 1;
}

static bool same_socket(unsigned a, unsigned b)
{
	return a % 2 == b % 2;
}

/* Sharers in the processor's socket (near) or in the other, without itself. */
static uint32_t count_sharers(const struct line *line, unsigned processor, bool near)
{
	uint64_t mask = same_socket(processor, 0) == near ? 0x5555555555555555 : 0xaaaaaaaaaaaaaaaa;
	uint32_t n = 0;

	for (size_t i = 0; i < MAX_PROCESSORS / 64; i++)
		n += (uint32_t)__builtin_popcountll(line->sharers[i] & mask);
	return n - (near && is_sharer(line, processor));
}

static uint32_t count_all(const struct line *line)
{
	uint32_t n = 0;

	for (size_t i = 0; i < MAX_PROCESSORS / 64; i++)
		n += (uint32_t)__builtin_popcountll(line->sharers[i]);
	return n;
}

/* A line that others share comes from the nearest of them. */
static enum source source_of(const struct line *line, unsigned processor)
{
	if (is_sharer(line, processor))
		return FROM_OWN;
	if (line->owner)
		return same_socket(line->owner - 1, processor) ? FROM_NEAR : FROM_FAR;
	if (count_sharers(line, processor, true))
		return FROM_NEAR;
	return count_sharers(line, processor, false) ? FROM_FAR : FROM_MEMORY;
}

static void take_alone(struct line *line, unsigned processor, bool dirty)
{
	memset(line->sharers, 0, sizeof line->sharers);
	line->sharers[processor / 64] = 1ull << processor % 64;
	line->owner = processor + 1;
	line->dirty = dirty;
}

static void take_shared(struct line *line, unsigned processor)
{
	line->sharers[processor / 64] |= 1ull << processor % 64;
	line->owner = 0;
	line->dirty = false;
}

struct effect coherence_access(struct coherence *c, unsigned processor, uint64_t address,
			       bool write, enum accessor who)
{
	struct line *line = coherence_line(c, address);
	struct effect e = {.line = line, .source = source_of(line, processor)};

	if (who == PROGRAM)
		line->in_block = true;
	if (e.source == FROM_NEAR || e.source == FROM_FAR)
		line->moved[who][e.source == FROM_FAR]++;
	if (write && line->owner == processor + 1) {
		line->dirty = true;
	} else if (write) {
		uint32_t far = count_sharers(line, processor, false);

		e.invalidated = far + count_sharers(line, processor, true);
		e.far = far > 0;
		e.upgrade = e.source == FROM_OWN;
		take_alone(line, processor, true);
	} else if (e.source == FROM_MEMORY) {
		take_alone(line, processor, false);
	} else if (e.source != FROM_OWN) {
		take_shared(line, processor);
	}
	return e;
}

void coherence_reset(struct coherence *c)
{
	for (size_t i = 0; i < c->nslots; i++)
		memset(c->slot[i].moved, 0, sizeof c->slot[i].moved);
}

bool coherence_check(const struct coherence *c)
{
	for (size_t i = 0; i < c->nslots; i++) {
		const struct line *line = &c->slot[i];
		uint32_t n = count_all(line);

		if (line->owner ? n != 1 || !is_sharer(line, line->owner - 1) : line->dirty) {
			fprintf(stderr, "line %#llx: owner %u, dirty %d, %u sharers\n",
				(unsigned long long)(line->number * LINE_BYTES), line->owner,
				line->dirty, n);
			return false;
		}
	}
	return true;
}
