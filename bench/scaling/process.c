#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANNOT_TRACE = 77, BELOW_STACK = 4096, PATH_BYTES = 64 };

_Noreturn void fail(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "scale: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(2);
}

static _Noreturn void cannot_trace(const char *what)
{
	fprintf(stderr, "scale: this system does not permit it: %s: %s\n", what, strerror(errno));
	exit(CANNOT_TRACE);
}

/* ---- The start. */

/* Calls that tell of processors stop for the tracer, all others go on. */
static void filter_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_getaffinity, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(CANNOT_TRACE);
}

static _Noreturn void become(char **argv, int go)
{
	char byte;

	personality(ADDR_NO_RANDOMIZE);
	if (read(go, &byte, 1) != 1)
		_exit(CANNOT_TRACE);
	close(go);
	filter_calls();
	execvp(argv[0], argv);
	dprintf(2, "scale: cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(2);
}

static int cpu_list_file(unsigned processors)
{
	int fd = memfd_create("cpus", 0);

	if (fd < 0 || dprintf(fd, "0-%u\n", processors - 1) < 0)
		fail("no memory file: %s", strerror(errno));
	return fd;
}

void process_start(struct process *p, char **argv, unsigned processors)
{
	int go[2];

	*p = (struct process){
		.memory.fd = -1, .processors = processors, .cpu_list = cpu_list_file(processors)};
	p->thread = calloc(MAX_PROCESSORS * 8, sizeof *p->thread);
	if (!p->thread || pipe2(go, O_CLOEXEC))
		fail("cannot begin: %s", strerror(errno));
	p->pid = fork();
	if (p->pid < 0)
		fail("cannot fork: %s", strerror(errno));
	if (p->pid == 0)
		become(argv, go[0]);
	if (ptrace(PTRACE_SEIZE, p->pid, 0,
		   PTRACE_O_TRACECLONE | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL))
		cannot_trace("ptrace");
	if (write(go[1], "", 1) != 1)
		fail("cannot begin: %s", strerror(errno));
	close(go[0]);
	close(go[1]);
}

static struct thread *thread_of(struct process *p, pid_t tid)
{
	for (unsigned i = 0; i < p->nthreads; i++)
		if (p->thread[i].tid == tid && p->thread[i].state != GONE)
			return &p->thread[i];
	if (p->nthreads == MAX_PROCESSORS * 8)
		fail("the program starts too many threads");
	p->thread[p->nthreads] = (struct thread){.tid = tid, .state = IN_KERNEL};
	return &p->thread[p->nthreads++];
}

/* ---- What the program is told of processors. */

static bool write_there(pid_t pid, uint64_t address, const void *mem, size_t nbytes)
{
	struct iovec here = {(void *)mem, nbytes}, there = {(void *)address, nbytes};

	return process_vm_writev(pid, &here, 1, &there, 1, 0) == (ssize_t)nbytes;
}

static void answer_affinity(const struct process *p, struct user_regs_struct *regs)
{
	uint8_t mask[(MAX_PROCESSORS + 63) / 64 * 8] = {0};
	size_t nbytes = (p->processors + 63) / 64 * 8;

	for (unsigned i = 0; i < p->processors; i++)
		mask[i / 8] |= (uint8_t)(1 << i % 8);
	regs->orig_rax = (unsigned long long)-1; /* the call is skipped */
	regs->rax = nbytes;
	if (regs->rsi < nbytes || !write_there(p->pid, regs->rdx, mask, nbytes))
		regs->rax = (unsigned long long)-EINVAL;
}

/* The path that is opened goes below the stack, where nothing is. */
static bool answer_open(const struct process *p, struct user_regs_struct *regs)
{
	char path[PATH_BYTES] = "";
	struct iovec here = {path, sizeof path - 1}, there = {(void *)regs->rsi, sizeof path - 1};
	uint64_t free_stack = regs->rsp - BELOW_STACK;

	if (process_vm_readv(p->pid, &here, 1, &there, 1, 0) < 1 ||
	    (strcmp(path, "/sys/devices/system/cpu/online") &&
	     strcmp(path, "/sys/devices/system/cpu/possible")))
		return false;
	snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), p->cpu_list);
	if (!write_there(p->pid, free_stack, path, sizeof path))
		return false;
	regs->rsi = free_stack;
	return true;
}

static void answer(const struct process *p, pid_t tid)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, tid, 0, &regs))
		return;
	if (regs.orig_rax == SYS_sched_getaffinity)
		answer_affinity(p, &regs);
	else if (!answer_open(p, &regs))
		return;
	ptrace(PTRACE_SETREGS, tid, 0, &regs);
}

/* ---- The registers. */

static void from_kernel(struct thread *t)
{
	const struct user_regs_struct *r = &t->regs;

	if (ptrace(PTRACE_GETREGS, t->tid, 0, &t->regs))
		fail("cannot read the registers of a thread: %s", strerror(errno));
	t->cpu = (struct cpu){{r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
			       r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15},
			      r->rip,
			      r->eflags,
			      r->fs_base,
			      r->gs_base};
	t->changed = false;
}

static void to_kernel(struct thread *t)
{
	struct user_regs_struct *r = &t->regs;
	const uint64_t *reg = t->cpu.reg;

	if (!t->changed)
		return;
	r->rax = reg[0];
	r->rcx = reg[1];
	r->rdx = reg[2];
	r->rbx = reg[3];
	r->rsp = reg[4];
	r->rbp = reg[5];
	r->rsi = reg[6];
	r->rdi = reg[7];
	r->r8 = reg[8];
	r->r9 = reg[9];
	r->r10 = reg[10];
	r->r11 = reg[11];
	r->r12 = reg[12];
	r->r13 = reg[13];
	r->r14 = reg[14];
	r->r15 = reg[15];
	r->rip = t->cpu.ip;
	r->eflags = t->cpu.flags;
	r->orig_rax = (unsigned long long)-1;
	if (ptrace(PTRACE_SETREGS, t->tid, 0, r))
		fail("cannot set the registers of a thread: %s", strerror(errno));
	t->changed = false;
}

/* ---- Up to the mark. */

/* Whether the stop is the mark; anything else goes on. */
static bool is_mark(const struct process *p, pid_t tid, int status)
{
	int event = status >> 16, signal = WSTOPSIG(status);

	if (event == PTRACE_EVENT_SECCOMP)
		answer(p, tid);
	if (!event && signal == SIGTRAP)
		return true;
	ptrace(PTRACE_CONT, tid, 0, event ? 0 : signal);
	return false;
}

static void stop(struct process *p, struct thread *t)
{
	int status;

	if (t->state == IN_KERNEL) {
		ptrace(PTRACE_INTERRUPT, t->tid, 0, 0);
		if (waitpid(t->tid, &status, __WALL) < 0 || !WIFSTOPPED(status)) {
			t->state = GONE;
			return;
		}
		if (status >> 16 == PTRACE_EVENT_SECCOMP)
			answer(p, t->tid);
		else if (!(status >> 16) && WSTOPSIG(status) != SIGTRAP)
			t->signal = WSTOPSIG(status);
	}
	from_kernel(t);
	t->state = STOPPED;
}

/* Threads that a stop interrupted in a system call (which they begin again), or that are stopped
   in the midst of one. */
static bool was_in_call(const struct thread *t)
{
	long result = (long)t->regs.rax;

	return (long)t->regs.orig_rax >= 0 &&
	       (result == -ENOSYS || (result <= -512 && result >= -516));
}

static void stop_all(struct process *p)
{
	char path[PATH_BYTES];
	int fd;

	/* a thread that is stopped may have made one that has not been seen yet */
	for (unsigned i = 0; i < p->nthreads; i++) {
		pid_t tid;
		int status;

		if (p->thread[i].state != GONE)
			stop(p, &p->thread[i]);
		while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
			if (!WIFSTOPPED(status))
				thread_of(p, tid)->state = GONE;
			else
				thread_of(p, tid)->state = STOPPED;
	}
	snprintf(path, sizeof path, "/proc/%d/mem", p->pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		cannot_trace(path);
	if (!memory_init(&p->memory, fd))
		fail("no memory");
	for (unsigned i = 0; i < p->nthreads; i++)
		if (p->thread[i].state == STOPPED && was_in_call(&p->thread[i]))
			thread_enter_kernel(&p->thread[i]);
}

bool process_run_to_mark(struct process *p)
{
	int status;
	pid_t tid;

	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		struct thread *t = thread_of(p, tid);

		if (!WIFSTOPPED(status)) {
			t->state = GONE;
			if (tid == p->pid && WIFEXITED(status) &&
			    WEXITSTATUS(status) == CANNOT_TRACE)
				cannot_trace("a filter of system calls");
		} else if (is_mark(p, tid, status)) {
			t->state = STOPPED;
			stop_all(p);
			return true;
		}
	}
	return false;
}

/* ---- One instruction. */

static void resume(struct thread *t)
{
	if (ptrace(PTRACE_SINGLESTEP, t->tid, 0, t->signal))
		t->state = GONE;
	t->signal = 0;
}

/* What the kernel says of a thread that was resumed. True: its instruction is done, or it is gone;
   else it has been resumed again. */
static bool has_stepped(struct process *p, struct thread *t, int status)
{
	int event = status >> 16;

	if (!WIFSTOPPED(status)) {
		t->state = GONE;
		return true;
	}
	if (event == PTRACE_EVENT_SECCOMP)
		answer(p, t->tid);
	if (!event && WSTOPSIG(status) == SIGTRAP) {
		from_kernel(t);
		t->state = STOPPED;
		return true;
	}
	if (!event)
		t->signal = WSTOPSIG(status);
	resume(t);
	return false;
}

bool thread_step(struct process *p, struct thread *t)
{
	int status;

	to_kernel(t);
	resume(t);
	do {
		if (t->state == GONE || waitpid(t->tid, &status, __WALL) < 0)
			t->state = GONE;
	} while (t->state != GONE && !has_stepped(p, t, status));
	return t->state != GONE;
}

void thread_enter_kernel(struct thread *t)
{
	to_kernel(t);
	t->state = IN_KERNEL;
	resume(t);
}

struct thread *process_collect(struct process *p, bool wait)
{
	int status;
	pid_t tid;

	while ((tid = waitpid(-1, &status, __WALL | (wait ? 0 : WNOHANG))) > 0) {
		unsigned known = p->nthreads;
		struct thread *t = thread_of(p, tid);

		if (p->nthreads > known && WIFSTOPPED(status)) {
			from_kernel(t);
			t->state = STOPPED;
			return t;
		}
		if (has_stepped(p, t, status))
			return t;
	}
	return NULL;
}

void process_gather(const struct process *p)
{
	cpu_set_t one;
	int cpu = sched_getcpu();

	CPU_ZERO(&one);
	CPU_SET(cpu < 0 ? 0 : (unsigned)cpu, &one);
	sched_setaffinity(0, sizeof one, &one);
	for (unsigned i = 0; i < p->nthreads; i++)
		if (p->thread[i].state != GONE)
			sched_setaffinity(p->thread[i].tid, sizeof one, &one);
}

void process_kill(struct process *p)
{
	kill(p->pid, SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	memory_deinit(&p->memory);
	close(p->cpu_list);
	free(p->thread);
}
