/*
 * The program's threads as processors: the one whose clock is behind runs its next instruction.
 *
 * A clock counts instructions, and what they wait for (the costs below, in instructions): lines
 * from other caches, atomic instructions, system calls. The costs are the order of magnitude of a
 * server of two sockets. They decide only who is next and how long a lock is held, not what is
 * counted as moved.
 *
 * clock_gettime tells the time of the simulation: it is thousands of times slower than the program,
 * and an allocator that does something each second would else do it all the time.
 *
 * A thread in a system call that may last (a futex it waits for) is out of turn until the kernel
 * lets it go on; it then has the time of those that ran meanwhile. Each thread has a processor for
 * itself; what the kernel reads and writes is not seen.
 */
#pragma once

#include "coherence.h"
#include "entries.h"
#include "locks.h"
#include "process.h"

enum cost {
	COST_STEP = 1,
	COST_ATOMIC = 20,
	COST_PAUSE = 40,
	COST_NEAR = 100,
	COST_FAR = 250,
	COST_CALL = 500
};

enum { INSNS_PER_NS = 3 };

struct limits {
	uint64_t warm_up, operations; /* calls of the allocator; the first are not counted */
	uint64_t steps;		      /* instructions at most, in all */
	bool step_all;		      /* nothing is executed by execute.c */
	bool verify; /* execute.c is compared with the processor; ends the tracer if they differ */
};

struct counts {
	uint64_t operations, steps, stepped, unknown;
	uint64_t moved[ACCESSORS][2], upgrades[ACCESSORS], invalidated[ACCESSORS];
	uint64_t atomics, calls, memory_calls, waits; /* of the allocator: system calls */
	uint64_t began, ended;			      /* the time */
};

/* Which instruction moved which line, in the allocator. */
struct site {
	uint64_t ip, line;
	uint32_t moved[2], upgrades;
	bool used;
};

enum { MAX_SITES = 1 << 18 };

struct cached_insn {
	uint64_t ip;
	bool known, decoded;
	uint8_t entry;
	struct insn insn;
	uint8_t bytes[INSN_MAX];
};

struct simulation {
	struct process *process;
	const struct entries *entries;
	struct limits limits;
	struct counts counts;
	struct coherence coherence;
	struct locks locks;
	struct site *site;
	unsigned nsites;
	struct cached_insn *insn;
	struct thread **queue; /* a heap of the STOPPED ones by clock */
	unsigned nqueue;
	uint64_t now, turn;
	bool warm;
	uint64_t real_start[16]; /* ns, by clock: when the simulation began */
	bool processor_used[MAX_PROCESSORS];
};

/* Runs the stopped program until enough was counted, or all its threads ended. */
void simulate(struct simulation *s);
void simulation_init(struct simulation *s, struct process *p, const struct entries *e,
		     struct limits limits);
