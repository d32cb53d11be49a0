/*
 * Four threads with a B-tree each, whose nodes of 4 KiB are never changed in place once a snapshot
 * has them: the first change after a snapshot copies the nodes on its way.
 *
 * A tree has 15,000 keys, each with a value of 16 to 400 bytes.  A snapshot is taken every 3,000
 * replacements, and the last four are kept; with the oldest go, at once, the nodes and values that
 * no later one has.
 *
 * Stands for: file systems and databases with snapshots, and stores that write to a new place.
 * Cares: those who build them: blocks of just a page, which a header at each makes more than one,
 * freed by the thousand.
 * Source: Rudolf Bayer and Edward McCreight, "Organization and maintenance of large ordered
 * indexes" (1972), for B-trees; Ohad Rodeh, "B-trees, shadowing, and clones" (2008), for how they
 * are copied.
 */
#include "block.h"

enum {
	THREADS = 4,
	REPLACEMENTS = 10000000, /* of all threads */
	KEYS = 15000,
	NODE = 4096,
	FANOUT = (NODE - 16) / 8,
	ROOT_FANOUT = KEYS / (FANOUT / 2) + 1,
	EPOCH = 3000, /* replacements from one snapshot to the next */
	SNAPSHOTS = 4,
	RETIRED = 2 * EPOCH + ROOT_FANOUT + 1 /* of one epoch, at most */
};

/* A leaf's links are to values, which begin with their size; the root's are to leaves. */
struct node {
	uint64_t epoch; /* in which it was made */
	uint64_t count;
	void *link[FANOUT];
};

_Static_assert(sizeof(struct node) == NODE, "a node is a page");
_Static_assert(ROOT_FANOUT <= FANOUT, "two levels are enough");

struct tree {
	struct workload_thread *self;
	struct node *root;
	uint64_t epoch;
	size_t nretired[SNAPSHOTS], nvalues[SNAPSHOTS];
	struct node *retired[SNAPSHOTS][RETIRED]; /* by epoch: what later ones do not have */
	void *value[SNAPSHOTS][RETIRED];
};

static struct node *node_make(struct tree *tree, const struct node *from)
{
	struct node *node = workload_alloc(tree->self, NODE);

	if (from)
		*node = *from;
	else
		memset(node, 0, NODE);
	node->epoch = tree->epoch;
	return node;
}

/* Makes *link a node of this epoch, which may be changed. */
static struct node *own(struct tree *tree, void **link)
{
	struct node *node = *link;
	unsigned now = tree->epoch % SNAPSHOTS;

	if (node->epoch == tree->epoch)
		return node;
	tree->retired[now][tree->nretired[now]++] = node;
	return *link = node_make(tree, node);
}

static void replace(struct tree *tree, uint64_t key)
{
	void *root = tree->root;
	struct node *leaf;
	unsigned now = tree->epoch % SNAPSHOTS;
	void **link;

	tree->root = own(tree, &root);
	leaf = own(tree, &tree->root->link[key / (FANOUT / 2)]);
	link = &leaf->link[key % (FANOUT / 2)];
	tree->value[now][tree->nvalues[now]++] = *link;
	*link = parcel_filled(tree->self, random_between(&tree->self->random, 16, 400));
}

/* Frees what only the oldest snapshot had; the sum of what was read. */
static uint64_t drop_oldest(struct tree *tree)
{
	unsigned oldest = tree->epoch % SNAPSHOTS;
	uint64_t sum = 0;

	for (size_t i = 0; i < tree->nretired[oldest]; i++) {
		sum += tree->retired[oldest][i]->count;
		workload_free(tree->self, tree->retired[oldest][i], NODE);
	}
	for (size_t i = 0; i < tree->nvalues[oldest]; i++)
		sum += parcel_free(tree->self, tree->value[oldest][i]);
	tree->nretired[oldest] = tree->nvalues[oldest] = 0;
	return sum;
}

static void fill(struct tree *tree)
{
	tree->root = node_make(tree, NULL);
	for (uint64_t key = 0; key < KEYS; key++) {
		void **leaf = &tree->root->link[key / (FANOUT / 2)];
		struct node *node = *leaf ? *leaf : (*leaf = node_make(tree, NULL));

		node->link[node->count++] = parcel_filled(tree->self, 100);
	}
}

static uint64_t free_tree(struct tree *tree)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SNAPSHOTS; i++, tree->epoch++)
		sum += drop_oldest(tree);
	for (unsigned i = 0; i < ROOT_FANOUT; i++) {
		struct node *leaf = tree->root->link[i];

		for (uint64_t k = 0; leaf && k < leaf->count; k++)
			sum += parcel_free(tree->self, leaf->link[k]);
		if (leaf)
			workload_free(tree->self, leaf, NODE);
	}
	workload_free(tree->self, tree->root, NODE);
	return sum;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	uint64_t replacements = *(const uint64_t *)arg, sum = 0;
	struct tree *tree = workload_table(sizeof *tree);

	tree->self = self;
	fill(tree);
	for (uint64_t i = 1; i <= replacements; i++) {
		replace(tree, random_below(&self->random, KEYS));
		if (i % EPOCH == 0) {
			tree->epoch++;
			sum += drop_oldest(tree);
		}
	}
	return sum + free_tree(tree);
}

int main(int argc, char **argv)
{
	unsigned nthreads;
	uint64_t replacements;

	workload_start(argc, argv, "cow_btree", NULL);
	nthreads = workload_threads(THREADS);
	replacements = workload_scaled(REPLACEMENTS) / nthreads + 1;
	return workload_end(workload_run(nthreads, body, &replacements));
}
