/*
 * The traced program: started with an allocator, run freely up to its mark, then stopped whole.
 *
 * It is told of as many processors as are simulated: sched_getaffinity and the files below
 * /sys/devices/system/cpu are answered by the tracer (a seccomp filter stops these calls alone).
 * Its mark is a SIGTRAP that it sends itself.
 */
#pragma once

#include "coherence.h"
#include "execute.h"
#include "locks.h"

#include <sys/types.h>
#include <sys/user.h>

enum thread_state { STOPPED, IN_KERNEL, GONE };

struct thread {
	pid_t tid;
	enum thread_state state;
	struct user_regs_struct regs; /* as the kernel gave them */
	struct cpu cpu;		      /* as they are now */
	bool changed;		      /* cpu differs from what the kernel has */
	int signal;		      /* to be delivered when it goes on */

	/* Of the simulation: */
	unsigned processor;
	uint64_t clock, turn;
	bool inside; /* a call of the allocator */
	uint64_t return_to, stack_at_entry;
	uint8_t call;  /* enum entry_point */
	uint64_t size; /* asked for */
	struct holder holder;
};

struct process {
	pid_t pid;
	struct memory memory;
	struct thread *thread; /* all that ever were; entries do not move */
	unsigned nthreads;
	unsigned processors; /* that the program is told of */
	int cpu_list;	     /* a file that says so, as /sys/devices/system/cpu/online does */
};

/* Starts the program; env: more of the environment. Ends the tracer with a message on failure. */
void process_start(struct process *p, char **argv, unsigned processors);

/* Lets it run up to its mark, and stops all its threads there. False if it ended before. */
bool process_run_to_mark(struct process *p);

/* Runs one instruction of a stopped thread, and waits for it. False: the thread is gone. */
bool thread_step(struct process *p, struct thread *t);

/* Begins a system call that may last; the thread is IN_KERNEL until process_collect(). */
void thread_enter_kernel(struct thread *t);

/* The next thread that came back from a system call, or that is new, or ended; NULL: none yet.
   Waits for one if wait is set. */
struct thread *process_collect(struct process *p, bool wait);

/* Binds all its threads, and this one, to one processor: what takes turns runs best there. */
void process_gather(const struct process *p);

void process_kill(struct process *p);

_Noreturn void fail(const char *format, ...);
