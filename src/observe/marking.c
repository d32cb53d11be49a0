/* Conservative marking; see marking.h. */
#include "observe/marking.h"

#include "base/bits.h"
#include "os/check.h"
#include "os/os.h"

#define FIRST_BYTES (64 * KIB)

static bool make_room(struct marking *m)
{
	size_t nbytes = m->mapped ? 2 * m->mapped : align_up(FIRST_BYTES, os_page_size());
	void *blocks = m->mapped ? os_remap(m->blocks, m->mapped, nbytes, true)
				 : os_map(nbytes, OS_METADATA);

	if (!blocks)
		return false;
	m->blocks = blocks;
	m->mapped = nbytes;
	return true;
}

bool marking_add(struct marking *m, const void *mem, size_t nbytes)
{
	if (m->count == MARKING_MOST)
		return false;
	if ((m->count + 1) * sizeof *m->blocks > m->mapped && !make_room(m))
		return false;
	m->blocks[m->count++] = (struct marking_block){(uintptr_t)mem, nbytes, 0, LOST};
	return true;
}

void marking_end(struct marking *m)
{
	if (m->mapped)
		os_unmap(m->blocks, m->mapped);
	*m = (struct marking){.blocks = NULL};
}

/* --- order ----------------------------------------------------------------------------------- */

static void swap(struct marking_block *a, struct marking_block *b)
{
	struct marking_block c = *a;

	*a = *b;
	*b = c;
}

/* Lets block i of a heap down to where it belongs; the largest is first. */
static void sift(struct marking_block *blocks, size_t i, size_t count)
{
	for (size_t child; (child = 2 * i + 1) < count; i = child) {
		if (child + 1 < count && blocks[child + 1].start > blocks[child].start)
			child++;
		if (blocks[i].start >= blocks[child].start)
			return;
		swap(&blocks[i], &blocks[child]);
	}
}

/* By heapsort: in place, and in bounded time whatever the order was. */
void marking_sort_blocks(struct marking_block *blocks, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sift(blocks, i, count);
	for (size_t n = count; n > 1; n--) {
		swap(&blocks[0], &blocks[n - 1]);
		sift(blocks, 0, n - 1);
	}
}

void marking_sort(struct marking *m)
{
	marking_sort_blocks(m->blocks, m->count);
}

struct marking_block *marking_find(const struct marking *m, uintptr_t address)
{
	size_t low = 0, high = m->count;
	struct marking_block *b;

	if (!high || address < m->blocks[0].start)
		return NULL;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (m->blocks[middle].start <= address)
			low = middle;
		else
			high = middle;
	}
	b = &m->blocks[low];
	return address - b->start < (b->nbytes ? b->nbytes : 1) ? b : NULL;
}

/* --- marking --------------------------------------------------------------------------------- */

static void push(struct marking *m, struct marking_block *b)
{
	b->next = m->work;
	m->work = (uint32_t)(b - m->blocks) + 1;
}

static struct marking_block *pop(struct marking *m)
{
	struct marking_block *b = &m->blocks[m->work - 1];

	ASSERT(m->work && m->work <= m->count);
	m->work = b->next;
	return b;
}

void marking_root(void *marking, const uintptr_t *words, size_t n)
{
	struct marking *m = marking;
	struct marking_block *b;

	for (size_t i = 0; i < n; i++) {
		b = marking_find(m, words[i]);
		if (!b || b->state != LOST || b == m->leader)
			continue;
		b->state = m->leader ? INDIRECT : REACHED;
		push(m, b);
	}
}

static void read_all(struct marking *m)
{
	while (m->work) {
		const struct marking_block *b = pop(m);

		m->contents(b->start, b->start + b->nbytes, marking_root, m);
	}
}

/* A lost block that a later one leads to was read before, and so were those that it leads to. */
void marking_finish(struct marking *m)
{
	read_all(m);
	for (size_t i = 0; i < m->count; i++) {
		if (m->blocks[i].state != LOST)
			continue;
		m->leader = &m->blocks[i];
		push(m, m->leader);
		read_all(m);
	}
	m->leader = NULL;
}
