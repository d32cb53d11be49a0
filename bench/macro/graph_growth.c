/*
 * A graph of 60,000 nodes grows edge by edge; the edges of a node are an array that realloc
 * doubles.
 *
 * A new node brings eight edges to nodes that have many already, more likely than to those that
 * have few: most arrays stay at 32 to 64 bytes, some reach many KiB.  When the graph has all its
 * nodes, arrays are shrunk to what they hold, nine in ten are freed at random, and the graph grows
 * anew beside what is left, which is freed after the next round.
 *
 * Stands for: analysis of networks, indexes with lists of postings, meshes.
 * Cares: those who build them: 60,000 arrays grow at once, so that hardly one can grow in place.
 * Source: Albert-Laszlo Barabasi and Reka Albert, "Emergence of scaling in random networks" (1999),
 * for how such graphs grow.
 */
#include "workload.h"

enum { ROUNDS = 50, NODES = 60000, EDGES = 8, FIRST_ROOM = 4, LEFT = 10 };

struct adjacency {
	uint32_t *to;
	size_t count, room;
};

static struct workload_thread *self;
static struct adjacency graph[2][NODES];
static uint32_t *ends; /* of all edges: a random one is a node, by its count of edges */

static size_t bytes_of(size_t room)
{
	return room * sizeof(uint32_t);
}

static void resize(struct adjacency *node, size_t room)
{
	node->to = workload_realloc(self, node->to, bytes_of(node->room), bytes_of(room));
	node->room = room;
}

static void edge_add(struct adjacency *node, uint32_t to)
{
	if (node->count == node->room)
		resize(node, node->room ? 2 * node->room : FIRST_ROOM);
	node->to[node->count++] = to;
	workload_use(node->to);
}

static void grow(struct adjacency *node)
{
	size_t nends = 0;

	for (uint32_t i = 0; i < NODES; i++)
		for (unsigned k = 0; k < EDGES; k++) {
			uint32_t to = nends ? ends[random_below(&self->random, nends)] : 0;

			edge_add(&node[i], to);
			edge_add(&node[to], i);
			ends[nends++] = i;
			ends[nends++] = to;
		}
}

static uint64_t node_free(struct adjacency *node)
{
	uint64_t sum = node->count;

	for (size_t i = 0; i < node->count; i++)
		sum += node->to[i];
	if (node->to)
		workload_free(self, node->to, bytes_of(node->room));
	*node = (struct adjacency){0};
	return sum;
}

/* Shrinks all arrays, and frees most of them; the sum of what was read. */
static uint64_t thin(struct adjacency *node)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < NODES; i++)
		if (node[i].room > node[i].count)
			resize(&node[i], node[i].count);
	for (unsigned i = 0; i < NODES; i++)
		if (random_below(&self->random, LEFT))
			sum += node_free(&node[i]);
	return sum;
}

static uint64_t free_all(struct adjacency *node)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < NODES; i++)
		sum += node_free(&node[i]);
	return sum;
}

int main(int argc, char **argv)
{
	uint64_t rounds, sum = 0;

	workload_start(argc, argv, "graph_growth", NULL);
	self = workload_main_thread();
	rounds = workload_scaled(ROUNDS);
	ends = workload_table(2 * NODES * EDGES * sizeof *ends);
	for (uint64_t i = 0; i < rounds; i++) {
		struct adjacency *node = graph[i % 2];

		grow(node);
		sum += free_all(graph[(i + 1) % 2]) + thin(node);
	}
	return workload_end(sum + free_all(graph[0]) + free_all(graph[1]));
}
