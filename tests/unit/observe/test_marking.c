/* Marking of a heap that is simulated: who is reached, and who is lost through whom. */
#include "observe/marking.h"

#include "os_sim.h"
#include "test.h"

enum { BLOCKS = 64, WORDS = 8 };

static uintptr_t heap[BLOCKS][WORDS];
static size_t pieces; /* shown so far */

static void contents(uintptr_t start, uintptr_t end,
		     void (*see)(void *arg, const uintptr_t *words, size_t n), void *arg)
{
	for (; start < end; start += sizeof(uintptr_t), pieces++)
		see(arg, (const uintptr_t *)start, 1);
}

static uintptr_t address(size_t block)
{
	return (uintptr_t)heap[block];
}

static void points(size_t from, size_t to)
{
	size_t i = 0;

	while (heap[from][i])
		i++;
	REQUIRE(i < WORDS);
	heap[from][i] = address(to);
}

/* Blocks 0 to count - 1, added from the last to the first. */
static struct marking marking_of(size_t count)
{
	struct marking m = {.contents = contents};

	for (size_t i = count; i-- > 0;)
		EXPECT(marking_add(&m, heap[i], sizeof heap[i]));
	marking_sort(&m);
	return m;
}

static void clear(void)
{
	for (size_t i = 0; i < BLOCKS; i++)
		for (size_t k = 0; k < WORDS; k++)
			heap[i][k] = 0;
}

/* Of each block a letter: r, d (lost) or i; then all is forgotten. */
static const char *found(struct marking *m)
{
	static char letters[BLOCKS + 1];

	marking_finish(m);
	for (size_t i = 0; i < m->count; i++)
		letters[i] = "dir"[m->blocks[i].state];
	letters[m->count] = '\0';
	marking_end(m);
	EXPECT_EQ(os_sim_mapped(), 0);
	clear();
	return letters;
}

static void root(struct marking *m, uintptr_t word)
{
	marking_root(m, &word, 1);
}

TEST(a_chain_is_reached_from_its_root)
{
	struct marking m = marking_of(4);

	points(2, 0);
	points(0, 3);
	root(&m, address(2));
	EXPECT_STR(found(&m), "rdrr");
}

TEST(what_only_lost_blocks_lead_to_is_lost_indirectly)
{
	struct marking m = marking_of(5);

	points(3, 1); /* a block behind the one that it leads to */
	points(1, 0);
	points(1, 4);
	EXPECT_STR(found(&m), "iiddi");
}

TEST(a_cycle_has_one_leader)
{
	struct marking m = marking_of(6);

	points(1, 4);
	points(4, 2);
	points(2, 1);
	points(2, 2); /* one that leads to itself */
	points(5, 5);
	EXPECT_STR(found(&m), "ddidid");
}

/* What was seen before is not read again: so a cycle that a lost block leads to keeps its leader,
   where that lies before it and the pointer leads to another of the cycle. */
TEST(a_cycle_that_a_lost_block_leads_to)
{
	struct marking m = marking_of(4);

	points(0, 1);
	points(1, 0);
	points(3, 1);
	EXPECT_STR(found(&m), "didd");
	m = marking_of(4);
	points(0, 1);
	points(1, 0);
	points(3, 0);
	EXPECT_STR(found(&m), "iidd");
}

TEST(a_cycle_that_is_reached_is_not_lost)
{
	struct marking m = marking_of(3);

	points(0, 1);
	points(1, 0);
	root(&m, address(1));
	EXPECT_STR(found(&m), "rrd");
}

TEST(a_pointer_into_a_block_counts_one_behind_it_does_not)
{
	struct marking m = {.contents = contents};

	EXPECT(marking_add(&m, heap[0], 20));
	EXPECT(marking_add(&m, heap[1], 20));
	EXPECT(marking_add(&m, heap[2], 0));
	EXPECT(marking_add(&m, heap[3], 0));
	marking_sort(&m);
	root(&m, address(0) + 19);
	root(&m, address(1) + 20);
	root(&m, address(1) - 1);
	root(&m, address(2));
	root(&m, address(3) + 1);
	root(&m, 0);
	root(&m, UINTPTR_MAX);
	EXPECT_STR(found(&m), "rdrd");
}

TEST(a_word_that_is_partly_behind_a_block_is_not_read)
{
	struct marking m = {.contents = contents};

	EXPECT(marking_add(&m, heap[0], sizeof(uintptr_t)));
	EXPECT(marking_add(&m, heap[1], sizeof heap[1]));
	marking_sort(&m);
	heap[0][1] = address(1);
	root(&m, address(0));
	EXPECT_STR(found(&m), "rd");
}

/* No recursion: the work list is as long as need be. */
TEST(many_blocks_are_read_once_each)
{
	enum { MANY = 100000 };
	static uintptr_t words[MANY][2];
	struct marking m = {.contents = contents};
	size_t reached = 0;

	for (size_t i = 0; i < MANY; i++) {
		words[i][0] = i + 1 < MANY ? (uintptr_t)words[i + 1] : 0;
		words[i][1] = (uintptr_t)words[(i * 7919) % MANY];
		EXPECT(marking_add(&m, words[(i * 31) % MANY], sizeof words[0]));
	}
	marking_sort(&m);
	pieces = 0;
	root(&m, (uintptr_t)words[0]);
	marking_finish(&m);
	for (size_t i = 0; i < m.count; i++)
		reached += m.blocks[i].state == REACHED;
	EXPECT_EQ(reached, MANY);
	EXPECT_EQ(pieces, 2 * MANY);
	marking_end(&m);
}

TEST(without_memory_nothing_is_added)
{
	struct marking m = {.contents = contents};
	size_t added = 0;

	os_sim_fail_from(2);
	while (marking_add(&m, heap[0], 1))
		added++;
	os_sim_fail_from(0);
	EXPECT_EQ(added, m.count);
	EXPECT_EQ(added, m.mapped / sizeof(struct marking_block));
	marking_end(&m);
	os_sim_fail_from(1);
	EXPECT(!marking_add(&m, heap[0], 1));
	os_sim_fail_from(0);
	marking_end(&m);
}
