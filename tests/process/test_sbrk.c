/* A program that moves the break itself, while the allocator grows its heap there. */
#include "test.h"

#include "process.h"

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
