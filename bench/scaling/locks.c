#include "locks.h"

#include <string.h>

static struct changed *find(struct holder *h, uint64_t address)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->changed[i].address == address)
			return &h->changed[i];
	return NULL;
}

static struct lock_word *word_of(struct locks *l, uint64_t address)
{
	size_t i = (address * 0x9e3779b97f4a7c15) >> 40;

	while (l->word[i &= MAX_LOCKS - 1].address && l->word[i].address != address)
		i++;
	if (!l->word[i].address) {
		if (l->n == MAX_LOCKS / 2)
			return NULL;
		l->n++;
		l->word[i].address = address;
	}
	return &l->word[i];
}

static void released(struct locks *l, struct holder *h, struct changed *c, uint64_t now)
{
	struct lock_word *word = word_of(l, c->address);
	uint64_t since = c->since > l->started ? c->since : l->started;

	if (word) {
		word->acquisitions++;
		word->waits += c->tried;
		word->held += now > since ? now - since : 0;
	}
	*c = h->changed[--h->n];
}

void locks_atomic(struct locks *l, struct holder *h, uint64_t address, uint64_t before,
		  uint64_t after, uint64_t now)
{
	struct changed *c = find(h, address);

	if (c && c->holds && before != after && after == c->old) {
		released(l, h, c, now);
		return;
	}
	if (!c) {
		if (h->n == MAX_CHANGED)
			return;
		c = &h->changed[h->n++];
		*c = (struct changed){.address = address};
	}
	if (before == after) {
		c->tried |= !c->holds;
		return;
	}
	c->tried |= c->holds; /* it was not free before */
	c->old = before;
	c->since = now;
	c->holds = true;
}

void locks_store(struct locks *l, struct holder *h, uint64_t address, uint64_t value, uint64_t now)
{
	struct changed *c = find(h, address);

	if (c && c->holds && value == c->old)
		released(l, h, c, now);
}

bool locks_watches(const struct holder *h, uint64_t address)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->changed[i].address == address && h->changed[i].holds)
			return true;
	return false;
}

void locks_leave(struct holder *h)
{
	h->n = 0;
}

void locks_reset(struct locks *l, uint64_t now)
{
	memset(l, 0, sizeof *l);
	l->started = now;
}
