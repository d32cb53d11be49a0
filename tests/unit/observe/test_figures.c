/* The page of figures: it is what its note says, and leads to what it says. */
#include "observe/figures.h"

#include "arena/ring.h"
#include "cache/cache.h"
#include "test.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

struct note {
	uint32_t name_nbytes, nbytes, type;
	char name[8];
	int32_t distance;
};

/* The note of loam's in the program's headers, or NULL. */
static const struct note *find_note(void)
{
	const ElfW(Phdr) *segments = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	size_t count = getauxval(AT_PHNUM);
	uintptr_t base = (uintptr_t)segments;

	for (size_t i = 0; i < count; i++)
		if (segments[i].p_type == PT_PHDR)
			base -= segments[i].p_vaddr;
	for (size_t i = 0; i < count; i++) {
		const char *p = (const char *)base + segments[i].p_vaddr;

		for (size_t at = 0; segments[i].p_type == PT_NOTE &&
				    at + sizeof(struct note) <= segments[i].p_memsz;
		     at += 4) {
			const struct note *note = (const struct note *)(p + at);

			if (note->name_nbytes == 5 && note->nbytes == 4 &&
			    memcmp(note->name, "loam", 5) == 0)
				return note;
		}
	}
	return NULL;
}

TEST(the_note_leads_to_it)
{
	const struct note *note = find_note();

	EXPECT(note != NULL);
	EXPECT(note->type == FIGURES_NOTE);
	EXPECT((const char *)&note->distance + note->distance == (const char *)&figures);
}

TEST(it_says_what_and_where_it_is)
{
	EXPECT(memcmp(figures.magic, FIGURES_MAGIC, sizeof figures.magic) == 0);
	EXPECT(memcmp(figures.end, FIGURES_MAGIC, sizeof figures.end) == 0);
	EXPECT(figures.layout == FIGURES_LAYOUT && figures.nbytes == sizeof figures);
	EXPECT(figures.self == &figures);
	EXPECT(strcmp(figures.version, CONFIG_VERSION) == 0);
}

TEST(it_leads_to_what_there_is)
{
	ring_start(false);
	EXPECT(*(struct arena *const *)figures.objects[FIGURES_OBJECT_ring] == &arena_main);
	for (size_t i = 0; i < FIGURES_OBJECT_COUNT; i++)
		EXPECT(figures.objects[i] != NULL);
	EXPECT(figures.numbers[FIGURES_NUMBER_classes] == CLASSES);
	EXPECT(figures.numbers[FIGURES_NUMBER_arena_number] == offsetof(struct arena, number));
}
