/*
 * Four threads that run 500 small processes each, every one with a heap of its own that is a single
 * block: when it is full, what lives is copied into a new block, and the old one freed.
 *
 * Sizes of heaps are Fibonacci numbers of words, from 233 (1.8 KiB) on; a heap whose process has
 * much that lives takes the size above, one with little that below.  A message to a process is a
 * fragment of 40 to 600 bytes, which its next collection copies into the heap, and frees.  A
 * process ends after 10 to 300 collections, and another begins.
 *
 * Stands for: runtimes with a heap a process or actor, and interpreters with copying collectors.
 * Cares: operators of telephone exchanges, chats, brokers: all sizes from 2 to 200 KiB come and go
 * at once.
 * Source: the documentation of Erlang/OTP, "Erlang garbage collector" (ERTS, 2017), for heaps,
 * their sizes and fragments.
 */
#include "block.h"

enum {
	THREADS = 4,
	STEPS = 5000000, /* of all threads */
	PROCESSES = 500,
	WORD = 8,
	FIRST = 233,  /* words of the smallest heap, */
	BEFORE = 144, /* and of the one below */
	LEVELS = 11,
	FRAGMENTS = 8, /* of a process, at most */
	LIVES = 300    /* collections of a process, at most */
};

struct process {
	struct block heap, fragment[FRAGMENTS];
	unsigned nfragments, level, lives;
	unsigned percent; /* of what a collection finds, how much lives */
	size_t used;	  /* bytes of the heap */
};

static size_t level_bytes(unsigned level)
{
	size_t below = BEFORE, words = FIRST;

	for (; level; level--) {
		size_t above = below + words;

		below = words;
		words = above;
	}
	return WORD * words;
}

static void process_start(struct workload_thread *self, struct process *p)
{
	*p = (struct process){.lives = (unsigned)random_between(&self->random, 10, LIVES),
			      .percent = (unsigned)random_between(&self->random, 20, 95)};
	block_alloc(self, &p->heap, level_bytes(0));
}

static uint64_t process_end(struct workload_thread *self, struct process *p)
{
	uint64_t sum = block_free_all(self, p->fragment, p->nfragments) + p->used;

	block_free(self, &p->heap);
	return sum;
}

/* The least level at which so many bytes and a quarter more fit; the last one takes what it can. */
static unsigned level_for(size_t nbytes)
{
	unsigned level = 0;

	while (level + 1 < LEVELS && level_bytes(level) < nbytes + nbytes / 4)
		level++;
	return level;
}

/* Copies what lives and the fragments into a new heap; what was read. */
static uint64_t collect(struct workload_thread *self, struct process *p)
{
	size_t live = p->used * p->percent / 100, more = 0;
	struct block heap;
	uint64_t sum = live;

	for (unsigned i = 0; i < p->nfragments; i++)
		more += p->fragment[i].nbytes;
	p->level = level_for(live + more);
	block_alloc(self, &heap, level_bytes(p->level));
	if (live > heap.nbytes - more)
		live = heap.nbytes - more;
	memcpy(heap.mem, p->heap.mem, live);
	for (unsigned i = 0; i < p->nfragments; i++) {
		memcpy(heap.mem + live, p->fragment[i].mem, p->fragment[i].nbytes);
		live += p->fragment[i].nbytes;
	}
	sum += block_free_all(self, p->fragment, p->nfragments);
	block_free(self, &p->heap);
	p->heap = heap;
	p->used = live;
	p->nfragments = 0;
	return sum;
}

/* A process is sent a message, and works on its heap. */
static uint64_t step(struct workload_thread *self, struct process *p)
{
	size_t work = random_between(&self->random, 16, 1024);
	uint64_t sum = 0;

	block_fill(self, &p->fragment[p->nfragments++], random_between(&self->random, 40, 600));
	if (p->nfragments == FRAGMENTS || p->used + work > p->heap.nbytes) {
		sum = collect(self, p);
		p->lives--;
	}
	if (p->used + work <= p->heap.nbytes) {
		memset(p->heap.mem + p->used, (int)work, work);
		p->used += work;
	}
	if (p->lives == 0) {
		sum += process_end(self, p);
		process_start(self, p);
	}
	return sum;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	uint64_t steps = *(const uint64_t *)arg, sum = 0;
	struct process *process = workload_table(PROCESSES * sizeof *process);

	for (unsigned i = 0; i < PROCESSES; i++)
		process_start(self, &process[i]);
	for (uint64_t i = 0; i < steps; i++)
		sum += step(self, &process[random_below(&self->random, PROCESSES)]);
	for (unsigned i = 0; i < PROCESSES; i++)
		sum += process_end(self, &process[i]);
	return sum;
}

int main(int argc, char **argv)
{
	unsigned nthreads;
	uint64_t steps;

	workload_start(argc, argv, "process_heaps", NULL);
	nthreads = workload_threads(THREADS);
	steps = workload_scaled(STEPS) / nthreads + 1;
	return workload_end(workload_run(nthreads, body, &steps));
}
