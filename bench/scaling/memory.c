#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool memory_init(struct memory *m, int fd)
{
	*m = (struct memory){.fd = fd, .round = 1};
	m->page = calloc(CACHED_PAGES, sizeof *m->page);
	m->bytes = malloc(sizeof *m->bytes * CACHED_PAGES);
	m->dirty = malloc(sizeof *m->dirty * CACHED_PAGES);
	return m->page && m->bytes && m->dirty;
}

void memory_deinit(struct memory *m)
{
	free(m->page);
	free(m->bytes);
	free(m->dirty);
	if (m->fd >= 0)
		close(m->fd);
}

/* A page whose place another takes, or that the process may write to, is not valid any more. */
static void drop(struct memory *m, uint32_t place)
{
	struct page *page = &m->page[place];

	if (page->dirty && page->round == m->round &&
	    pwrite(m->fd, m->bytes[place], PAGE_BYTES, (off_t)(page->number * PAGE_BYTES)) < 0)
		abort(); /* it was readable, and the program wrote to it */
	page->dirty = false;
	page->round = 0;
}

static uint32_t place_of(uint64_t number)
{
	return (uint32_t)((number * 0x9e3779b97f4a7c15) >> 40) % CACHED_PAGES;
}

/* Where the page is cached; false: it cannot be read. */
static bool load(struct memory *m, uint64_t number, uint32_t *ret_place)
{
	uint32_t place = *ret_place = place_of(number);
	struct page *page = &m->page[place];

	if (page->round == m->round && page->number == number)
		return true;
	drop(m, place);
	if (pread(m->fd, m->bytes[place], PAGE_BYTES, (off_t)(number * PAGE_BYTES)) != PAGE_BYTES)
		return false;
	*page = (struct page){.number = number, .round = m->round};
	return true;
}

bool memory_read(struct memory *m, uint64_t address, void *buffer, size_t nbytes)
{
	size_t offset = address % PAGE_BYTES;
	uint32_t place;

	if (offset + nbytes > PAGE_BYTES) {
		size_t first = PAGE_BYTES - offset;

		return memory_read(m, address, buffer, first) &&
		       memory_read(m, address + first, (char *)buffer + first, nbytes - first);
	}
	if (!load(m, address / PAGE_BYTES, &place))
		return false;
	memcpy(buffer, m->bytes[place] + offset, nbytes);
	return true;
}

static void note_dirty(struct memory *m, uint32_t place)
{
	if (m->page[place].dirty)
		return;
	m->page[place].dirty = true;
	m->dirty[m->ndirty++] = place;
}

static bool write_within(struct memory *m, uint64_t address, const void *buffer, size_t nbytes)
{
	uint32_t place;

	if (m->ndirty == CACHED_PAGES)
		memory_yield_all(m);
	if (!load(m, address / PAGE_BYTES, &place))
		return false;
	note_dirty(m, place);
	memcpy(m->bytes[place] + address % PAGE_BYTES, buffer, nbytes);
	return true;
}

bool memory_write(struct memory *m, uint64_t address, const void *buffer, size_t nbytes)
{
	size_t first = PAGE_BYTES - address % PAGE_BYTES;
	uint32_t place;

	if (m->dry) {
		m->written_at = address;
		m->written_bytes = (unsigned)nbytes;
		m->written = 0;
		memcpy(&m->written, buffer, nbytes);
		return true;
	}
	if (nbytes <= first)
		return write_within(m, address, buffer, nbytes);
	/* both pages are there, or nothing is written */
	return load(m, (address + nbytes) / PAGE_BYTES, &place) &&
	       write_within(m, address, buffer, first) &&
	       write_within(m, address + first, (const char *)buffer + first, nbytes - first);
}

void memory_yield(struct memory *m, uint64_t address, size_t nbytes)
{
	uint64_t last = (address + nbytes - 1) / PAGE_BYTES;

	for (uint64_t number = address / PAGE_BYTES; nbytes && number <= last; number++) {
		uint32_t place = place_of(number);

		if (m->page[place].number == number)
			drop(m, place);
	}
}

void memory_yield_all(struct memory *m)
{
	for (uint32_t i = 0; i < m->ndirty; i++)
		drop(m, m->dirty[i]);
	m->ndirty = 0;
	m->round++;
}
