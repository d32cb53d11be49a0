/*
 * A writer fills sorted tables in memory, of 4 MiB each; a second thread takes each full table,
 * reads it in the order of its keys, and frees it, while the writer fills the next.
 *
 * A table is a skip list whose nodes hold a key, a value of 20 to 400 bytes and one to twelve
 * links.  So some 17,000 objects are freed at once, by another thread, in an order that has nothing
 * to do with that of their allocation.
 *
 * Stands for: databases that write into memory first and flush it in order: log-structured merge
 * trees.
 * Cares: those who run such databases: a flush frees all that the writer allocated in minutes.
 * Source: Patrick O'Neil, Edward Cheng, Dieter Gawlick, Elizabeth O'Neil, "The log-structured
 * merge-tree (LSM-tree)" (1996), for the tables; William Pugh, "Skip lists: a probabilistic
 * alternative to balanced trees" (1990), for what they are.
 */
#include "block.h"
#include "channel.h"

enum { INSERTS = 5000000, TABLE_BYTES = 4 << 20, LEVELS = 12, WAITING = 2 };

struct node {
	uint64_t key;
	uint32_t nbytes; /* of the whole node: links and value behind it */
	uint32_t levels;
	struct node *next[];
};

struct memtable {
	size_t nbytes; /* of its nodes */
	struct node *first[LEVELS];
};

static struct channel flushes;
static uint64_t inserts;

/* One more level with a chance of a quarter each. */
static unsigned random_levels(struct random *r)
{
	unsigned zeros = (unsigned)__builtin_ctzll(random_next(r) | 1ull << 40);
	unsigned levels = 1 + zeros / 2;

	return levels < LEVELS ? levels : LEVELS;
}

static struct node *node_make(struct workload_thread *self)
{
	unsigned levels = random_levels(&self->random);
	size_t head = sizeof(struct node) + levels * sizeof(struct node *);
	size_t nbytes = head + random_between(&self->random, 20, 400);
	struct node *node = workload_alloc(self, nbytes);

	memset((char *)node + head, (int)nbytes, nbytes - head);
	node->key = random_next(&self->random);
	node->nbytes = (uint32_t)nbytes;
	node->levels = levels;
	return node;
}

static void memtable_insert(struct memtable *table, struct node *node)
{
	struct node **links = table->first;

	for (unsigned level = LEVELS; level-- > 0;) {
		while (links[level] && links[level]->key < node->key)
			links = links[level]->next;
		if (level < node->levels) {
			node->next[level] = links[level];
			links[level] = node;
		}
	}
	table->nbytes += node->nbytes;
}

static uint64_t write_all(struct workload_thread *self)
{
	struct memtable *table = workload_calloc(self, sizeof *table);

	for (uint64_t i = 0; i < inserts; i++) {
		memtable_insert(table, node_make(self));
		if (table->nbytes >= TABLE_BYTES) {
			channel_put(&flushes, table);
			table = workload_calloc(self, sizeof *table);
		}
	}
	channel_put(&flushes, table);
	channel_close(&flushes);
	return 0;
}

/* Frees a table; the sum of what was read, which tells the order of the keys. */
static uint64_t flush(struct workload_thread *self, struct memtable *table)
{
	uint64_t sum = 0;

	for (struct node *node = table->first[0], *next; node; node = next) {
		next = node->next[0];
		sum = sum * 31 + node->key + ((unsigned char *)node)[node->nbytes - 1];
		workload_free(self, node, node->nbytes);
	}
	workload_free(self, table, sizeof *table);
	return sum;
}

static uint64_t flush_all(struct workload_thread *self)
{
	struct memtable *table;
	uint64_t sum = 0;

	while ((table = channel_take(&flushes)))
		sum += flush(self, table);
	return sum;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	return self->index == 0 ? write_all(self) : flush_all(self);
}

int main(int argc, char **argv)
{
	workload_start(argc, argv, "memtable", NULL);
	inserts = workload_scaled(INSERTS);
	channel_init(&flushes, WAITING, 1, 0);
	return workload_end(workload_run(2, body, NULL));
}
