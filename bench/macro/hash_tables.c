/*
 * Three hundred hash tables grow entry by entry, whose buckets double; a table that has its number
 * of entries, from 8 to 20,000, is freed at once, and a new one begun.
 *
 * Which table grows next is chance; a large one grows by more.  An entry is a node of 24 to 87
 * bytes; buckets come from calloc, one a word.
 *
 * Stands for: caches, joins and groupings of databases, symbol tables, objects of scripting
 * languages.
 * Cares: those who use dictionaries for all: zeroed blocks of every power of two among small nodes,
 * and frees in the order of the buckets, which is chance.
 * Source: Per-Ake Larson, "Dynamic hash tables" (1988), and Donald Knuth, "The art of computer
 * programming", vol. 3 (1973), 6.4, on chains and their growth.
 */
#include "workload.h"

enum { INSERTS = 9000000, TABLES = 300, FEWEST = 8, LOGS = 11 };

struct entry {
	struct entry *next;
	uint64_t key;
	size_t nbytes; /* of all of it: more stands behind */
};

struct dictionary {
	struct entry **bucket;
	size_t nbuckets, count, most;
};

static struct workload_thread *self;
static struct dictionary dictionaries[TABLES];

static struct entry **buckets(size_t n)
{
	return workload_calloc(self, n * sizeof(struct entry *));
}

static void dictionary_start(struct dictionary *d)
{
	uint64_t low = (uint64_t)FEWEST << random_below(&self->random, LOGS);

	*d = (struct dictionary){buckets(FEWEST), FEWEST, 0,
				 random_between(&self->random, low, 2 * low)};
}

static void put(struct dictionary *d, struct entry *entry)
{
	struct entry **bucket = &d->bucket[entry->key & (d->nbuckets - 1)];

	entry->next = *bucket;
	*bucket = entry;
}

static void dictionary_double(struct dictionary *d)
{
	struct entry **old = d->bucket, *next;
	size_t n = d->nbuckets;

	d->nbuckets = 2 * n;
	d->bucket = buckets(d->nbuckets);
	for (size_t i = 0; i < n; i++)
		for (struct entry *entry = old[i]; entry; entry = next) {
			next = entry->next;
			put(d, entry);
		}
	workload_free(self, old, n * sizeof(struct entry *));
}

static void dictionary_add(struct dictionary *d)
{
	uint64_t key = random_next(&self->random);
	size_t nbytes = sizeof(struct entry) + (key >> 58);
	struct entry *entry = workload_alloc(self, nbytes);

	memset(entry, (int)nbytes, nbytes);
	*entry = (struct entry){NULL, key, nbytes};
	if (d->count++ == d->nbuckets)
		dictionary_double(d);
	put(d, entry);
}

/* Frees all of a dictionary; the sum of what was read. */
static uint64_t dictionary_end(struct dictionary *d)
{
	uint64_t sum = 0;
	struct entry *next;

	for (size_t i = 0; i < d->nbuckets; i++)
		for (struct entry *entry = d->bucket[i]; entry; entry = next) {
			next = entry->next;
			sum += entry->key + ((unsigned char *)entry)[entry->nbytes - 1];
			workload_free(self, entry, entry->nbytes);
		}
	workload_free(self, d->bucket, d->nbuckets * sizeof(struct entry *));
	return sum;
}

/* Adds up to an eighth of the entries there are, 8 if they are few; how many were added. */
static uint64_t step(struct dictionary *d)
{
	uint64_t n = 1 + random_below(&self->random, d->count < 64 ? 8 : d->count / 8), added = 0;

	for (; added < n && d->count < d->most; added++)
		dictionary_add(d);
	return added;
}

int main(int argc, char **argv)
{
	uint64_t inserts, done = 0, sum = 0;

	workload_start(argc, argv, "hash_tables", NULL);
	self = workload_main_thread();
	inserts = workload_scaled(INSERTS);
	for (unsigned i = 0; i < TABLES; i++)
		dictionary_start(&dictionaries[i]);
	while (done < inserts) {
		struct dictionary *d = &dictionaries[random_below(&self->random, TABLES)];

		if (d->count >= d->most) {
			sum += dictionary_end(d);
			dictionary_start(d);
		}
		done += step(d);
	}
	for (unsigned i = 0; i < TABLES; i++)
		sum += dictionary_end(&dictionaries[i]);
	return workload_end(sum);
}
