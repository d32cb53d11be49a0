/* Lists: order, removal from anywhere, and the links of both directions. */
#include "base/list.h"
#include "test.h"

struct item {
	int number;
	struct link link;
};

static struct link head;
static struct item items[8];

static struct link *fresh(void)
{
	list_init(&head);
	for (int i = 0; i < 8; i++)
		items[i] = (struct item){.number = i};
	return &head;
}

/* True when the list holds these items, read forward, and the links back agree. */
static bool holds(struct link *list, const int *numbers, int n)
{
	struct link *before = list;
	int i = 0;

	list_for_each (l, list) {
		if (i == n || container_of(l, struct item, link)->number != numbers[i++] ||
		    l->prev != before)
			return false;
		before = l;
	}
	return i == n && list->prev == before;
}

#define HOLDS(list, ...)                                                                           \
	EXPECT(holds(list, (const int[]){__VA_ARGS__},                                             \
		     sizeof(const int[]){__VA_ARGS__} / sizeof(int)))

TEST(a_fresh_list_is_empty)
{
	struct link *list = fresh();

	EXPECT(list_empty(list));
	EXPECT(list_pop(list) == NULL);
	EXPECT(holds(list, NULL, 0));
}

TEST(pushes_go_to_both_ends)
{
	struct link *list = fresh();

	list_push(list, &items[0].link);
	EXPECT(!list_empty(list));
	list_push(list, &items[1].link);
	list_push_back(list, &items[2].link);
	HOLDS(list, 1, 0, 2);
}

TEST(pops_take_from_the_front_until_empty)
{
	struct link *list = fresh();

	for (int i = 0; i < 8; i++)
		list_push_back(list, &items[i].link);
	HOLDS(list, 0, 1, 2, 3, 4, 5, 6, 7);
	for (int i = 0; i < 8; i++)
		EXPECT(list_pop(list) == &items[i].link);
	EXPECT(list_empty(list));
	EXPECT(list_pop(list) == NULL);
}

TEST(links_leave_from_anywhere)
{
	struct link *list = fresh();

	for (int i = 0; i < 5; i++)
		list_push_back(list, &items[i].link);
	list_remove(&items[2].link);
	HOLDS(list, 0, 1, 3, 4);
	list_remove(&items[0].link);
	list_remove(&items[4].link);
	HOLDS(list, 1, 3);
	list_push(list, &items[2].link); /* one that left may come back */
	HOLDS(list, 2, 1, 3);
	list_remove(&items[1].link);
	list_remove(&items[2].link);
	list_remove(&items[3].link);
	EXPECT(list_empty(list));
}

TEST(links_backwards_are_repaired)
{
	struct link *list = fresh();

	list_repair(list);
	EXPECT(list_empty(list));
	for (int i = 0; i < 4; i++)
		list_push_back(list, &items[i].link);
	list->prev = items[1].link.prev = &items[7].link;
	items[3].link.prev = NULL;
	list_repair(list);
	HOLDS(list, 0, 1, 2, 3);
	list_remove(&items[3].link);
	list_remove(&items[1].link);
	HOLDS(list, 0, 2);
}

TEST(a_link_leads_to_its_structure)
{
	EXPECT(container_of(&items[3].link, struct item, link) == &items[3]);
}
