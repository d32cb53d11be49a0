/* Roots; see roots.h. */
#include "observe/roots.h"

#include "arena/ring.h"
#include "base/bits.h"
#include "base/text.h"
#include "observe/contents.h"
#include "observe/marking.h"
#include "observe/threads.h"
#include "os/os.h"
#include "os/robust.h"
#include "pages/huge.h"
#include "pages/zone.h"
#include "report/maps.h"
#include "unwind/unwind.h"

struct roots {
	struct marking *marking;
	uintptr_t stack;     /* where the calling thread's stack begins to count */
	uintptr_t guard_end; /* of the unreadable mapping before */
	bool copies;	     /* of the mapping that is looked at count written pages alone */
	struct marking own;  /* loam's mappings that have no tags */
	struct marking gone; /* descriptions of threads that are gone */
	bool complete;
};

static void add(struct roots *r, struct marking *to, const void *mem, size_t nbytes)
{
	r->complete &= marking_add(to, mem, nbytes);
}

static void add_huge(const struct huge *h, bool kept, void *roots)
{
	struct roots *r = roots;

	(void)kept;
	add(r, &r->own, h->mem, h->mapped);
}

/* A word and its neighbour. */
struct pair {
	uintptr_t words;
	bool is_known;
};

static void take_pair(void *arg, const uintptr_t *words, size_t n)
{
	if (n)
		*(struct pair *)arg = (struct pair){*words, true};
}

/* False where it cannot be read. */
static bool read_word(uintptr_t address, uint32_t *ret_word)
{
	uintptr_t at = align_down(address, sizeof(uintptr_t));
	struct pair pair = {0, false};

	contents_visit(at, at + sizeof(uintptr_t), take_pair, &pair);
	*ret_word = ((uint32_t *)&pair.words)[(address - at) / sizeof(uint32_t)];
	return pair.is_known;
}

/* The next thread gets the stack with the tables of thread variables that the first words of its
   control block lead to. */
static void add_gone(uintptr_t thread, void *roots)
{
	uintptr_t block = thread + (thread_self() - (uintptr_t)robust_thread());
	struct roots *r = roots;

	add(r, &r->gone, (const void *)thread, 1);
	contents_visit(block, block + 2 * sizeof(uintptr_t), marking_root, r->marking);
}

/* --- what is not the program's --------------------------------------------------------------- */

/* Whether a page is one of loam's, by its tag or its region. */
static bool is_tagged(uintptr_t page)
{
	const struct descriptor *tag = pagemap_get((const void *)page);

	if (pagemap_is_others(page))
		return false;
	return tag ? tag->kind != KIND_EARLY : zone_owns((const void *)page);
}

/* Where loam's memory around a page ends; the page itself where it is not loam's. */
static uintptr_t own_end(const struct roots *r, uintptr_t page)
{
	const struct marking_block *b = marking_find(&r->own, page);

	if (b)
		return align_up(b->start + b->nbytes, PAGE_SIZE);
	return is_tagged(page) ? page + PAGE_SIZE : page;
}

static void visit_pages(struct roots *r, uintptr_t start, uintptr_t end)
{
	uintptr_t at = align_down(start, PAGE_SIZE), from;

	while (at < end) {
		for (from = at; at < end && own_end(r, at) == at;)
			at += PAGE_SIZE;
		(r->copies ? contents_visit_copies : contents_visit)(
			larger(from, start), smaller(at, end), marking_root, r->marking);
		if (at < end)
			at = own_end(r, at);
	}
}

/* Without the main arena, which lies in a segment of the program's or of loam's. */
static void visit_range(struct roots *r, uintptr_t start, uintptr_t end)
{
	uintptr_t arena = (uintptr_t)&arena_main, arena_end = arena + sizeof arena_main;

	if (arena - start >= end - start) {
		visit_pages(r, start, end);
		return;
	}
	visit_pages(r, start, arena);
	visit_pages(r, arena_end, end);
}

/* --- mappings -------------------------------------------------------------------------------- */

/* To read a device may do anything. */
static bool may_hold(const struct mapping *m)
{
	bool is_device = text_after(m->name, "/dev/") && !text_after(m->name, "/dev/shm/") &&
			 !text_after(m->name, "/dev/zero");

	return m->readable && !is_device && !text_after(m->name, "[v");
}

/* Where what counts of a mapping begins. A stack of libc's begins behind an unreadable page, and
   ends with the thread's description. */
static uintptr_t start_of(const struct roots *r, const struct mapping *m)
{
	uintptr_t start = m->start;

	if (r->stack - m->start < m->end - m->start)
		return r->stack;
	for (size_t i = 0; m->start == r->guard_end && i < r->gone.count; i++) {
		uintptr_t thread = r->gone.blocks[i].start;

		if (thread - m->start < m->end - m->start)
			start = larger(start, align_up(thread + 1, os_page_size()));
	}
	return start;
}

static void visit_mapping(const struct mapping *m, void *roots)
{
	struct roots *r = roots;

	r->copies = !m->writable && m->name[0] == '/'; /* it was writable once, as RELRO is */
	if (may_hold(m))
		visit_range(r, start_of(r, m), m->end);
	r->guard_end = m->readable ? 0 : m->end;
}

/* What the caller of exit() or quick_exit() had in registers, and where its stack was; else all
   that is on the stack now. */
static void visit_caller(struct roots *r, uintptr_t here)
{
	struct frame frame;

	r->stack = here;
	if (!unwind_to_exit(&frame))
		return;
	r->stack = frame.registers[STACK_REGISTER];
	marking_root(r->marking, frame.registers, REGISTERS);
}

/* Memory of marking, which may move when more is added to it. */
static void add_marking(struct roots *r, const struct marking *m)
{
	const struct marking_block *blocks;

	do {
		blocks = m->blocks;
		if (m->mapped)
			add(r, &r->own, blocks, m->mapped);
	} while (m->blocks != blocks && r->complete);
}

bool roots_mark(struct marking *m, uintptr_t here)
{
	struct roots r = {.marking = m, .complete = true};

	threads_visit_gone(read_word, add_gone, &r);
	huge_visit(add_huge, &r);
	add_marking(&r, m);
	add_marking(&r, &r.gone);
	add_marking(&r, &r.own);
	marking_sort(&r.own);
	if (r.complete) {
		visit_caller(&r, here);
		r.complete = maps_visit(visit_mapping, &r);
	}
	marking_end(&r.own);
	marking_end(&r.gone);
	return r.complete;
}
