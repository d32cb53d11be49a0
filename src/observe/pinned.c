/* What sampled objects pin; see pinned.h. */
#include "observe/pinned.h"

#include "base/bits.h"
#include "cache/cache.h"
#include "heap/chunk_heap.h"
#include "observe/objects.h"
#include "observe/poisson.h"
#include "observe/profile.h"
#include "os/files.h"
#include "os/os.h"

#define ROWS_LEAST  ((size_t)64)
#define ROWS_EACH   4			/* rows for each sample, of which it takes three at most */
#define IS_PRESENT  ((uint64_t)1 << 63) /* in /proc/self/pagemap */
#define CHUNK_START 8			/* bytes from a chunk's header to its object */

/* Of a page, whose key is odd, or of a site. */
struct pinned_row {
	uintptr_t key; /* 0: none */
	uint64_t used; /* bytes; of a site, objects */
	uint64_t span; /* bytes of the page that may hold objects; of a site, those that it pins */
};

/* The bytes of an object, and of the memory in which it lies among others. */
struct place {
	uintptr_t start, end, least, most;
};

static struct pinned_row *row_of(const struct pinned *p, uintptr_t key)
{
	size_t i = mix64(key) & (p->count - 1);

	while (p->rows[i].key && p->rows[i].key != key)
		i = (i + 1) & (p->count - 1);
	return &p->rows[i];
}

static uintptr_t key_of(uintptr_t page)
{
	return page | 1;
}

static bool find_in_slab(const struct slab *s, const void *mem, struct place *ret_place)
{
	size_t number = ((uintptr_t)mem - s->base) / s->size;

	ret_place->start = s->base + number * s->size;
	ret_place->end = ret_place->start + s->size;
	ret_place->least = s->base;
	ret_place->most = s->base + (size_t)s->capacity * s->size;
	return number < s->capacity && !objects_is_free(s, slab_object(s, (uint32_t)number));
}

/* Believes no header: a sample stays of what a signal handler freed in the middle of a call. */
static bool find_in_heap(const struct heap *h, const void *mem, struct place *ret_place)
{
	uint64_t word = ((const uint64_t *)mem)[-1];
	size_t csize = chunk_word_size(word & CHUNK_WORD);

	ret_place->start = (uintptr_t)mem - CHUNK_START;
	ret_place->end = ret_place->start + csize;
	ret_place->least = (uintptr_t)h->base;
	ret_place->most = (uintptr_t)h->end;
	return word & CHUNK_IN_USE && csize >= CHUNK_LEAST &&
	       csize <= ret_place->most - ret_place->start;
}

/* False for one that shares no page with others. */
static bool find_place(const struct sample *s, struct place *ret_place)
{
	const void *mem = (const void *)s->mem;
	struct descriptor *tag = pagemap_get(mem);

	if (tag && tag->kind == KIND_SLAB)
		return find_in_slab((const struct slab *)tag, mem, ret_place);
	return tag && tag->kind == KIND_HEAP && chunk_has_header(mem) &&
	       find_in_heap((const struct heap *)tag, mem, ret_place);
}

static uintptr_t first_page(const struct place *at)
{
	return align_down(at->start, PAGE_SIZE);
}

static uintptr_t last_page(const struct place *at)
{
	return align_down(at->end - 1, PAGE_SIZE);
}

static uint64_t overlap(uintptr_t start, uintptr_t end, uintptr_t page)
{
	uintptr_t from = larger(start, page), to = smaller(end, page + PAGE_SIZE);

	return minus(to, from);
}

/* --- pages ----------------------------------------------------------------------------------- */

static void note_page(const struct pinned *p, const struct place *at, uintptr_t page)
{
	struct pinned_row *row = row_of(p, key_of(page));

	row->key = key_of(page);
	row->span = overlap(at->least, at->most, page);
}

static void use_page(const struct pinned *p, uintptr_t start, uintptr_t end, uintptr_t page)
{
	struct pinned_row *row = row_of(p, key_of(page));

	if (row->key)
		row->used += overlap(start, end, page);
}

/* Of an object in use: a page between its first and its last has no other. */
static void see_object(const void *mem, size_t nbytes, void *pinned)
{
	const struct descriptor *tag = pagemap_get(mem);
	bool is_chunk = tag && tag->kind == KIND_HEAP;
	struct place at = {.start = (uintptr_t)mem - (is_chunk ? CHUNK_START : 0),
			   .end = (uintptr_t)mem + (nbytes ? nbytes : 1)};

	use_page(pinned, at.start, at.end, first_page(&at));
	if (last_page(&at) != first_page(&at))
		use_page(pinned, at.start, at.end, last_page(&at));
}

/* True, too, where the kernel does not say. */
static bool is_in_ram(int pages, uintptr_t page)
{
	uint64_t entry;

	return pages < 0 ||
	       os_read_at(pages, page / os_page_size() * sizeof entry, &entry, sizeof entry) !=
		       sizeof entry ||
	       entry & IS_PRESENT;
}

/* What a sample's object has of the free bytes of one page. */
static uint64_t share(const struct pinned *p, const struct place *at, uintptr_t page, int pages)
{
	const struct pinned_row *row = row_of(p, key_of(page));
	uint64_t own = overlap(at->start, at->end, page), used = larger(row->used, own);

	return row->span > used && is_in_ram(pages, page) ? (row->span - used) * own / used : 0;
}

/* --- samples --------------------------------------------------------------------------------- */

static void note_pages(const struct pinned *p, const struct sample *s)
{
	struct place at;

	if (!find_place(s, &at))
		return;
	note_page(p, &at, first_page(&at));
	note_page(p, &at, last_page(&at));
}

static void note_share(const struct pinned *p, const struct sample *s, int pages)
{
	struct pinned_row *row = row_of(p, (uintptr_t)s->site);
	struct place at;
	uint64_t nbytes;

	if (!find_place(s, &at))
		return;
	nbytes = share(p, &at, first_page(&at), pages);
	if (last_page(&at) != first_page(&at))
		nbytes += share(p, &at, last_page(&at), pages);
	row->key = (uintptr_t)s->site;
	row->used += nbytes ? s->weight : 0;
	row->span += (uint64_t)((unsigned __int128)nbytes * s->weight / POISSON_ONE);
}

static void look(const struct pinned *p)
{
	int pages = os_open("/proc/self/pagemap");

	for (size_t i = 0; i < SAMPLE_HEADS; i++)
		for (const struct sample *s = samples.heads[i]; s; s = s->next)
			note_pages(p, s);
	objects_visit(see_object, (void *)p);
	for (size_t i = 0; i < SAMPLE_HEADS; i++)
		for (const struct sample *s = samples.heads[i]; s; s = s->next)
			note_share(p, s, pages);
	if (pages >= 0)
		os_close(pages);
}

static size_t rows_wanted(void)
{
	size_t n = ROWS_LEAST;

	while (n < ROWS_EACH * samples.in_use)
		n *= 2;
	return n;
}

static size_t mapped(const struct pinned *p)
{
	return align_up(p->count * sizeof *p->rows, os_page_size());
}

bool pinned_look(struct pinned *ret_pinned)
{
	*ret_pinned = (struct pinned){NULL, 0};
	if (!samples.heads || !cache_begin())
		return false;
	lock_acquire(&profile_lock);
	ret_pinned->count = rows_wanted();
	ret_pinned->rows = os_map(mapped(ret_pinned), OS_METADATA);
	if (ret_pinned->rows)
		look(ret_pinned);
	lock_release(&profile_lock);
	cache_end();
	return ret_pinned->rows;
}

void pinned_of(const struct pinned *p, const struct site *site, uint64_t *ret_objects,
	       uint64_t *ret_bytes)
{
	const struct pinned_row *row = row_of(p, (uintptr_t)site);

	*ret_objects = row->used;
	*ret_bytes = row->span;
}

void pinned_end(struct pinned *p)
{
	if (p->rows)
		os_unmap(p->rows, mapped(p));
	p->rows = NULL;
}
