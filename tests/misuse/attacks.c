/*
 * The attacks that the literature names against glibc's heap, each with loam's own structures: what
 * glibc keeps in the heap, the attacker overwrites where loam keeps the like.
 *
 * loam's chunks, as seen from the program's memory: the header is at -8 (checksum, size, flags: 1
 * in use, 2 the one before in use), the size of a free chunk before at -16, the links of a free one
 * at 0 and 8, those of a large one's tree from 16 on.  Sizes that are seldom asked for come from
 * chunks; those asked for often from slabs, where the link of a free object is at 0 and its mark
 * at 8.
 *
 * The attacker knows all addresses, and no secret but what a case reads.  He has won when he gets
 * an object outside the heap or two that overlap, or has changed a word of his choice.
 */
#include "cases.h"

#include <malloc.h>

enum { FEW = 600, LARGE = 3000 }; /* bytes; asked for but a few times */

static uint64_t *words(void *mem)
{
	return unknown(mem);
}

/* The chunk header that glibc would believe. */
static void set_header(void *mem, uint64_t csize)
{
	words(mem)[-1] = csize | 1;
}

static uint64_t size_of(char *mem)
{
	return malloc_usable_size(mem) + 8;
}

static uint64_t target[64] __attribute__((aligned(64)));

static void expect_untouched(void)
{
	for (size_t i = 0; i < sizeof target / sizeof *target; i++)
		if (*(volatile uint64_t *)&target[i])
			won("a word was written at a chosen address");
}

/* --- links of free objects -------------------------------------------------------------------- */

/* Three objects of two: a is twice on its list. */
static void duplicate(size_t size)
{
	char *a = take(size), *b = take(size), *got[3];

	give(a);
	give(b);
	give(a);
	for (int i = 0; i < 3; i++) {
		got[i] = take(size);
		claim(got[i], size, got, (size_t)i);
	}
}

CASE(attack_fastbin_dup)
{
	duplicate(FEW);
}

CASE(attack_tcache_dup)
{
	warm_up(SMALL);
	duplicate(SMALL);
}

/* The link of a free object leads to where the attacker wants one. */
static void poison(size_t size, int plain)
{
	char *mem[300], *a, *b;
	uint64_t to = (uint64_t)target;

	for (int i = 0; i < 300; i++)
		mem[i] = take(size);
	for (int i = 0; i < 300; i++)
		give(mem[i]);
	for (int i = 0; i < 300; i++)
		words(mem[i])[0] = plain ? to : (uint64_t)mem[i] >> 12 ^ to;
	for (int i = 0; i < 600; i++) {
		a = unknown(malloc(size));
		if (a >= (char *)target && a < (char *)(target + 64))
			won("an object outside the heap");
	}
	b = unknown(malloc(size));
	claim(b, size, &a, 1);
	expect_untouched();
}

CASE(attack_fastbin_poisoning)
{
	poison(FEW, 1);
}

CASE(attack_tcache_poisoning)
{
	warm_up(SMALL);
	poison(SMALL, 1);
}

CASE(attack_tcache_poisoning_with_safe_linking)
{
	warm_up(SMALL);
	poison(SMALL, 0);
}

/* As poisoning, but to another object that is in use, and with what a read of free memory tells. */
CASE(attack_poisoning_with_a_leak)
{
	char *mem[600], *got, *live = NULL;

	warm_up(SMALL);
	for (int i = 0; i < 600; i++)
		mem[i] = take(SMALL);
	live = mem[300];
	for (int i = 0; i < 600; i++)
		if (mem[i] != live)
			give(mem[i]);
	for (int i = 0; i + 1 < 600; i++) {
		/* If object i leads to its neighbour, this is the secret. */
		uint64_t secret = words(mem[i])[0] ^ (uint64_t)mem[i + 1];

		if (mem[i] != live && words(mem[i])[0])
			words(mem[i])[0] = (uint64_t)live ^ secret;
	}
	for (int i = 0; i < 1200; i++) {
		got = unknown(malloc(SMALL));
		claim(got, SMALL, &live, 1);
	}
}

/* Two bytes of the link only, which the attacker need not know the rest of. */
CASE(attack_house_of_roman)
{
	char *a = take(FEW), *guard = take(FEW), *got[8];

	give(a);
	memset(unknown(a), 0x10, 2);
	for (int i = 0; i < 8; i++) {
		got[i] = take(FEW);
		claim(got[i], FEW, &guard, 1);
		claim(got[i], FEW, got, (size_t)i);
	}
}

CASE(attack_tcache_metadata_poisoning)
{
	char *freed = take(SMALL), *mem = take(SMALL);
	uint64_t *heap;

	if (freed > mem) {
		char *higher = freed;

		freed = mem;
		mem = higher;
	}
	heap = (uint64_t *)((uint64_t)mem & ~(uint64_t)4095);
	give(freed); /* in most runs on the same page */
	/* glibc keeps the heads of its lists at the heap's start: here is nothing but objects. */
	for (uint64_t *word = heap; word < words(mem) - 2; word++)
		*word = (uint64_t)target;
	for (int i = 0; i < 100; i++)
		claim(take(SMALL), SMALL, &mem, 1);
	expect_untouched();
}

/* --- chunks that are none ------------------------------------------------------------------- */

CASE(attack_house_of_spirit)
{
	uint64_t fake[16] __attribute__((aligned(16))) = {0};
	char *got;

	fake[1] = 0x41;
	fake[9] = 0x41;
	give(&fake[2]);
	got = take(0x30);
	claim(got, 0x30, NULL, 0);
}

CASE(attack_house_of_spirit_in_the_heap)
{
	char *mem = take(FEW), *got[4];

	set_header(mem + 128, 0x100);
	set_header(mem + 128 + 0x100, 0x100);
	give(mem + 128);
	for (int i = 0; i < 4; i++) {
		got[i] = take(0xf0);
		claim(got[i], 0xf0, &mem, 1);
	}
}

/* A header that is right elsewhere, copied. */
CASE(attack_house_of_water)
{
	char *mem = take(FEW), *other = take(0xf0), *got;

	for (int i = -2; i < 0; i++) {
		words(mem + 128)[i] = words(other)[i];
		words(mem + 128 + 0x100)[i] = words(other)[i];
	}
	give(mem + 128);
	got = take(0xf0);
	claim(got, 0xf0, &mem, 1);
}

CASE(attack_house_of_mind)
{
	char *mem = take(FEW);

	words(mem)[-1] |= 4; /* of another arena, whose descriptor glibc finds by the address */
	give(mem);
	expect_untouched();
}

/* --- unlinking ------------------------------------------------------------------------------ */

static char *holder; /* a pointer of the program's, at a known address */

CASE(attack_unsafe_unlink)
{
	char *a = take(LARGE), *b = take(LARGE), *guard = take(LARGE);
	uint64_t csize = size_of(a) & ~(uint64_t)15;

	holder = a;
	words(a)[0] = 0;
	words(a)[1] = (csize - 16) | 1;
	words(a)[2] = (uint64_t)(&holder - 3);
	words(a)[3] = (uint64_t)(&holder - 2);
	words(b)[-2] = csize - 16;
	words(b)[-1] &= ~(uint64_t)3; /* the chunk before is free */
	give(b);
	if (*(char *volatile *)&holder != a)
		won("a word was written at a chosen address");
	give(guard);
}

/* The same of a chunk that is free, with what is reachable of it. */
CASE(attack_unlink_of_a_free_chunk)
{
	char *a = take(LARGE), *b = take(LARGE), *guard = take(LARGE);

	give(a);
	words(a)[0] = (uint64_t)(target + 8);
	words(a)[1] = (uint64_t)(target + 16);
	give(b);
	expect_untouched();
	give(guard);
}

CASE(attack_unsorted_bin)
{
	char *a = take(LARGE), *guard = take(LARGE);

	give(a);
	words(a)[1] = (uint64_t)(target + 2);
	take(LARGE);
	take(10 * LARGE);
	expect_untouched();
	give(guard);
}

CASE(attack_unsorted_bin_into_stack)
{
	char *a = take(LARGE), *guard = take(LARGE);

	give(a);
	target[1] = (LARGE + 16) | 1;
	words(a)[0] = words(a)[1] = (uint64_t)target;
	for (int i = 0; i < 4; i++)
		claim(take(LARGE), LARGE, &guard, 1);
}

CASE(attack_house_of_lore)
{
	uint64_t fake[16] = {0}, fake2[16] = {0};
	char *a = take(FEW), *guard = take(FEW);

	give(a);
	give(take(LARGE)); /* sorts it into its bin */
	fake[1] = fake2[1] = size_of(guard) | 1;
	fake[2] = (uint64_t)(words(a) - 2);
	fake[3] = (uint64_t)fake2;
	fake2[2] = (uint64_t)fake;
	words(a)[1] = (uint64_t)fake;
	for (int i = 0; i < 4; i++)
		claim(take(FEW), FEW, &guard, 1);
}

CASE(attack_tcache_stashing_unlink)
{
	char *mem[9], *guard[9];

	for (int i = 0; i < 9; i++)
		mem[i] = take(FEW), guard[i] = take(32);
	for (int i = 0; i < 9; i++)
		give(mem[i]);
	take(LARGE);
	target[3] = (uint64_t)(target + 8);
	words(mem[8])[1] = (uint64_t)target;
	for (int i = 0; i < 12; i++)
		claim(take(FEW), 32, guard, 9);
	target[3] = 0;
	expect_untouched();
}

/* The tree of large free chunks: what points to a node, and its children. */
static void attack_large(int word, uint64_t value)
{
	char *a, *guard, *b, *guard2;

	want_chunks();
	a = take(LARGE), guard = take(32), b = take(LARGE + 64), guard2 = take(32);
	give(a);
	give(take(20 * LARGE)); /* sorts it into its bin */
	words(a)[word] = value;
	give(b);
	take(30 * LARGE);
	take(LARGE);
	take(LARGE + 64);
	expect_untouched();
	give(guard);
	give(guard2);
}

CASE(attack_large_bin_ring)
{
	attack_large(1, (uint64_t)(target + 4));
}

CASE(attack_large_bin_child)
{
	attack_large(2, (uint64_t)(target + 4));
}

CASE(attack_large_bin_slot)
{
	attack_large(4, (uint64_t)(target + 4));
}

CASE(attack_house_of_storm)
{
	char *a, *guard, *b, *guard2;

	want_chunks();
	a = take(LARGE), guard = take(32), b = take(LARGE + 64), guard2 = take(32);
	give(a);
	give(take(20 * LARGE));
	give(b);
	words(b)[1] = (uint64_t)target;
	words(a)[1] = (uint64_t)(target + 1);
	words(a)[3] = (uint64_t)(target + 2);
	words(a)[4] = (uint64_t)(target + 3);
	for (int i = 0; i < 4; i++)
		claim(take(LARGE), LARGE, NULL, 0);
	expect_untouched();
	give(guard);
	give(guard2);
}

/* --- sizes ---------------------------------------------------------------------------------- */

CASE(attack_overlapping_chunks)
{
	char *a = take(FEW), *b = take(FEW), *c = take(FEW), *got;

	set_header(b, 2 * size_of(b));
	give(b);
	got = take(2 * FEW);
	claim(got, 2 * FEW, &c, 1);
	give(a);
}

/* The inverse of mix64() (src/base/bits.h). */
static uint64_t unmix(uint64_t x)
{
	x = (x ^ x >> 31 ^ x >> 62) * 0x319642b2d24d8ec3;
	x = (x ^ x >> 27 ^ x >> 54) * 0x96de1b173f119089;
	return x ^ x >> 30 ^ x >> 60;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* loam's header of a chunk, for this secret of headers. */
static uint64_t header_of(char *mem, uint64_t word, uint64_t secret)
{
	uint64_t sum = (word ^ (uint64_t)(mem - 16) ^ secret) * 0x9e3779b97f4a7c15;

	return word | sum >> 48 << 48;
}

/* The secret of headers if it were mix(w + 1) and that of fences mix(w + 3), of one random word w.
   Four bits of the fences' secret are always set, so `bits` guesses them. */
static uint64_t secret_of_headers(uint64_t secret_of_fences, unsigned bits)
{
	static const int set[4] = {0, 7, 56, 63};

	for (int i = 0; i < 4; i++)
		secret_of_fences &= ~((uint64_t) !(bits >> i & 1) << set[i]);
	return mix(unmix(secret_of_fences) - 3 + 1);
}

/* What a read beyond the end of a run tells does not help to forge the header of a chunk. */
CASE(attack_forged_header_with_a_leak)
{
	char *run = take(SHORT_RUN), *b = take(FEW), *c = take(FEW), *got;
	uint64_t fence = words(run + malloc_usable_size(run))[0] ^ (uint64_t)run << 8;
	uint64_t word = words(b)[-1] << 16 >> 16, next = words(c)[-1] << 16 >> 16;

	for (unsigned bits = 0; bits < 16; bits++) {
		uint64_t secret = secret_of_headers(fence, bits);

		if (header_of(b, word, secret) == words(b)[-1] &&
		    header_of(c, next, secret) == words(c)[-1])
			words(b)[-1] = header_of(b, word + size_of(b), secret);
	}
	give(b);
	got = take(2 * FEW);
	if (got < c && c < got + 2 * FEW)
		won("two objects overlap");
}

CASE(attack_overlapping_free_chunk)
{
	char *a = take(LARGE), *b = take(LARGE), *c = take(LARGE), *got;

	give(b);
	words(b)[-1] += size_of(c);
	got = take(2 * LARGE);
	claim(got, 2 * LARGE, &c, 1);
	give(a);
}

/* One byte of zero too much, into the size of the next. */
CASE(attack_poison_null_byte)
{
	char *a = take(LARGE), *b = take(LARGE), *c = take(LARGE), *got;

	give(b);
	*(volatile char *)unknown(b - 8) = 0;
	got = take(LARGE / 2);
	give(c);
	claim(take(2 * LARGE), 2 * LARGE, &got, 1);
	give(a);
}

CASE(attack_house_of_einherjar)
{
	char *a = take(LARGE), *b = take(LARGE), *guard = take(LARGE), *got;
	uint64_t csize = size_of(a) & ~(uint64_t)15;

	words(a)[0] = 0;
	words(a)[1] = (csize - 16) | 3;
	words(a)[2] = words(a)[3] = (uint64_t)a;
	words(b)[-2] = csize - 16;
	*(volatile char *)unknown(b - 8) &= (char)~3;
	give(b);
	got = take(LARGE + 500);
	claim(got, LARGE + 500, &a, 1);
	give(guard);
}

CASE(attack_house_of_botcake)
{
	char *fill[7], *before = NULL, *victim, *guard, *got, *again;

	for (int i = 0; i < 7; i++)
		fill[i] = take(FEW);
	before = take(FEW);
	victim = take(FEW);
	guard = take(32);
	for (int i = 0; i < 7; i++)
		give(fill[i]);
	give(victim);
	give(before); /* and they merge */
	take(FEW);
	give(victim);
	got = take(2 * FEW);
	again = take(FEW);
	claim(again, FEW, &got, 1);
	give(guard);
}

/* glibc maps each, the next below the last, and keeps the mapping's size ahead of the object. */
CASE(attack_mmap_overlapping_chunks)
{
	uint64_t mapping = (RUN + 16 + 4095) & ~(uint64_t)4095;
	char *a, *b, *got;

	take(RUN);
	take(RUN);
	a = take(RUN);
	b = take(RUN);
	words(b)[-1] = 2 * mapping | 2; /* as if a were part of b */
	give(b);
	got = take(3 * RUN);
	for (size_t i = 0; i < 3; i++)
		claim(got + i * RUN, RUN, &a, 1);
}

/* --- top ------------------------------------------------------------------------------------ */

/* Sets the header behind the newest chunk, which is top's while nothing was freed. */
static char *set_top(uint64_t header)
{
	char *last = NULL, *mem;

	for (int i = 0; i < 200; i++) {
		mem = take(FEW + 16 * (size_t)i);
		last = mem > last ? mem : last;
	}
	*(uint64_t *)unknown(last + malloc_usable_size(last)) = header;
	return last;
}

CASE(attack_house_of_force)
{
	char *last = set_top(~(uint64_t)0), *got;

	got = unknown(malloc((size_t)((char *)target - last) - 64));
	got = unknown(malloc(200));
	if (got >= (char *)target - 256 && got < (char *)(target + 64))
		won("an object outside the heap");
}

CASE(attack_house_of_orange)
{
	char *last = set_top(0xc01), *got[3];

	take(100000);
	for (int i = 0; i < 3; i++) {
		got[i] = take(1000);
		claim(got[i], 1000, got, (size_t)i);
		claim(got[i], 1000, &last, 1);
	}
}

CASE(attack_house_of_tangerine)
{
	char *last = set_top(0x201), *got;

	for (int i = 0; i < 50; i++)
		take(4000);
	got = take(0x1e0);
	claim(got, 0x1e0, &last, 1);
}

CASE(attack_sysmalloc_int_free)
{
	char *last = set_top(0x7e1), *got;

	take(60000);
	got = take(0x7c0);
	claim(got, 0x7c0, &last, 1);
}

/* --- between threads ------------------------------------------------------------------------ */

/* The links of objects that are on their way home lie in the objects. */
#include <pthread.h>

static char *away[100];

static void *free_away(void *unused)
{
	for (int i = 0; i < 100; i++)
		give(away[i]);
	for (int i = 0; i < 100; i++)
		words(away[i])[0] = (uint64_t)target;
	return unused;
}

CASE(attack_remote_list_poisoning)
{
	pthread_t thread;
	char *got;

	warm_up(SMALL);
	for (int i = 0; i < 100; i++)
		away[i] = take(SMALL);
	pthread_create(&thread, NULL, free_away, NULL);
	pthread_join(thread, NULL);
	for (int i = 0; i < 10000; i++) {
		got = unknown(malloc(SMALL));
		if (got >= (char *)target && got < (char *)(target + 64))
			won("an object outside the heap");
	}
	expect_untouched();
}
