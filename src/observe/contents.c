/* The words of memory; see contents.h. */
#include "observe/contents.h"

#include "base/bits.h"
#include "os/files.h"
#include "os/os.h"
#include "pages/metadata.h"

#define PIECE (64 * KIB) /* read at once; a multiple of every hardware page */
#define LARGE (2 * PIECE)

/* Bits of a page in /proc/self/pagemap. */
#define IS_PRESENT ((uint64_t)1 << 63)
#define IS_SWAPPED ((uint64_t)1 << 62)
#define IS_FILE	   ((uint64_t)1 << 61)

static struct {
	int memory, pages; /* descriptors; pages below 0: the kernel does not say */
	uintptr_t *words;  /* PIECE bytes */
	uint64_t *entries; /* as many */
} contents;

bool contents_open(void)
{
	if (!contents.words) /* of metadata, so that what was read is no root */
		contents.words = metadata_alloc(2 * PIECE);
	if (!contents.words)
		return false;
	contents.entries = (uint64_t *)contents.words + PIECE / sizeof(uint64_t);
	contents.memory = os_open("/proc/self/mem");
	contents.pages = contents.memory < 0 ? -1 : os_open("/proc/self/pagemap");
	return contents.memory >= 0;
}

void contents_close(void)
{
	os_close(contents.memory);
	if (contents.pages >= 0)
		os_close(contents.pages);
}

/* Reads on behind a page that cannot be read. */
static void visit_all(uintptr_t start, uintptr_t end,
		      void (*see)(void *arg, const uintptr_t *words, size_t n), void *arg)
{
	while (start < end) {
		size_t nbytes = smaller(PIECE, end - start);
		long n = os_read_at(contents.memory, start, contents.words, nbytes);

		if (n >= (long)sizeof(uintptr_t)) {
			see(arg, contents.words, (size_t)n / sizeof(uintptr_t));
			start += align_down((size_t)n, sizeof(uintptr_t));
		} else {
			start = align_down(start, os_page_size()) + os_page_size();
		}
	}
}

/* Whether a page is to be read. */
static bool wanted(uint64_t entry, bool copies)
{
	return entry & (IS_PRESENT | IS_SWAPPED) && !(copies && entry & IS_FILE);
}

/* Of the pages from start on those that the entries tell of. */
static void visit_pages(uintptr_t start, size_t count, bool copies,
			void (*see)(void *arg, const uintptr_t *words, size_t n), void *arg)
{
	size_t page = os_page_size(), first;

	for (size_t i = 0; i < count; i++) {
		for (first = i; i < count && wanted(contents.entries[i], copies);)
			i++;
		if (i > first)
			visit_all(start + first * page, start + i * page, see, arg);
	}
}

/* Of whole pages; returns where it got to. */
static uintptr_t visit_by_entries(uintptr_t start, uintptr_t end, bool copies,
				  void (*see)(void *arg, const uintptr_t *words, size_t n),
				  void *arg)
{
	size_t page = os_page_size(), most = PIECE / sizeof(uint64_t), count;
	long n;

	for (; contents.pages >= 0 && end - start >= page; start += count * page) {
		count = smaller((end - start) / page, most);
		n = os_read_at(contents.pages, start / page * sizeof(uint64_t), contents.entries,
			       count * sizeof(uint64_t));
		if (n < (long)sizeof(uint64_t))
			break;
		count = (size_t)n / sizeof(uint64_t);
		visit_pages(start, count, copies, see, arg);
	}
	return start;
}

void contents_visit_copies(uintptr_t start, uintptr_t end,
			   void (*see)(void *arg, const uintptr_t *words, size_t n), void *arg)
{
	visit_by_entries(start, end, true, see, arg);
}

void contents_visit(uintptr_t start, uintptr_t end,
		    void (*see)(void *arg, const uintptr_t *words, size_t n), void *arg)
{
	uintptr_t from;

	start = align_up(start, sizeof(uintptr_t));
	end = align_down(end, sizeof(uintptr_t));
	if (start < end && end - start >= LARGE) {
		from = align_up(start, os_page_size());
		visit_all(start, from, see, arg);
		start = visit_by_entries(from, end, false, see, arg);
	}
	visit_all(start, end, see, arg);
}
