/*
 * os.h on Linux: mappings.
 *
 * Mappings carry names, as [anon:loam: pages] in /proc/PID/maps, without prctl, which loam does not
 * call after start: a part of a mapping that is moved away keeps the name.  So at start a template
 * is mapped and named for each use, and a new mapping is a page of it, moved and grown by mremap;
 * the last page grows into the next template.
 *
 * The price: a mapping made so costs 7 us in place of 1.3, and does not merge with its neighbours.
 * A process may have 65,530 areas, so the first two thousand mappings get names, and the rest none.
 */
#include "os/os_linux_map.h"

#include "base/bits.h"
#include "os/calls.h"
#include "os/check.h"
#include "os/line.h"
#include "os/os.h"
#include "os/syscall.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>

#define MADV_WIPEONFORK_      18
#define MADV_DONTNEED_LOCKED_ 24
#define MADV_POPULATE_WRITE_  23
#define MAP_HUGE_2MB_	      (21 << 26)
#define PR_SET_VMA_	      0x53564d41
#define PR_SET_VMA_ANON_NAME_ 0
#define TEMPLATE_PAGES	      8
#define TEMPLATES_MOST	      256
#define SMALL		      (2 * MIB) /* a refused mapping of no more is looked into */

static_assert(TEMPLATE_PAGES < 4096, "a count of pages fits below the address of a page");

SEALED static size_t page_size = 4096;
SEALED static bool emulated;	 /* what answers here is no kernel (qemu-user) */
SEALED static bool keeps_purged; /* madvise says that it has purged, and has not */

/* What is left of each template: the address of its next page plus how many there are.  Atomic; 0
   where mappings have no names. */
static uintptr_t templates[OS_USES];
static unsigned templates_made; /* after the first of each use; atomic */

/* What os.h asks of every range. */
static bool is_range(const void *mem, size_t nbytes)
{
	return nbytes && is_aligned((uintptr_t)mem | nbytes, page_size);
}

static void *map_at(void *address, size_t nbytes, int protection, int flags)
{
	long result = call_mmap(address, nbytes, protection, flags);

	return syscall_failed(result) ? NULL : (void *)result;
}

/* --- names --------------------------------------------------------------------------------- */

/* A chain and not a table: a table of strings would need the dynamic linker. */
static const char *name_of(enum os_use use)
{
	return use == OS_PAGES ? "loam: pages" : use == OS_HUGE ? "loam: huge" : "loam: metadata";
}

static void make_template(enum os_use use)
{
	size_t nbytes = TEMPLATE_PAGES * page_size;
	char *mem = map_at(NULL, nbytes, PROT_READ | PROT_WRITE, 0);

	if (!mem)
		return;
	if (syscall_failed(syscall6(SYS_prctl, PR_SET_VMA_, PR_SET_VMA_ANON_NAME_, (long)mem,
				    (long)nbytes, (long)name_of(use), 0))) {
		os_unmap(mem, nbytes);
		return;
	}
	templates[use] = (uintptr_t)mem + TEMPLATE_PAGES;
}

/* The last page becomes the next template, and gives its first page; NULL, and it is put back, when
   the system refuses.  After the last template it is a page as the others were. */
static char *refill(uintptr_t *rest, char *last)
{
	char *mem;

	if (add_relaxed(&templates_made, 1) >= TEMPLATES_MOST)
		return last;
	mem = os_remap(last, page_size, TEMPLATE_PAGES * page_size, true);
	if (mem)
		store_release(rest, (uintptr_t)(mem + page_size) + TEMPLATE_PAGES - 1);
	else
		store_release(rest, (uintptr_t)last + 1);
	return mem;
}

/* A page of a template, nobody else's from now on; NULL when there is none just now. */
static char *take_page(uintptr_t *rest)
{
	uintptr_t old = load_acquire(rest);
	char *page;

	while (!is_aligned(old, page_size))
		if (__atomic_compare_exchange_n(rest, &old, old + page_size - 1, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			page = (char *)align_down(old, page_size);
			return old == (uintptr_t)page + 1 ? refill(rest, page) : page;
		}
	return NULL;
}

static void *map_named(size_t nbytes, enum os_use use)
{
	char *page = take_page(&templates[use]), *mem;

	if (!page || nbytes == page_size)
		return page;
	mem = os_remap(page, page_size, nbytes, true);
	if (!mem)
		os_unmap(page, page_size);
	return mem;
}

/* --- refusals ------------------------------------------------------------------------------ */

/* Said once: more memory would not help, and nothing else names the setting. */
static COLD void say_too_many(void)
{
	static bool said;

	if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		line_say("the process has as many mappings as the kernel allows; raise the sysctl "
			 "vm.max_map_count");
}

/* Says so if a small mapping was refused because there are too many, not by a limit of memory.  A
   mapping at an address within a page always fails: by ENOMEM if there are too many, which the
   kernel looks at first, else by EINVAL. */
static COLD void explain_refusal(void)
{
	const long no_page = 1, flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;

	if (syscall6(SYS_mmap, no_page, (long)page_size, PROT_NONE, flags, -1, 0) == -ENOMEM)
		say_too_many();
}

/* --- mappings ------------------------------------------------------------------------------ */

void *os_map(size_t nbytes, enum os_use use)
{
	void *mem = map_named(nbytes, use);

	ASSERT(is_range(NULL, nbytes) && use < OS_USES);
	if (!mem)
		mem = map_at(NULL, nbytes, PROT_READ | PROT_WRITE, 0);
	if (UNLIKELY(!mem) && nbytes <= SMALL)
		explain_refusal();
	return mem;
}

bool os_unmap(void *mem, size_t nbytes)
{
	long result = call_munmap(mem, nbytes);

	ASSERT(is_range(mem, nbytes));
	if (result == -ENOMEM)
		say_too_many();
	return !syscall_failed(result);
}

/* By a futex operation that leaves the word there as it is, but writes it; nobody waits for the
   other. */
bool os_is_writable(const void *mem)
{
	const long or_nothing = FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_EQ, 0);
	uint32_t nobody = 0;

	return syscall6(SYS_futex, (long)&nobody, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 0, 0,
			(long)align_down((uintptr_t)mem, sizeof nobody), or_nothing) != -EFAULT;
}

/* By a futex operation that compares the word, then wakes nobody and moves nobody. */
bool os_word_is(const uint32_t *word, uint32_t value)
{
	long result = syscall6(SYS_futex, (long)word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 0, 0,
			       (long)word, value);

	return result != -EAGAIN && result != -EFAULT;
}

/* By mapping anew, since programs run under filters that know no mprotect of ours. */
bool os_guard(void *mem, size_t nbytes)
{
	long result = call_mmap(mem, nbytes, PROT_NONE, MAP_FIXED | MAP_NORESERVE);

	ASSERT(is_range(mem, nbytes));
	if (result == -ENOMEM)
		say_too_many();
	return !syscall_failed(result);
}

/* The place is a hint, which the kernel follows where there is room, the stack's included. */
void *os_map_at(void *place, size_t nbytes)
{
	void *mem = map_at(place, nbytes, PROT_READ | PROT_WRITE, 0);

	ASSERT(is_range(place, nbytes));
	if (mem && mem != place) {
		os_unmap(mem, nbytes);
		return NULL;
	}
	return mem;
}

void *os_reserve(void *place, size_t nbytes)
{
	ASSERT(is_range(place, nbytes));
	return map_at(place, nbytes, PROT_NONE, MAP_NORESERVE);
}

/* Without padding, where that has no room: nbytes, and once more at the multiple below. */
static void *map_unpadded(size_t nbytes, size_t alignment, enum os_use use)
{
	char *mem = os_map(nbytes, use);

	if (!mem || is_aligned((uintptr_t)mem, alignment))
		return mem;
	os_unmap(mem, nbytes);
	return os_map_at((char *)align_down((uintptr_t)mem, alignment), nbytes);
}

void *os_map_aligned(size_t nbytes, size_t alignment, enum os_use use)
{
	size_t whole = nbytes + alignment - page_size;
	char *mem, *start;

	ASSERT(is_power_of_two(alignment));
	if (alignment <= page_size)
		return os_map(nbytes, use);
	mem = whole < nbytes ? NULL : os_map(whole, use);
	if (!mem)
		return map_unpadded(nbytes, alignment, use);
	start = (char *)align_up((uintptr_t)mem, alignment);
	if (start > mem)
		os_unmap(mem, (size_t)(start - mem));
	if (start + nbytes < mem + whole)
		os_unmap(start + nbytes, (size_t)(mem + whole - start) - nbytes);
	return start;
}

void *os_remap(void *mem, size_t old_nbytes, size_t new_nbytes, bool may_move)
{
	long result = call_mremap(mem, old_nbytes, new_nbytes, may_move ? MREMAP_MAYMOVE : 0, NULL);

	ASSERT(is_range(mem, old_nbytes) && is_range(NULL, new_nbytes));
	return syscall_failed(result) ? NULL : (void *)result;
}

/* The kernel's error when asked for what it cannot give; what it does give it gets back. */
static long ask_for_too_much(void *mem, size_t nbytes, long too_much)
{
	long result = syscall6(SYS_mremap, (long)mem, (long)nbytes, too_much, 0, 0, 0);

	if (!syscall_failed(result))
		syscall6(SYS_mremap, (long)mem, too_much, (long)nbytes, 0, 0, 0);
	return result;
}

/* Whether the kernel can move them. Else, as parts of several mappings or beyond the limit of
   locked memory, it may notice too late: when it has unmapped what they were to replace. What is
   locked may go where locked memory was. */
static bool can_move(void *mem, size_t old_nbytes, void *onto, size_t new_nbytes)
{
	long error = ask_for_too_much(mem, old_nbytes, 1L << 46);

	if (error == -EINVAL) /* more than there are, where addresses have 39 bits */
		error = ask_for_too_much(mem, old_nbytes, 1L << 38);
	return !syscall_failed(error) || error == -ENOMEM ||
	       (error == -EAGAIN && (new_nbytes == old_nbytes || os_is_locked(onto)));
}

bool os_remap_onto(void *mem, size_t old_nbytes, void *onto, size_t new_nbytes)
{
	ASSERT(is_range(mem, old_nbytes) && is_range(onto, new_nbytes));
	return can_move(mem, old_nbytes, onto, new_nbytes) &&
	       !syscall_failed(call_mremap(mem, old_nbytes, new_nbytes,
					   MREMAP_MAYMOVE | MREMAP_FIXED, onto));
}

/* Made elsewhere and moved there: before Linux 6.12 MAP_FIXED unmaps what it replaces, and then may
   find no memory for new pages (overcommit_memory=2), which leaves a hole. */
bool os_unguard(void *mem, size_t nbytes)
{
	void *new = map_at(NULL, nbytes, PROT_READ | PROT_WRITE, 0), *none;

	ASSERT(is_range(mem, nbytes));
	if (new)
		return os_remap_onto(new, nbytes, mem, nbytes) || (os_unmap(new, nbytes), false);
	none = os_reserve(NULL, nbytes);
	if (none) /* there are addresses: memory is what is missing */
		os_unmap(none, nbytes);
	return !none && (map_at(mem, nbytes, PROT_READ | PROT_WRITE, MAP_FIXED) ||
			 (os_guard(mem, nbytes), false));
}

/* Locked memory goes by an advice of its own, since Linux 5.18. */
bool os_purge(void *mem, size_t nbytes)
{
	long result;

	ASSERT(is_range(mem, nbytes));
	if (keeps_purged)
		return false;
	result = call_madvise(mem, nbytes, MADV_DONTNEED);
	if (result == -EINVAL)
		result = call_madvise(mem, nbytes, MADV_DONTNEED_LOCKED_);
	return !syscall_failed(result);
}

/* Without populating, a limit of a cgroup would show by a signal when a page is touched. Kernels
   before Linux 5.14 cannot do it. */
void *os_map_reserved(size_t nbytes)
{
	void *mem = map_at(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_HUGETLB | MAP_HUGE_2MB_);
	long result;

	ASSERT(nbytes && is_aligned(nbytes, 2 * MIB));
	if (!mem)
		return NULL;
	result = call_madvise(mem, nbytes, MADV_POPULATE_WRITE_);
	if (!syscall_failed(result) || result == -EINVAL)
		return mem;
	os_unmap(mem, nbytes);
	return NULL;
}

bool os_advise_huge(void *mem, size_t nbytes, bool wanted)
{
	ASSERT(is_range(mem, nbytes));
	return !syscall_failed(call_madvise(mem, nbytes, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE));
}

bool os_is_locked(void *page)
{
	return !keeps_purged && call_madvise(page, page_size, MADV_DONTNEED) == -EINVAL;
}

void *os_map_for_children(size_t nbytes)
{
	long mem = syscall6(SYS_mmap, 0, (long)nbytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return syscall_failed(mem) ? NULL : (void *)mem;
}

bool os_wipe_on_fork(void *mem, size_t nbytes)
{
	ASSERT(is_range(mem, nbytes));
	return !emulated &&
	       !syscall_failed(syscall3(SYS_madvise, (long)mem, (long)nbytes, MADV_WIPEONFORK_));
}

bool os_is_emulated(void)
{
	return emulated;
}

/* Emulators have no lists of robust mutexes, and answer advice that they do not follow with
   success; a kernel refuses a list of length 0 by another error, and advice that there is not.
   Some filters refuse the lists. */
static AT_START bool is_emulator(void)
{
	return syscall3(SYS_set_robust_list, 0, 0, 0) == -ENOSYS &&
	       syscall3(SYS_madvise, 0, 0, -1) == 0;
}

static AT_START bool is_purged_kept(void)
{
	char *page = os_map(page_size, OS_METADATA);
	bool kept;

	if (!page)
		return true;
	*page = 1;
	kept = os_purge(page, page_size) && *page;
	os_unmap(page, page_size);
	return kept;
}

AT_START void os_linux_map_start(size_t nbytes)
{
	ASSERT(is_power_of_two(nbytes) && nbytes >= 4096 && nbytes <= 64 * KIB);
	page_size = nbytes;
	emulated = is_emulator();
	keeps_purged = emulated && is_purged_kept();
	for (enum os_use use = 0; use < OS_USES; use++)
		make_template(use);
}
