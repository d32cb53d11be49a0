/*
 * Documents are parsed into trees and freed whole, but for one node in a hundred, which a table
 * keeps.
 *
 * A document has 2,000 to 60,000 nodes: most are of 24 to 64 bytes, three in ten are strings of 8
 * to 300, and one in 20 an array that doubles while it grows.  Ten documents are open at a
 * time, and one at random is freed for the next.  The table keeps 20,000 nodes; a random one goes
 * for each more.
 *
 * Stands for: services that parse requests or files and keep names, identifiers and results of
 * them.
 * Cares: authors of such services: each kept node holds a page of a document that is gone.
 * Source: ours, after the survivors of Johnstone and Wilson, "The memory fragmentation problem:
 * solved?" (ISMM 1998), with the shapes of DOMs in rapidjson's nativejson-benchmark (2014).
 */
#include "resident.h"

enum {
	DOCUMENTS = 300,
	OPEN = 10,
	FEWEST = 2000,
	MOST = 60000,
	SURVIVORS = 100, /* one in as many */
	KEPT = 20000,
	FIRST_ARRAY = 4 * sizeof(void *),
};

struct document {
	struct block *node;
	size_t n;
};

static struct document documents[OPEN];
static struct block *kept;
static size_t nkept;

/* An array as it is when its elements are in: it was moved each time that it was full. */
static void array_alloc(struct workload_thread *self, struct block *block)
{
	size_t nbytes = FIRST_ARRAY;

	filled_alloc(self, block, nbytes);
	for (uint64_t more = random_below(&self->random, 6); more > 0; more--) {
		block->mem = workload_realloc(self, block->mem, nbytes, 2 * nbytes);
		block->nbytes = 2 * nbytes;
		memset(block->mem + nbytes, 1, nbytes);
		nbytes *= 2;
	}
}

static void node_alloc(struct workload_thread *self, struct block *block)
{
	uint64_t percent = random_below(&self->random, 100);

	if (percent < 5)
		array_alloc(self, block);
	else if (percent < 35)
		filled_alloc(self, block, random_between(&self->random, 8, 300));
	else
		filled_alloc(self, block, random_between(&self->random, 24, 64));
}

static void parse(struct workload_thread *self, struct document *document)
{
	document->n = random_between(&self->random, FEWEST, MOST);
	for (size_t i = 0; i < document->n; i++)
		node_alloc(self, &document->node[i]);
}

static uint64_t keep(struct workload_thread *self, const struct block *block)
{
	uint64_t sum = 0;
	size_t i = nkept;

	if (nkept == KEPT) {
		i = random_below(&self->random, KEPT);
		sum = block_read(&kept[i]);
		block_free(self, &kept[i]);
	} else {
		nkept++;
	}
	kept[i] = *block;
	return sum;
}

static uint64_t close_document(struct workload_thread *self, struct document *document)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < document->n; i++) {
		struct block *node = &document->node[i];

		if (random_below(&self->random, SURVIVORS) == 0) {
			sum += keep(self, node);
			continue;
		}
		sum += block_read(node);
		block_free(self, node);
	}
	document->n = 0;
	return sum;
}

static void measure(struct resident_mean *mean)
{
	resident_mean_add(mean);
	bound_start(256 << 20);
	for (unsigned i = 0; i < OPEN; i++)
		bound_add(documents[i].node, documents[i].n);
	bound_add(kept, nkept);
	resident_mean_add_bound(mean, bound_end());
}

int main(int argc, char **argv)
{
	struct resident_mean mean = {0};
	struct workload_thread *self;
	uint64_t ndocuments, sum = 0;

	workload_start(argc, argv, "json_trees", NULL);
	resident_start();
	self = workload_main_thread();
	ndocuments = workload_scaled(DOCUMENTS);
	kept = resident_table(KEPT * sizeof *kept);
	for (unsigned i = 0; i < OPEN; i++)
		documents[i].node = resident_table(MOST * sizeof(struct block));
	for (uint64_t i = 0; i < ndocuments; i++) {
		struct document *document = &documents[random_below(&self->random, OPEN)];

		sum += close_document(self, document);
		measure(&mean);
		parse(self, document);
		measure(&mean);
	}
	resident_mean_report(&mean);
	for (unsigned i = 0; i < OPEN; i++)
		sum += close_document(self, &documents[i]);
	return workload_end(sum + block_free_all(self, kept, nkept));
}
