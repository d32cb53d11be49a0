/* A program that moves the break itself, while the allocator grows its heap there, and processes
   whose break is not where libc has it. */
#include "test.h"

#include "process.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { STEPS = 3000, HELD = 512, PIECES = 64 };

/* What the program took by sbrk, and the byte that it wrote there. */
static struct piece {
	unsigned char *mem;
	size_t nbytes;
	unsigned char byte;
} pieces[PIECES];

static int piece_count;

static void piece_take(uint64_t *state)
{
	struct piece *p = &pieces[piece_count];
	void *mem;

	p->nbytes = 1 + test_random(state) % 9000;
	p->byte = (unsigned char)test_random(state);
	mem = sbrk((intptr_t)p->nbytes);
	MUST(mem != (void *)-1);
	p->mem = mem;
	memset(p->mem, p->byte, p->nbytes);
	piece_count++;
}

static void piece_check(const struct piece *p)
{
	for (size_t i = 0; i < p->nbytes; i++)
		MUST(p->mem[i] == p->byte);
}

/* Gives the newest piece back when nobody took anything above it. */
static void piece_give_back(void)
{
	struct piece *p = &pieces[piece_count - 1];

	piece_check(p);
	if (sbrk(0) != p->mem + p->nbytes)
		return;
	MUST(sbrk(-(intptr_t)p->nbytes) != (void *)-1);
	piece_count--;
}

/*
 * What the kernel leaves in a child of fork where another thread of the parent moved the break by
 * `moved` bytes at that very moment: the mappings, and libc's idea of the break, are those after
 * the move, and the kernel's own idea of the break is the one before it.
 */
static void leave_break_behind(intptr_t moved)
{
	char *now = sbrk(0), *before = now - moved;

	MUST(syscall(SYS_brk, before) == (long)before);
	if (moved < 0)
		MUST(munmap(now, (size_t)-moved) == 0);
	else
		MUST(mmap(before, (size_t)moved, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == before);
}

/* Grows and shrinks the top of the heap. */
static void use_top(void)
{
	static struct block held[HELD];

	for (int i = 0; i < HELD; i++)
		held[i] = block_new(20000);
	for (int i = 0; i < HELD; i++)
		block_free(held[i]);
	malloc_trim(0);
}

static int use_top_where_break_was(intptr_t moved)
{
	pid_t child = fork();

	MUST(child >= 0);
	if (child == 0) {
		alarm(CHILD_SECONDS);
		sbrk((intptr_t)(-(uintptr_t)sbrk(0) & 0xffff)); /* whole pages */
		use_top();
		mallopt(M_MMAP_THRESHOLD, 1 << 20);
		free(malloc(100000));
		leave_break_behind(moved);
		use_top();
		use_top();
		_exit(0);
	}
	return child_wait(child);
}

TEST(children_that_were_forked_while_the_break_moved)
{
	EXPECT_EQ(use_top_where_break_was(-(3 << 16)), 0);
	EXPECT_EQ(use_top_where_break_was(2 << 16), 0);
}

TEST(the_program_moves_the_break)
{
	static struct block held[HELD];
	uint64_t state = test_seed();

	for (int i = 0; i < STEPS; i++) {
		uint64_t r = test_random(&state);
		struct block *b = &held[r % HELD];

		if (b->mem)
			block_free(*b);
		*b = block_new(1 + (r >> 32) % (r >> 16 & 7 ? 3000 : 120000));
		if (r >> 20 & 7)
			continue;
		if (piece_count < PIECES && r >> 24 & 1)
			piece_take(&state);
		else if (piece_count > 0)
			piece_give_back();
	}
	for (int i = 0; i < piece_count; i++)
		piece_check(&pieces[i]);
	for (int i = 0; i < HELD; i++)
		if (held[i].mem)
			block_free(held[i]);
	for (int i = 0; i < piece_count; i++)
		piece_check(&pieces[i]);
	allocate_every_size();
}
