/* Trees of large chunks, and the ways into and out of all bins; see bins.h. */
#include "heap/bins.h"

#define BIT_LEAST 3 /* the bits above it are those by which sizes differ */

/* What is below a node on one side, or NULL. */
static NOINLINE struct chunk *child_of(const struct chunk *node, unsigned side)
{
	struct chunk *child = node->child[side];

	return child ? chunk_link(node, child) : NULL;
}

/* Links c where the tree has a place for it. */
static void tree_place(struct chunk **slot, struct chunk *c)
{
	*slot = c;
	c->slot = slot;
}

/* A path is no longer than a size has bits, unless links were overwritten. */
static void check_depth(const struct chunk *node, unsigned bit)
{
	if (UNLIKELY(bit < BIT_LEAST))
		chunk_report_links(node);
}

static void tree_insert(struct chunk **slot, unsigned bit, struct chunk *c, size_t csize)
{
	struct chunk *node = *slot;
	unsigned side;

	ASSERT(csize >= CHUNK_LARGE && chunk_size(c) == csize);
	for (; node; node = child_of(node, side), bit--) {
		if (chunk_size(node) == csize) {
			c->slot = NULL;
			bins_ring_push(node, c);
			return;
		}
		check_depth(node, bit);
		side = csize >> bit & 1;
		slot = &node->child[side];
	}
	c->next = c->prev = c;
	c->child[0] = c->child[1] = NULL;
	tree_place(slot, c);
}

/* Any node below c that has no children, taken out of its place; NULL when c has none. */
static struct chunk *tree_take_leaf(struct chunk *c)
{
	struct chunk *leaf = c, *child, **slot = NULL;
	unsigned depth = 0, side;

	while ((child = child_of(leaf, side = !leaf->child[0])) != NULL) {
		check_depth(leaf, CHUNK_WORD_BITS - depth++);
		slot = &leaf->child[side];
		leaf = child;
	}
	if (!slot)
		return NULL;
	if (UNLIKELY(leaf->slot != slot))
		chunk_report_links(leaf);
	*slot = NULL;
	return leaf;
}

/* Puts heir, which is in no tree, or nothing in the place of c. */
static void tree_replace(struct chunk *c, struct chunk *heir)
{
	ASSERT(*c->slot == c && heir != c); /* H3 */
	*c->slot = heir;
	if (!heir)
		return;
	heir->slot = c->slot;
	for (unsigned i = 0; i < 2; i++) {
		heir->child[i] = child_of(c, i);
		if (heir->child[i])
			heir->child[i]->slot = &heir->child[i];
	}
}

/* Takes c out of the tree below root. */
static void tree_remove(struct chunk **root, struct chunk *c)
{
	struct chunk *equal = c->next;

	bins_ring_remove(c);
	if (!c->slot)
		return;
	if (UNLIKELY((c->slot != root && IS_WRONG(!chunk_may_be(c->slot))) || *c->slot != c))
		chunk_report_links(c);
	tree_replace(c, equal != c ? equal : tree_take_leaf(c));
}

/* The smaller of best, which may be NULL, and c, if that has at least csize bytes. */
static struct chunk *tree_better(struct chunk *best, struct chunk *c, size_t csize)
{
	size_t size = chunk_size(c);

	return size >= csize && (!best || size < chunk_size(best)) ? c : best;
}

/* Follows the bits of csize.  Where they are 0, all sizes beyond the other branch are greater than
   csize, and those of the deepest such branch are the smallest of them; a branch's smallest is
   found by 0. */
static struct chunk *tree_best(struct chunk *node, unsigned bit, size_t csize)
{
	struct chunk *best = NULL, *greater = NULL;

	for (; node; bit--) {
		best = tree_better(best, node, csize);
		check_depth(node, bit);
		if (csize >> bit & 1) {
			node = child_of(node, 1);
		} else {
			greater = node->child[1] ? child_of(node, 1) : greater;
			node = child_of(node, 0);
		}
	}
	for (node = greater; node; node = child_of(node, !node->child[0]))
		best = tree_better(best, node, csize);
	return best;
}

void bins_insert(struct bins *bins, struct chunk *c, uint64_t word)
{
	size_t csize = chunk_word_size(word);
	unsigned index = bins_index(csize);

	ASSERT(!(word & CHUNK_IN_USE) && word & CHUNK_PREV_IN_USE); /* H2, H8 */
	if (csize >= CHUNK_BIG) {
		bins->dirty += c->dirty;
		bins->clean += c->clean;
	}
	if (word & CHUNK_UNSORTED) {
		bins_push(bins, BINS_UNSORTED, c);
	} else if (index < BINS_LARGE) {
		bins_push(bins, index, c);
	} else {
		tree_insert(&bins->first[index], bins_top_bit(index), c, csize);
		bit_set(bins->map, index);
		add_hot(&bins->count, 1);
	}
}

void bins_remove(struct bins *bins, struct chunk *c, uint64_t word)
{
	size_t csize = chunk_word_size(word);
	unsigned index = bins_index(csize);

	ASSERT(bins->count);
	if (csize >= CHUNK_BIG) {
		/* The program may have overwritten them; wild ones would count as retained. */
		if (IS_WRONG((c->dirty | c->clean) > csize))
			chunk_report_links(c);
		ASSERT(bins->dirty >= c->dirty); /* H5 */
		bins->dirty -= c->dirty;
		bins->clean -= c->clean;
	}
	if (word & CHUNK_UNSORTED) {
		bins_unlink(bins, BINS_UNSORTED, c);
	} else if (index < BINS_LARGE) {
		bins_unlink(bins, index, c);
	} else {
		tree_remove(&bins->first[index], c);
		if (!bins->first[index])
			bit_clear(bins->map, index);
		add_hot(&bins->count, (size_t)-1);
	}
}

/* The first bin from index on that is not empty; BINS when there is none. */
static unsigned next_bin(const struct bins *bins, unsigned index)
{
	uint64_t word = bins->map[index / 64] >> (index % 64);

	if (word)
		return index + lowest_bit(word);
	if (index < 64 && bins->map[1])
		return 64 + lowest_bit(bins->map[1]);
	return BINS;
}

struct chunk *bins_best(struct bins *bins, size_t csize)
{
	unsigned index = bins_index(csize);
	struct chunk *best;

	ASSERT(csize >= CHUNK_LEAST && is_aligned(csize, CHUNK_ALIGN));
	for (index = next_bin(bins, index); index < BINS; index = next_bin(bins, index + 1)) {
		best = bins->first[index];
		if (index >= BINS_LARGE)
			best = tree_best(best, bins_top_bit(index),
					 csize > bins_least(index) ? csize : bins_least(index));
		ASSERT(!best || chunk_size(best) >= csize);
		/* In its own bin there may be smaller ones only; the next has none. */
		if (best)
			return best;
	}
	return NULL;
}

static bool visit_ring(struct chunk *first, bins_visitor *visit, void *arg)
{
	struct chunk *c = first;

	do {
		if (!visit(c, chunk_size(c), arg))
			return false;
		c = chunk_link(c, c->next);
	} while (c != first);
	return true;
}

/* As deep as a size has bits. */
static bool visit_tree(struct chunk *node, bins_visitor *visit, void *arg)
{
	return !node || (visit_tree(child_of(node, 1), visit, arg) &&
			 visit_ring(node, visit, arg) && visit_tree(child_of(node, 0), visit, arg));
}

void bins_visit(struct bins *bins, unsigned from, unsigned least, bins_visitor *visit, void *arg)
{
	for (unsigned i = from; i > 0 && i >= least; i--) {
		struct chunk *first = bins->first[i];

		if (first && !(i < BINS_LARGE ? visit_ring : visit_tree)(first, visit, arg))
			return;
	}
	if (bins->first[BINS_UNSORTED])
		visit_ring(bins->first[BINS_UNSORTED], visit, arg);
}

/* What bins_check() sums up. */
struct sums {
	size_t count, dirty, clean;
};

static COLD bool check_chunk(const struct chunk *c, unsigned index, struct sums *sums)
{
	uint64_t word = c->header & CHUNK_WORD;
	size_t csize = chunk_word_size(word);
	bool unsorted = index == BINS_UNSORTED;

	sums->count++;
	sums->dirty += csize < CHUNK_BIG ? 0 : c->dirty;
	sums->clean += chunk_clean(c, csize);
	return expect_eq("H2", chunk_verify(c), true) &&
	       expect_eq("H2", word & CHUNK_FLAGS & ~CHUNK_RECUT,
			 CHUNK_PREV_IN_USE | (unsorted ? CHUNK_UNSORTED : 0)) &&
	       (unsorted || expect_eq("H2", bins_index(csize), index)) &&
	       expect_eq("H1", (uintptr_t)c->next->prev, (uintptr_t)c) &&
	       expect_eq("H1", (uintptr_t)c->prev->next, (uintptr_t)c);
}

static COLD bool check_ring(const struct chunk *first, unsigned index, struct sums *sums)
{
	const struct chunk *c = first;

	do {
		if (!check_chunk(c, index, sums))
			return false;
		c = c->next;
	} while (c != first);
	return true;
}

/* The sizes below a node share all bits above `bit` with least. */
static COLD bool check_tree(struct chunk *const *slot, unsigned index, unsigned bit, size_t least,
			    struct sums *sums)
{
	const struct chunk *node = *slot;
	size_t csize;

	if (!node)
		return true;
	csize = chunk_word_size(node->header & CHUNK_WORD);
	if (!check_ring(node, index, sums) ||
	    !expect_eq("H3", (uintptr_t)node->slot, (uintptr_t)slot) ||
	    !expect_eq("H3", csize >> bit >> 1, least >> bit >> 1))
		return false;
	for (const struct chunk *c = node->next; c != node; c = c->next)
		if (!expect_eq("H3", (uintptr_t)c->slot, 0) ||
		    !expect_eq("H3", chunk_word_size(c->header & CHUNK_WORD), csize))
			return false;
	return check_tree(&node->child[0], index, bit - 1, least, sums) &&
	       check_tree(&node->child[1], index, bit - 1, least | (size_t)1 << bit, sums);
}

bool bins_check(const struct bins *bins)
{
	struct sums sums = {0};

	for (unsigned i = 0; i < BINS; i++) {
		const struct chunk *first = bins->first[i];

		if (!expect_eq("H4", bit_test(bins->map, i), first != NULL))
			return false;
		if (first && i < BINS_LARGE && !check_ring(first, i, &sums))
			return false;
		if (first && i >= BINS_LARGE &&
		    !check_tree(&bins->first[i], i, bins_top_bit(i),
				i == BINS_LAST ? 0 : bins_least(i), &sums))
			return false;
	}
	return expect_eq("H5", sums.count, bins->count) &&
	       expect_eq("H5", sums.dirty, bins->dirty) && expect_eq("H5", sums.clean, bins->clean);
}
