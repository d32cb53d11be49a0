#include "simulate.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <linux/futex.h>
#include <time.h>

enum { CACHED_INSNS = 1 << 16, PAGE = 4096, LOOK_EVERY = 64 };

static void *zeroed(size_t n, size_t nbytes)
{
	void *mem = calloc(n, nbytes);

	if (!mem)
		fail("no memory");
	return mem;
}

void simulation_init(struct simulation *s, struct process *p, const struct entries *e,
		     struct limits limits)
{
	*s = (struct simulation){.process = p, .entries = e, .limits = limits};
	coherence_init(&s->coherence);
	s->site = zeroed(MAX_SITES, sizeof *s->site);
	s->insn = zeroed(CACHED_INSNS, sizeof *s->insn);
	s->queue = zeroed(MAX_PROCESSORS * 8, sizeof *s->queue);
}

/* ---- Whose turn it is. */

static bool is_before(const struct thread *a, const struct thread *b)
{
	return a->clock < b->clock || (a->clock == b->clock && a->turn < b->turn);
}

static void queue_put(struct simulation *s, struct thread *t)
{
	unsigned i = s->nqueue++;

	t->turn = s->turn++;
	for (; i && is_before(t, s->queue[(i - 1) / 2]); i = (i - 1) / 2)
		s->queue[i] = s->queue[(i - 1) / 2];
	s->queue[i] = t;
}

static struct thread *queue_take(struct simulation *s)
{
	struct thread *first = s->queue[0], *last = s->queue[--s->nqueue];
	unsigned i = 0, child;

	while ((child = 2 * i + 1) < s->nqueue) {
		if (child + 1 < s->nqueue && is_before(s->queue[child + 1], s->queue[child]))
			child++;
		if (!is_before(s->queue[child], last))
			break;
		s->queue[i] = s->queue[child];
		i = child;
	}
	s->queue[i] = last;
	return first;
}

/* A processor that no thread has; a thread that follows another gets that one's. */
static unsigned free_processor(struct simulation *s)
{
	for (unsigned i = 0; i < MAX_PROCESSORS; i++)
		if (!s->processor_used[i]) {
			s->processor_used[i] = true;
			return i;
		}
	fail("more than %d threads at once", MAX_PROCESSORS);
}

/* Threads that came back from the kernel, or are new, take their turns again. */
static void collect(struct simulation *s, bool wait)
{
	unsigned known = s->process->nthreads;
	struct thread *t;

	if (wait)
		memory_yield_all(&s->process->memory);
	while ((t = process_collect(s->process, wait))) {
		memory_yield_all(&s->process->memory);
		wait = false;
		if (t->state == GONE) {
			s->processor_used[t->processor] = false;
			continue;
		}
		if (t >= s->process->thread + known)
			t->processor = free_processor(s);
		known = s->process->nthreads;
		if (t->clock < s->now)
			t->clock = s->now;
		queue_put(s, t);
	}
}

/* ---- What an instruction touches. */

static void add_site(struct simulation *s, uint64_t ip, const struct effect *e)
{
	size_t i = ((ip * 31 + e->line->number) * 0x9e3779b97f4a7c15) >> 30;
	struct site *site;

	while ((site = &s->site[i &= MAX_SITES - 1])->used &&
	       (site->ip != ip || site->line != e->line->number))
		i++;
	if (!site->used) {
		if (s->nsites == MAX_SITES / 2)
			return;
		s->nsites++;
		*site = (struct site){.used = true, .ip = ip, .line = e->line->number};
	}
	if (e->upgrade)
		site->upgrades++;
	else
		site->moved[e->source == FROM_FAR]++;
}

static uint64_t cost_of(const struct effect *e)
{
	switch (e->source) {
	case FROM_NEAR:
		return e->far ? COST_FAR : COST_NEAR;
	case FROM_FAR:
		return COST_FAR;
	case FROM_MEMORY:
		return 0; /* first seen here: it may well have been in its own cache */
	default:
		return !e->invalidated ? 0 : e->far ? COST_FAR : COST_NEAR;
	}
}

static uint64_t touch_line(struct simulation *s, struct thread *t, uint64_t address, bool write)
{
	enum accessor who = t->inside ? ALLOCATOR : PROGRAM;
	struct effect e = coherence_access(&s->coherence, t->processor, address, write, who);
	bool moved = e.source == FROM_NEAR || e.source == FROM_FAR;
	bool upgrade = e.upgrade && e.invalidated;

	if (moved)
		s->counts.moved[who][e.source == FROM_FAR]++;
	s->counts.upgrades[who] += upgrade;
	s->counts.invalidated[who] += e.invalidated;
	if (who == ALLOCATOR && (moved || upgrade))
		add_site(s, t->cpu.ip, &e);
	return cost_of(&e);
}

/* An access; what it costs. */
static uint64_t touch(struct simulation *s, struct thread *t, uint64_t address, unsigned nbytes,
		      bool write)
{
	uint64_t cost = touch_line(s, t, address, write);

	if (nbytes && (address + nbytes - 1) / LINE_BYTES != address / LINE_BYTES)
		cost += touch_line(s, t, address + nbytes - 1, write);
	return cost;
}

/* What instructions touch beside the operand of ModRM: the stack, and strings. */
static uint64_t touch_implied(struct simulation *s, struct thread *t, const struct insn *i)
{
	uint64_t sp = t->cpu.reg[REG_SP], si = t->cpu.reg[REG_SI], di = t->cpu.reg[REG_DI];
	uint8_t op = i->opcode;
	unsigned nbytes = !(op & 1) ? 1 : i->wide ? 8 : i->opsize16 ? 2 : 4;

	if (i->map != MAP_ONE || i->vex)
		return 0;
	if ((op >= 0x50 && op <= 0x57) || op == 0x68 || op == 0x6a || op == 0xe8 ||
	    (op == 0xff && (i->group == 2 || i->group == 6)))
		return touch(s, t, sp - 8, 8, true);
	if ((op >= 0x58 && op <= 0x5f) || op == 0xc2 || op == 0xc3 || op == 0x8f)
		return touch(s, t, sp, 8, false);
	if (op == 0xc9)
		return touch(s, t, t->cpu.reg[5], 8, false);
	if ((i->rep || i->repne) && t->cpu.reg[1] == 0)
		return 0;
	switch (op) {
	case 0xa4:
	case 0xa5:
		return touch(s, t, si, nbytes, false) + touch(s, t, di, nbytes, true);
	case 0xa6:
	case 0xa7:
		return touch(s, t, si, nbytes, false) + touch(s, t, di, nbytes, false);
	case 0xaa:
	case 0xab:
		return touch(s, t, di, nbytes, true);
	case 0xac:
	case 0xad:
		return touch(s, t, si, nbytes, false);
	case 0xae:
	case 0xaf:
		return touch(s, t, di, nbytes, false);
	default:
		return 0;
	}
}

static uint64_t touch_operand(struct simulation *s, struct thread *t, const struct insn *i)
{
	if (!i->has_memory || i->kind == ACCESS_NONE)
		return 0;
	return touch(s, t, operand_address(&t->cpu, i), i->nbytes_mem, i->kind != ACCESS_READ) +
	       (i->atomic ? COST_ATOMIC : 0);
}

/* ---- Calls of the allocator. */

/* The lines of a block that the program has are the program's. */
static void mark_block(struct simulation *s, uint64_t address, uint64_t nbytes)
{
	if (!address)
		return;
	for (uint64_t at = address & -(uint64_t)LINE_BYTES; at < address + nbytes; at += LINE_BYTES)
		coherence_line(&s->coherence, at)->in_block = true;
}

static void begin_counting(struct simulation *s)
{
	s->warm = true;
	s->counts = (struct counts){.began = s->now};
	coherence_reset(&s->coherence);
	locks_reset(&s->locks, s->now);
	memset(s->site, 0, MAX_SITES * sizeof *s->site);
	s->nsites = 0;
}

static void enter(struct simulation *s, struct thread *t, enum entry_point call)
{
	const uint64_t *reg = t->cpu.reg;

	if (!memory_read(&s->process->memory, reg[REG_SP], &t->return_to, 8))
		return;
	if (++s->counts.operations > s->limits.warm_up && !s->warm)
		begin_counting(s);
	t->inside = true;
	t->call = (uint8_t)call;
	t->stack_at_entry = reg[REG_SP];
	t->size = call == ENTRY_SIZE	    ? reg[REG_DI]
		  : call == ENTRY_TWO_SIZES ? reg[REG_DI] * reg[REG_SI]
					    : reg[REG_SI];
	if (call == ENTRY_FREE || call == ENTRY_REALLOC)
		mark_block(s, reg[REG_DI], 1);
}

static void leave(struct simulation *s, struct thread *t)
{
	t->inside = false;
	locks_leave(&t->holder);
	if (t->call != ENTRY_FREE && t->call != NO_ENTRY)
		mark_block(s, t->cpu.reg[0], t->size);
}

/* A thread that was stopped within the allocator is inside until it is back in other code. */
static void look_where(struct simulation *s, struct thread *t, const struct cached_insn *c)
{
	if (t->inside && t->call == NO_ENTRY &&
	    (t->cpu.ip < s->entries->low || t->cpu.ip >= s->entries->high))
		leave(s, t);
	if (t->inside && t->call != NO_ENTRY && t->cpu.ip == t->return_to &&
	    t->cpu.reg[REG_SP] == t->stack_at_entry + 8)
		leave(s, t);
	if (!t->inside && c->entry != NO_ENTRY)
		enter(s, t, c->entry);
}

/* ---- System calls. */

static bool may_last(const struct simulation *s, const struct thread *t)
{
	uint64_t call = t->cpu.reg[0], operation = t->cpu.reg[REG_SI] & 127;

	switch (call) {
	case SYS_futex:
		return operation != FUTEX_WAKE && operation != FUTEX_WAKE_OP &&
		       operation != FUTEX_REQUEUE && operation != FUTEX_CMP_REQUEUE &&
		       operation != FUTEX_UNLOCK_PI;
	case SYS_nanosleep:
	case SYS_clock_nanosleep:
	case SYS_poll:
	case SYS_read:
	case SYS_write:
	case SYS_pause:
	case SYS_exit_group:
	case SYS_rt_sigtimedwait:
		return true;
	case SYS_exit:
		return t->tid == s->process->pid; /* it is reported after all others */
	default:
		return false;
	}
}

static bool is_of_memory(uint64_t call)
{
	return call == SYS_mmap || call == SYS_munmap || call == SYS_madvise || call == SYS_brk ||
	       call == SYS_mremap || call == SYS_mprotect;
}

static void count_call(struct simulation *s, const struct thread *t)
{
	if (!t->inside)
		return;
	s->counts.calls++;
	s->counts.memory_calls += is_of_memory(t->cpu.reg[0]);
	s->counts.waits += t->cpu.reg[0] == SYS_futex && may_last(s, t);
}

/* ---- An instruction. */

static struct cached_insn *fetch(struct simulation *s, uint64_t ip)
{
	struct cached_insn *c = &s->insn[(ip ^ ip >> 16) % CACHED_INSNS];
	size_t nbytes = INSN_MAX < PAGE - ip % PAGE ? INSN_MAX : PAGE - ip % PAGE;

	if (c->known && c->ip == ip)
		return c;
	memset(c, 0, sizeof *c);
	if (!memory_read(&s->process->memory, ip, c->bytes, nbytes))
		return c; /* as in the vdso */
	if (nbytes < INSN_MAX)
		memory_read(&s->process->memory, ip + nbytes, c->bytes + nbytes, INSN_MAX - nbytes);
	c->ip = ip;
	c->known = true;
	c->decoded = decode(&c->insn, c->bytes);
	c->entry = (uint8_t)entries_at(s->entries, ip);
	return c;
}

static bool is_syscall(const struct cached_insn *c)
{
	return c->decoded && c->insn.map == MAP_0F && c->insn.opcode == 0x05;
}

static void differs(const struct thread *t, const struct cpu *cpu, const struct cached_insn *c,
		    const char *what)
{
	fprintf(stderr, "scale: executed otherwise than the processor does: %s\n ", what);
	for (unsigned i = 0; i < c->insn.nbytes; i++)
		fprintf(stderr, " %02x", c->bytes[i]);
	for (unsigned i = 0; i < 16; i++)
		if (cpu->reg[i] != t->cpu.reg[i])
			fprintf(stderr, "\n  r%u %#llx, processor %#llx", i,
				(unsigned long long)cpu->reg[i], (unsigned long long)t->cpu.reg[i]);
	fprintf(stderr, "\n  ip %#llx, processor %#llx; flags %#llx, processor %#llx\n",
		(unsigned long long)cpu->ip, (unsigned long long)t->cpu.ip,
		(unsigned long long)cpu->flags, (unsigned long long)t->cpu.flags);
	exit(3);
}

/* Whether the memory that a stepped instruction may access is its operand alone. */
static bool has_plain_operand(const struct cached_insn *c)
{
	const struct insn *i = &c->insn;

	return c->decoded && i->has_modrm &&
	       !(i->map == MAP_0F && (i->opcode == 0xae || i->opcode == 0xc7)) &&
	       !(i->map == MAP_ONE && (i->opcode == 0x8f || i->opcode == 0xff)) &&
	       !(i->map == MAP_0F38 && i->vex);
}

static bool step(struct simulation *s, struct thread *t, const struct cached_insn *c)
{
	struct memory *m = &s->process->memory;

	if (!has_plain_operand(c))
		memory_yield_all(m);
	else if (c->insn.has_memory)
		memory_yield(m, operand_address(&t->cpu, &c->insn), c->insn.nbytes_mem);
	return thread_step(s->process, t);
}

/* The flags that an instruction leaves defined, DF with them.  The overflow flag of a shift by more
   than one is not, and Intel's processors set it by how the count is encoded. */
static uint64_t defined_flags(const struct insn *i)
{
	bool shifts =
		i->map == MAP_ONE && (i->opcode >> 1 == 0xc0 >> 1 || i->opcode >> 2 == 0xd0 >> 2);

	return shifts ? 0x4d5 : 0xcd5;
}

/* Steps a thread, after executing the same on a copy of it; ends the tracer if they differ. */
static bool step_verified(struct simulation *s, struct thread *t, const struct cached_insn *c)
{
	struct memory *m = &s->process->memory;
	struct cpu cpu = t->cpu;
	uint64_t there = 0;
	bool executed;

	m->dry = true;
	m->written_bytes = 0;
	executed = c->decoded && execute(&cpu, &c->insn, m);
	m->dry = false;
	if (m->written_bytes)
		memory_yield(m, m->written_at, m->written_bytes);
	if (!step(s, t, c))
		return false;
	s->counts.stepped += !executed;
	if (!executed)
		return true;
	if (memcmp(cpu.reg, t->cpu.reg, sizeof cpu.reg) || cpu.ip != t->cpu.ip ||
	    ((cpu.flags ^ t->cpu.flags) & defined_flags(&c->insn)))
		differs(t, &cpu, c, "registers");
	if (m->written_bytes && memory_read(m, m->written_at, &there, m->written_bytes) &&
	    there != m->written)
		differs(t, &cpu, c, "memory");
	return true;
}

static bool run_insn(struct simulation *s, struct thread *t, const struct cached_insn *c)
{
	if (s->limits.verify)
		return step_verified(s, t, c);
	if (!s->limits.step_all && c->decoded && execute(&t->cpu, &c->insn, &s->process->memory)) {
		t->changed = true;
		return true;
	}
	s->counts.stepped++;
	return step(s, t, c);
}

static uint64_t word_at(struct simulation *s, uint64_t address, unsigned nbytes)
{
	uint64_t value = 0;

	memory_read(&s->process->memory, address, &value, nbytes > 8 ? 8 : nbytes);
	return value;
}

/* Runs an instruction that may take or release a lock. */
static bool run_watched(struct simulation *s, struct thread *t, const struct cached_insn *c,
			uint64_t address)
{
	unsigned nbytes = c->insn.nbytes_mem;
	bool atomic = c->insn.atomic;
	uint64_t before = word_at(s, address, nbytes), after;

	if (!run_insn(s, t, c))
		return false;
	after = word_at(s, address, nbytes);
	if (atomic)
		locks_atomic(&s->locks, &t->holder, address, before, after, t->clock);
	else
		locks_store(&s->locks, &t->holder, address, after, t->clock);
	s->counts.atomics += atomic;
	return true;
}

static bool run(struct simulation *s, struct thread *t, const struct cached_insn *c)
{
	const struct insn *i = &c->insn;
	bool writes =
		c->decoded && i->has_memory && (i->kind == ACCESS_WRITE || i->kind == ACCESS_BOTH);
	uint64_t address = writes ? operand_address(&t->cpu, i) : 0;

	if (t->inside && writes && (i->atomic || locks_watches(&t->holder, address)))
		return run_watched(s, t, c, address);
	return run_insn(s, t, c);
}

/* clock_gettime, as a function or as a system call: what stands in the registers is the same. */
static bool tell_time(struct simulation *s, struct thread *t)
{
	uint64_t *reg = t->cpu.reg, ns;
	struct timespec time;

	if (reg[REG_DI] >= sizeof s->real_start / sizeof *s->real_start || !reg[REG_SI])
		return false;
	ns = s->real_start[reg[REG_DI]] + t->clock / INSNS_PER_NS;
	time = (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
	if (!memory_write(&s->process->memory, reg[REG_SI], &time, sizeof time))
		return false;
	reg[0] = 0;
	t->changed = true;
	t->clock += COST_PAUSE;
	return true;
}

static bool return_from_clock(struct simulation *s, struct thread *t)
{
	uint64_t to;

	if (t->cpu.ip != s->entries->clock ||
	    !memory_read(&s->process->memory, t->cpu.reg[REG_SP], &to, 8) || !tell_time(s, t))
		return false;
	t->cpu.ip = to;
	t->cpu.reg[REG_SP] += 8;
	return true;
}

/* The thread's next instruction. True: it goes on taking turns. */
static bool turn(struct simulation *s, struct thread *t)
{
	struct cached_insn *c = fetch(s, t->cpu.ip);

	look_where(s, t, c);
	if (return_from_clock(s, t))
		return true;
	s->counts.steps++;
	t->clock += COST_STEP;
	if (!c->decoded) {
		s->counts.unknown++;
	} else {
		t->clock += touch_operand(s, t, &c->insn) + touch_implied(s, t, &c->insn);
		if (c->insn.map == MAP_ONE && c->insn.opcode == 0x90 && c->insn.rep)
			t->clock += COST_PAUSE;
	}
	if (is_syscall(c)) {
		t->clock += COST_CALL;
		count_call(s, t);
		if (t->cpu.reg[0] == SYS_clock_gettime && tell_time(s, t)) {
			t->cpu.ip += c->insn.nbytes;
			return true;
		}
		if (may_last(s, t)) {
			memory_yield_all(&s->process->memory);
			thread_enter_kernel(t);
			return false;
		}
	}
	if (run(s, t, c))
		return true;
	s->processor_used[t->processor] = false;
	return false;
}

static bool is_enough(const struct simulation *s)
{
	return s->counts.steps >= s->limits.steps ||
	       (s->warm && s->counts.operations > s->limits.operations);
}

static bool any_left(const struct simulation *s)
{
	for (unsigned i = 0; i < s->process->nthreads; i++)
		if (s->process->thread[i].state != GONE)
			return true;
	return false;
}

/* Whether a thread was stopped within the allocator. A thread that waits in libc does so for the
   program more often than for libc's malloc. */
static bool starts_inside(const struct simulation *s, const struct thread *t)
{
	const struct entries *e = s->entries;

	return t->cpu.ip >= e->low && t->cpu.ip < e->high && (t->state == STOPPED || !e->is_libc);
}

static void start(struct simulation *s)
{
	for (unsigned i = 0; i < s->process->nthreads; i++) {
		struct thread *t = &s->process->thread[i];

		if (t->state == GONE)
			continue;
		t->processor = free_processor(s);
		t->inside = starts_inside(s, t);
		if (t->state == STOPPED)
			queue_put(s, t);
	}
}

void simulate(struct simulation *s)
{
	uint64_t looked = 0;

	start(s);
	for (clockid_t i = 0; i < 16; i++) {
		struct timespec time = {0};

		clock_gettime(i, &time);
		s->real_start[i] = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
	}
	while (!is_enough(s) && (s->nqueue || any_left(s))) {
		struct thread *t;

		if (!s->nqueue || s->turn - looked > LOOK_EVERY) {
			collect(s, !s->nqueue);
			looked = s->turn;
			if (!s->nqueue)
				continue;
		}
		t = queue_take(s);
		s->now = t->clock;
		if (turn(s, t))
			queue_put(s, t);
	}
	s->counts.ended = s->now;
}
