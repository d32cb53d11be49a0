/*
 * A chunk: a boundary-tagged piece of a heap, 16-byte granular.
 *
 *	      in use                                free
 *	 c -> +-----------------------------+      +-----------------------------+
 *	      | user memory of the previous |      | user memory of the previous |
 *	  +8  | checksum 16 | size 44 | END or RECUT, UNSORTED PREV_IN_USE IN_USE |
 *	 +16  | user memory <- mem          |      | next, prev: ring of a list  |
 *	      |                             |      | child, slot: tree (large)   |
 *	      |                             |      | dirty, clean (big)          |
 *	 +size|  ... 8 bytes more           |      | prev_size: a copy of size   |
 *	  +8  | header of the next chunk    |      | header of the next chunk    |
 *	      +-----------------------------+      +-----------------------------+
 *
 * So a chunk of csize bytes gives csize - 8 bytes to the program, and a free chunk is found from
 * the one behind it.  A free chunk that is merged into another leaves its header behind, not in
 * use, by which a second free() of it is told.
 *
 * The checksum is keyed by a secret of the process and the header's address.  Every header that is
 * read is verified, at some six instructions; what does not match ends the program.
 *
 * The last 16 bytes of a heap are an end: a chunk of size 16, always in use, which is written when
 * the heap stops being the one with top.
 */
#pragma once

#include "base/bits.h"
#include "os/check.h"
#include "os/os.h"
#include "base/compiler.h"
#include "pages/pagemap.h"

struct chunk {
	size_t prev_size; /* of the chunk before, when that is free; else its user memory */
	uint64_t header;
	struct chunk *next,
		*prev;		/* ring: of a small bin, of unsorted, of one size in a large bin */
	struct chunk *child[2]; /* in the tree of a large bin: by the next bit of the size */
	struct chunk *
		*slot; /* what points here in that tree; NULL: another of this size is there */
	size_t dirty;  /* big ones: bytes of whole pages that may hold memory, at most */
	size_t clean;  /* big ones: bytes of its other whole pages; they hold none */
};

#define CHUNK_ALIGN 16
#define CHUNK_MEM   16 /* from a chunk to its user memory */
#define CHUNK_LEAST ((size_t)32)
#define CHUNK_LARGE ((size_t)1024)  /* from here on: large bins */
#define CHUNK_BIG   (2 * PAGE_SIZE) /* from here on: whole pages are purged */
#define CHUNK_END   ((size_t)16)    /* bytes of an end */

static_assert(offsetof(struct chunk, header) == 8, "the header lies right before mem");
static_assert(offsetof(struct chunk, next) == CHUNK_MEM, "links lie in user memory");
static_assert(offsetof(struct chunk, child) == CHUNK_LEAST, "the least chunk holds a ring");
static_assert(sizeof(struct chunk) + sizeof(size_t) <= CHUNK_LARGE, "a large one is a tree's node");

#define CHUNK_IN_USE	  ((uint64_t)1)
#define CHUNK_PREV_IN_USE ((uint64_t)2)
#define CHUNK_UNSORTED	  ((uint64_t)4) /* free and in the unsorted list */
#define CHUNK_IS_END	  ((uint64_t)8)
#define CHUNK_FLAGS	  ((uint64_t)15)

static_assert(CHUNK_FLAGS < CHUNK_ALIGN, "flags lie below the bits of a size");

/* Of a free chunk: merged, or the rest of another, so that its size is none of an object that was
   freed. */
#define CHUNK_RECUT CHUNK_IS_END

#define CHUNK_WORD_BITS 48
#define CHUNK_WORD	(((uint64_t)1 << CHUNK_WORD_BITS) - 1) /* size and flags */

/* Of the process; written once by heap_start(). */
extern HIDDEN uint64_t chunk_secret;

/* Ends the program: the header of c was overwritten. */
_Noreturn COLD void chunk_report_header(const struct chunk *c);

/* Ends the program: the links of the free chunk c were overwritten. */
_Noreturn COLD void chunk_report_links(const struct chunk *c);

/* A report that mem, given to call, starts no chunk in use; finds out and says why. */
COLD void chunk_report_mem(const void *mem, const char *call);

/* False where mem begins a heap: the header before it is no memory of ours. */
bool chunk_has_header(const void *mem);

/* Whether a pointer that lay in user memory may be followed: to a page of a heap. */
ALWAYS_INLINE bool chunk_may_be(const void *p)
{
	const struct descriptor *tag = pagemap_get(p);

	return is_aligned((uintptr_t)p, 8) && !((uintptr_t)p >> ADDRESS_BITS) && tag &&
	       tag->kind == KIND_HEAP;
}

/* A link of the free chunk c, before it is followed. */
ALWAYS_INLINE struct chunk *chunk_link(const struct chunk *c, struct chunk *link)
{
	if (IS_WRONG(!chunk_may_be(link)))
		chunk_report_links(c);
	return link;
}

/* The chunk for a request of at most PTRDIFF_MAX bytes. */
static inline size_t chunk_need(size_t req)
{
	size_t csize = (req + 8 + CHUNK_ALIGN - 1) & ~(size_t)(CHUNK_ALIGN - 1);

	ASSERT(req <= PTRDIFF_MAX);
	return csize < CHUNK_LEAST ? CHUNK_LEAST : csize;
}

ALWAYS_INLINE void *chunk_mem(const struct chunk *c)
{
	return (char *)c + CHUNK_MEM;
}

static inline struct chunk *chunk_of(const void *mem)
{
	return (struct chunk *)((char *)mem - CHUNK_MEM);
}

static inline struct chunk *chunk_at(const struct chunk *c, size_t csize)
{
	return (struct chunk *)((char *)c + csize);
}

/* In the upper 16 bits; the others are noise. */
ALWAYS_INLINE uint64_t chunk_checksum(const struct chunk *c, uint64_t word)
{
	return (word ^ (uintptr_t)c ^ chunk_secret) * SPREAD;
}

/* The header of c, whole: another thread may read it while the owner notes that the chunk before
   has become free. */
ALWAYS_INLINE uint64_t chunk_header(const struct chunk *c)
{
	return load_relaxed(&c->header);
}

/* True when header is one that chunk_set wrote for c. */
ALWAYS_INLINE bool chunk_valid(const struct chunk *c, uint64_t header)
{
	return !CONFIG_CHECKS ||
	       (header ^ chunk_checksum(c, header & CHUNK_WORD)) >> CHUNK_WORD_BITS == 0;
}

ALWAYS_INLINE bool chunk_verify(const struct chunk *c)
{
	return chunk_valid(c, chunk_header(c));
}

/* Size and flags of c, verified. */
ALWAYS_INLINE uint64_t chunk_word(const struct chunk *c)
{
	uint64_t header = chunk_header(c);

	if (UNLIKELY(!chunk_valid(c, header)))
		chunk_report_header(c);
	return header & CHUNK_WORD;
}

ALWAYS_INLINE size_t chunk_word_size(uint64_t word)
{
	return word & ~CHUNK_FLAGS;
}

ALWAYS_INLINE size_t chunk_size(const struct chunk *c)
{
	return chunk_word_size(chunk_word(c));
}

ALWAYS_INLINE void chunk_set(struct chunk *c, uint64_t word)
{
	ASSERT(!(word & ~CHUNK_WORD) && chunk_word_size(word) >= CHUNK_END);
	store_relaxed(&c->header, word | (chunk_checksum(c, word) & ~CHUNK_WORD));
}

/* Whether mem starts a chunk in use. */
ALWAYS_INLINE bool chunk_is_in_use(const void *mem)
{
	uint64_t header;

	if (IS_WRONG(!is_aligned((uintptr_t)mem, CHUNK_ALIGN) ||
		     (is_aligned((uintptr_t)mem, PAGE_SIZE) && !chunk_has_header(mem))))
		return false;
	header = chunk_header(chunk_of(mem));
	return !CONFIG_CHECKS || LIKELY(chunk_valid(chunk_of(mem), header) &&
					(header & (CHUNK_IN_USE | CHUNK_IS_END)) == CHUNK_IN_USE);
}

/* The chunk in use that mem starts; NULL, and reported in the name of call, if it starts none. */
ALWAYS_INLINE struct chunk *chunk_in_use(const void *mem, const char *call)
{
	if (LIKELY(chunk_is_in_use(mem)))
		return chunk_of(mem);
	chunk_report_mem(mem, call);
	return NULL;
}

/* The free chunk before c, whose header says that there is one. */
static inline struct chunk *chunk_prev(const struct chunk *c)
{
	struct chunk *prev = (struct chunk *)((uintptr_t)c - c->prev_size); /* anywhere, as yet */

	if (UNLIKELY(c->prev_size & CHUNK_FLAGS || !chunk_may_be(prev) ||
		     (chunk_word(prev) & ~(CHUNK_UNSORTED | CHUNK_RECUT)) !=
			     (c->prev_size | CHUNK_PREV_IN_USE)))
		chunk_report_header(c);
	return prev;
}

/* The whole hardware pages of a free chunk, behind its links. */
static inline char *chunk_pages(const struct chunk *c, size_t csize, size_t *ret_nbytes)
{
	size_t page = os_page_size(), from = align_up((size_t)(c + 1), page);
	size_t end = align_down((size_t)c + csize, page);

	*ret_nbytes = minus(end, from);
	return (char *)from;
}

/* Bytes of a free chunk's whole pages that may hold memory, at most, and that hold none, at
   least. */
static inline size_t chunk_dirty(const struct chunk *c, size_t csize)
{
	ASSERT(csize < CHUNK_BIG || c->dirty <= csize);
	return csize < CHUNK_BIG ? csize : c->dirty;
}

static inline size_t chunk_clean(const struct chunk *c, size_t csize)
{
	return csize < CHUNK_BIG ? 0 : c->clean;
}

/* Bytes that the program may use at mem; 0, and reported in the name of call, if it starts no chunk
   in use. */
static inline size_t chunk_usable_for(const void *mem, const char *call)
{
	const struct chunk *c = chunk_in_use(mem, call);

	return c ? chunk_word_size(chunk_header(c) & CHUNK_WORD) - 8 : 0;
}

static inline size_t chunk_usable(const void *mem)
{
	return chunk_usable_for(mem, "malloc_usable_size");
}
