/* The system for tests; see os_sim.h. */
#include "os_sim.h"

#include "api/start.h"
#include "base/bits.h"
#include "os/check.h"
#include "os/files.h"
#include "os/robust.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIM_SEGMENT (256 * MIB)

extern void *__libc_stack_end; /* the dynamic linker's */

static struct {
	size_t calls, fail_from, fail_once; /* atomic */
	size_t mapped;			    /* atomic */
	size_t most_mapped, page_size, memory_limit;
	unsigned cpus;
	void *place; /* of the next mapping, or NULL; atomic */
	void *moved; /* where the next one that is moved goes, or NULL; atomic */
	bool locked, secure;
	uint64_t clock;
	uintptr_t stack_end;
	const char *const *environment;
	void (*at_start)(void);
} sim = {.most_mapped = SIZE_MAX, .page_size = 4096, .memory_limit = SIZE_MAX, .cpus = 2};

int os_sim_refusals[OS_SIM_REFUSALS];

__attribute__((constructor(101))) static void take_page_size(void)
{
	const char *given = getenv("LOAM_TEST_PAGE_SIZE");

	sim.page_size = given ? strtoul(given, NULL, 0) : (size_t)sysconf(_SC_PAGESIZE);
}

static struct {
	pthread_mutex_t lock;
	char *base, *now, *most;
} segment = {.lock = PTHREAD_MUTEX_INITIALIZER};

void os_sim_fail_from(size_t n)
{
	sim.calls = sim.fail_once = 0;
	store_relaxed(&sim.fail_from, n);
}

void os_sim_fail_once(size_t n)
{
	sim.calls = sim.fail_from = 0;
	store_relaxed(&sim.fail_once, n);
}

size_t os_sim_calls(void)
{
	return load_relaxed(&sim.calls);
}

static bool refused(void)
{
	size_t call = add_relaxed(&sim.calls, 1) + 1;

	return (sim.fail_from && call >= sim.fail_from) || call == sim.fail_once;
}

void os_sim_lock(bool locked)
{
	sim.locked = locked;
}

void os_sim_move_to(void *place)
{
	sim.moved = place;
}

void os_sim_map_at(void *place)
{
	sim.place = place;
}

size_t os_sim_mapped(void)
{
	return load_relaxed(&sim.mapped);
}

void os_sim_map_limit(size_t nbytes)
{
	sim.most_mapped = nbytes < SIZE_MAX - os_sim_mapped() ? os_sim_mapped() + nbytes : SIZE_MAX;
}

void os_sim_set_page_size(size_t nbytes)
{
	sim.page_size = nbytes;
}

void os_sim_set_memory_limit(size_t nbytes)
{
	sim.memory_limit = nbytes;
}

void os_sim_advance(uint64_t nanoseconds)
{
	sim.clock += nanoseconds;
}

void os_sim_environment(const char *const *environment)
{
	sim.environment = environment;
}

void os_sim_set_stack_end(uintptr_t end)
{
	sim.stack_end = end;
}

void os_sim_set_secure(bool secure)
{
	sim.secure = secure;
}

/* --- the contract of os.h ------------------------------------------------------------------ */

void os_start(void)
{
	robust_start();
	if (sim.at_start)
		sim.at_start();
}

void os_sim_at_start(void (*call)(void))
{
	sim.at_start = call;
}

size_t os_page_size(void)
{
	return sim.page_size;
}

bool os_secure(void)
{
	return sim.secure;
}

const char *os_program(void)
{
	return "/sim/program";
}

uint64_t os_random(enum os_random use)
{
	return mix64(0x9e3779b97f4a7c15u + use);
}

const char *const *os_environment(void)
{
	return sim.environment;
}

const char *os_getenv(const char *name)
{
	for (const char *const *entry = sim.environment; entry && *entry; entry++) {
		size_t i = 0;

		while (name[i] && (*entry)[i] == name[i])
			i++;
		if (!name[i] && (*entry)[i] == '=')
			return *entry + i + 1;
	}
	return NULL;
}

uint64_t os_clock(void)
{
	return sim.clock;
}

static __thread unsigned here_cpu, here_node;

void os_sim_run_on(unsigned cpu, unsigned node)
{
	here_cpu = cpu;
	here_node = node;
}

void os_where(unsigned *ret_cpu, unsigned *ret_node)
{
	*ret_cpu = here_cpu;
	*ret_node = here_node;
}

unsigned os_cpus(void)
{
	return sim.cpus;
}

void os_sim_set_cpus(unsigned n)
{
	sim.cpus = n;
}

size_t os_memory_limit(void)
{
	return sim.memory_limit;
}

uintptr_t os_stack_end(void)
{
	return sim.stack_end ? sim.stack_end : (uintptr_t)__libc_stack_end;
}

/* What os.h asks of every range. */
static void check_range(const void *mem, size_t nbytes)
{
	CHECK(nbytes > 0);
	CHECK(is_aligned((uintptr_t)mem, sim.page_size));
	CHECK(is_aligned(nbytes, sim.page_size));
}

/* --- reserved huge pages: one stretch of addresses, used from its start ----------------------- */

#define HUGETLB	     (2 * MIB)
#define HUGETLB_MOST 64

static struct {
	char *base;
	size_t pages;
	bool used[HUGETLB_MOST];
} reserve;

void os_sim_reserve(size_t nbytes)
{
	size_t mapped = (HUGETLB_MOST + 1) * HUGETLB;

	CHECK(nbytes % HUGETLB == 0 && nbytes <= HUGETLB_MOST * HUGETLB);
	CHECK(os_sim_reserved() == reserve.pages * HUGETLB);
	if (!reserve.base)
		reserve.base = (char *)align_up(
			(uintptr_t)mmap(NULL, mapped, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
			HUGETLB);
	reserve.pages = nbytes / HUGETLB;
}

size_t os_sim_reserved(void)
{
	size_t left = 0;

	for (size_t i = 0; i < reserve.pages; i++)
		left += reserve.used[i] ? 0 : HUGETLB;
	return left;
}

static bool is_reserved(const void *mem)
{
	return reserve.base && (uintptr_t)mem - (uintptr_t)reserve.base < HUGETLB_MOST * HUGETLB;
}

/* The first of n pages in a row that are free; reserve.pages: there are none. */
static size_t find_pages(size_t n)
{
	for (size_t first = 0; first + n <= reserve.pages; first++) {
		size_t i = 0;

		while (i < n && !reserve.used[first + i])
			i++;
		if (i == n)
			return first;
	}
	return reserve.pages;
}

void *os_map_reserved(size_t nbytes)
{
	size_t n = nbytes / HUGETLB, first = find_pages(n);

	CHECK(nbytes && nbytes % HUGETLB == 0);
	if (first == reserve.pages)
		return NULL;
	memset(reserve.used + first, true, n);
	return reserve.base + first * HUGETLB;
}

/* Of whole pages that are in use. */
static void unmap_reserved(char *mem, size_t nbytes)
{
	size_t first = (size_t)(mem - reserve.base) / HUGETLB;

	CHECK(is_aligned((uintptr_t)mem | nbytes, HUGETLB));
	CHECK(madvise(mem, nbytes, MADV_DONTNEED) == 0);
	for (size_t i = first; i < first + nbytes / HUGETLB; i++) {
		CHECK(reserve.used[i]);
		reserve.used[i] = false;
	}
}

static bool no_room(size_t nbytes)
{
	return nbytes > sim.most_mapped || os_sim_mapped() > sim.most_mapped - nbytes;
}

/* At a multiple of the page size, which a test may have made larger than this machine's. */
static void *map(size_t nbytes)
{
	void *place = load_relaxed(&sim.place);
	size_t slack = place ? 0 : sim.page_size - (size_t)sysconf(_SC_PAGESIZE);
	char *mem, *start;

	if (no_room(nbytes) || nbytes + slack < nbytes)
		return NULL;
	mem = mmap(place, nbytes + slack, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return NULL;
	if (place)
		store_relaxed(&sim.place, NULL);
	start = (char *)align_up((uintptr_t)mem, sim.page_size);
	if (start > mem)
		munmap(mem, (size_t)(start - mem));
	if (start < mem + slack)
		munmap(start + nbytes, (size_t)(mem + slack - start));
	add_relaxed(&sim.mapped, nbytes);
	return start;
}

void *os_map(size_t nbytes, enum os_use use)
{
	(void)use;
	check_range(NULL, nbytes);
	return refused() ? NULL : map(nbytes);
}

void *os_map_aligned(size_t nbytes, size_t alignment, enum os_use use)
{
	char *mem, *start;

	if (alignment <= sim.page_size)
		return os_map(nbytes, use);
	mem = os_map(nbytes + alignment, use);
	if (!mem)
		return NULL;
	start = (char *)align_up((uintptr_t)mem, alignment);
	if (start > mem)
		os_unmap(mem, (size_t)(start - mem));
	if (start < mem + alignment)
		os_unmap(start + nbytes, (size_t)(mem + alignment - start));
	return start;
}

void *os_map_at(void *there, size_t nbytes)
{
	void *mem;

	check_range(there, nbytes);
	if (refused() || no_room(nbytes))
		return NULL;
	mem = mmap(there, nbytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == there)
		add_relaxed(&sim.mapped, nbytes);
	else if (mem != MAP_FAILED)
		munmap(mem, nbytes);
	return mem == there ? mem : NULL;
}

void *os_reserve(void *there, size_t nbytes)
{
	void *mem;

	check_range(there, nbytes);
	if (refused() || no_room(nbytes))
		return NULL;
	mem = mmap(there, nbytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return NULL;
	add_relaxed(&sim.mapped, nbytes);
	return mem;
}

bool os_unmap(void *mem, size_t nbytes)
{
	check_range(mem, nbytes);
	if (os_sim_refusals[OS_SIM_UNMAP])
		return false;
	if (is_reserved(mem)) {
		unmap_reserved(mem, nbytes);
		return true;
	}
	munmap(mem, nbytes);
	add_relaxed(&sim.mapped, -nbytes);
	return true;
}

/* As on Linux: the kernel writes a word back as it is, or says that it may not. */
bool os_is_writable(const void *mem)
{
	const long or_nothing = FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_EQ, 0);
	uint32_t nobody = 0;

	return syscall(SYS_futex, &nobody, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 0, 0,
		       align_down((uintptr_t)mem, sizeof nobody), or_nothing) != -1 ||
	       errno != EFAULT;
}

bool os_word_is(const uint32_t *word, uint32_t value)
{
	return os_is_writable(word) && *(const volatile uint32_t *)word == value;
}

bool os_guard(void *mem, size_t nbytes)
{
	CHECK(!is_reserved(mem));
	check_range(mem, nbytes);
	return !refused() &&
	       mmap(mem, nbytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem;
}

bool os_unguard(void *mem, size_t nbytes)
{
	check_range(mem, nbytes);
	return !refused() && mmap(mem, nbytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem;
}

/* Where hardware pages are larger than this machine's, a mapping may come to lie between two. */
static void *move_to_page(void *mem, size_t nbytes)
{
	void *start = map(nbytes);

	CHECK(start && mremap(mem, nbytes, nbytes, MREMAP_MAYMOVE | MREMAP_FIXED, start) == start);
	add_relaxed(&sim.mapped, -nbytes);
	return start;
}

void *os_remap(void *mem, size_t old_nbytes, size_t new_nbytes, bool may_move)
{
	void *place = load_relaxed(&sim.moved), *moved;

	check_range(mem, old_nbytes);
	check_range(mem, new_nbytes);
	CHECK(!is_reserved(mem));
	if (refused() || (new_nbytes > old_nbytes && no_room(new_nbytes - old_nbytes)))
		return NULL;
	if (may_move && place) {
		store_relaxed(&sim.moved, NULL);
		moved = mremap(mem, old_nbytes, new_nbytes, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	} else {
		moved = mremap(mem, old_nbytes, new_nbytes, may_move ? MREMAP_MAYMOVE : 0);
	}
	if (moved == MAP_FAILED)
		return NULL;
	if (!is_aligned((uintptr_t)moved, sim.page_size))
		moved = move_to_page(moved, new_nbytes);
	add_relaxed(&sim.mapped, new_nbytes - old_nbytes);
	return moved;
}

/* What is grown by is fresh in onto as it is: valgrind loses it when mremap is to add it. */
bool os_remap_onto(void *mem, size_t old_nbytes, void *onto, size_t new_nbytes)
{
	CHECK(!is_reserved(mem));
	if (refused() ||
	    mremap(mem, old_nbytes, old_nbytes, MREMAP_MAYMOVE | MREMAP_FIXED, onto) == MAP_FAILED)
		return false;
	CHECK(new_nbytes >= old_nbytes);
	add_relaxed(&sim.mapped, -old_nbytes);
	return true;
}

bool os_is_locked(void *page)
{
	check_range(page, sim.page_size);
	return sim.locked;
}

bool os_purge(void *mem, size_t nbytes)
{
	CHECK(!is_reserved(mem));
	check_range(mem, nbytes);
	return !refused() && !os_sim_refusals[OS_SIM_PURGE] &&
	       madvise(mem, nbytes, MADV_DONTNEED) == 0;
}

static struct {
	struct os_sim_advice *log;
	size_t most, count;
} advice;

void os_sim_note_advice(struct os_sim_advice *log, size_t most)
{
	advice.log = log;
	advice.most = most;
	advice.count = 0;
}

size_t os_sim_advised(void)
{
	return advice.count;
}

bool os_advise_huge(void *mem, size_t nbytes, bool wanted)
{
	check_range(mem, nbytes);
	if (advice.count++ < advice.most)
		advice.log[advice.count - 1] = (struct os_sim_advice){mem, nbytes, wanted};
	return !os_sim_refusals[OS_SIM_HUGE_PAGES];
}

void *os_map_for_children(size_t nbytes)
{
	void *mem = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

bool os_wipe_on_fork(void *mem, size_t nbytes)
{
	return !os_is_emulated() && madvise(mem, nbytes, MADV_WIPEONFORK) == 0;
}

bool os_is_emulated(void)
{
	return madvise(NULL, 0, -1) == 0; /* see os_linux_map.c */
}

void os_futex_wait(uint32_t *word, uint32_t value)
{
	if (load_relaxed(word) == value)
		usleep(50);
}

static size_t yields;

void os_futex_wait_for(uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	(void)nanoseconds;
	add_relaxed(&yields, 1);
	os_futex_wait(word, value);
}

size_t os_sim_yields(void)
{
	return load_relaxed(&yields);
}

int os_futex_wake(uint32_t *word, int waiters)
{
	(void)word;
	return waiters;
}

int os_write(int fd, const char *bytes, size_t nbytes)
{
	CHECK(fd <= 2 || fd >= OS_DESCRIPTOR_LEAST || os_sim_refusals[OS_SIM_DESCRIPTORS]);
	if (fd > 2 && os_sim_refusals[OS_SIM_WRITES])
		return os_sim_refusals[OS_SIM_WRITES];
	while (nbytes) {
		ssize_t written = write(fd, bytes, nbytes);

		if (written <= 0)
			return written ? errno : EIO;
		bytes += written;
		nbytes -= (size_t)written;
	}
	return 0;
}

void os_block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
}

bool os_on_signal_stack(void)
{
	stack_t s;

	return sigaltstack(NULL, &s) != 0 || s.ss_flags & SS_ONSTACK;
}

void os_abort(void)
{
	abort();
}

/* --- the data segment ---------------------------------------------------------------------- */

/* Reserved at the first call; it starts away from a page's start, as a real one may. */
static void reserve_segment(void)
{
	segment.base = mmap(NULL, SIM_SEGMENT, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	segment.now = segment.base + 48;
	segment.most = segment.base + SIM_SEGMENT;
}

/* Pages that the break leaves are lost with their contents. */
static void lose(char *from, char *to)
{
	char *first = (char *)align_up((uintptr_t)from, sim.page_size);
	char *last = (char *)align_up((uintptr_t)to, sim.page_size);

	if (first < last)
		madvise(first, (size_t)(last - first), MADV_DONTNEED);
}

void *os_sim_foreign_sbrk(intptr_t nbytes)
{
	char *old, *end;

	pthread_mutex_lock(&segment.lock);
	if (!segment.base)
		reserve_segment();
	old = segment.now;
	end = old + nbytes;
	if (end > segment.most || end < segment.base)
		old = NULL;
	else
		segment.now = end;
	if (old && end < old)
		lose(end, old);
	pthread_mutex_unlock(&segment.lock);
	return old;
}

void *os_break(void)
{
	return os_sim_foreign_sbrk(0);
}

void *os_sbrk(intptr_t nbytes)
{
	return refused() ? NULL : os_sim_foreign_sbrk(nbytes);
}

/* The simulated segment has no other heap. */
bool front_is_malloc(void)
{
	return true;
}

void os_sim_brk_limit(size_t nbytes)
{
	char *now = os_sim_foreign_sbrk(0);
	size_t room = (size_t)(segment.base + SIM_SEGMENT - now);

	segment.most = now + (nbytes < room ? nbytes : room);
}
