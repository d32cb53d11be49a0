#include "live.h"

#include "table.h"

enum { FIRST_LOG2_ROOM = 12 };

static size_t room(const struct live *live)
{
	return (size_t)1 << live->log2_room;
}

static size_t home(const struct live *live, uint64_t address)
{
	return (size_t)(address * 0x9e3779b97f4a7c15 >> (64 - live->log2_room));
}

static size_t after(const struct live *live, size_t i)
{
	return (i + 1) & (room(live) - 1);
}

/* Where the address is, or would be put. */
static size_t place(const struct live *live, uint64_t address)
{
	size_t i = home(live, address);

	while (live->entries[i].address && live->entries[i].address != address)
		i = after(live, i);
	return i;
}

static void set_room(struct live *live, unsigned log2_room)
{
	live->log2_room = log2_room;
	live->entries = table_map(room(live) * sizeof(*live->entries));
}

void live_init(struct live *live)
{
	live->count = 0;
	set_room(live, FIRST_LOG2_ROOM);
}

void live_deinit(struct live *live)
{
	table_unmap(live->entries, room(live) * sizeof(*live->entries));
}

static void grow(struct live *live)
{
	struct live old = *live;

	set_room(live, old.log2_room + 1);
	for (size_t i = 0; i < room(&old); i++)
		if (old.entries[i].address)
			live->entries[place(live, old.entries[i].address)] = old.entries[i];
	live_deinit(&old);
}

bool live_find(const struct live *live, uint64_t address, uint32_t *slot)
{
	const struct live_entry *entry = &live->entries[place(live, address)];

	*slot = entry->slot;
	return entry->address != 0;
}

void live_add(struct live *live, uint64_t address, uint32_t slot)
{
	struct live_entry *entry;

	if (2 * (live->count + 1) > room(live))
		grow(live);
	entry = &live->entries[place(live, address)];
	live->count += !entry->address;
	*entry = (struct live_entry){address, slot};
}

/* Entries that follow move up, until each is where a search from its home finds it. */
void live_remove(struct live *live, uint64_t address)
{
	size_t hole = place(live, address), mask = room(live) - 1;

	for (size_t i = after(live, hole); live->entries[i].address; i = after(live, i)) {
		size_t from_home = (i - home(live, live->entries[i].address)) & mask;

		if (from_home < ((i - hole) & mask))
			continue;
		live->entries[hole] = live->entries[i];
		hole = i;
	}
	live->entries[hole].address = 0;
	live->count--;
}
