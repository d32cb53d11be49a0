/*
 * The system, as little of it as loam needs.  os_linux.c and os_linux_map.c ship; tests link
 * os_sim.c in their place, which counts the calls and fails the nth.
 *
 * Sizes are positive multiples of os_page_size(), and so are addresses.  Memory from the system
 * reads as zero.  Nothing here allocates, locks or touches errno.  After os_start() only mmap,
 * munmap, mremap, madvise, brk, futex and write are called, but for what a report or an option
 * asks.
 *
 * Nothing is called that a program or a preload can replace: it is libc's own (os/libc.h), the
 * vdso's, or the system's.  Code that others patched into libc (os/calls.h) runs under the caller's
 * locks; if it allocates, arena/early.h serves it.
 */
#pragma once

#include "base/compiler.h"

/* What a mapping is for: its name in /proc/PID/maps, "[anon:loam: pages]" and so on. */
enum os_use {
	OS_PAGES,    /* regions of a zone */
	OS_HUGE,     /* huge objects */
	OS_METADATA, /* loam's own: page map, descriptors, arenas */
	OS_USES
};

/* Called once, before anything else here but os_map, os_unmap, os_write and os_abort. */
void os_start(void);

/* Bytes of a hardware page: 4, 16 or 64 KiB. */
size_t os_page_size(void);

/* True when the program runs with rights that its user does not have (AT_SECURE). */
bool os_secure(void);

/* The name by which the program was started; NULL: unknown. */
const char *os_program(void);

/* What a random word is for. */
enum os_random {
	RANDOM_MARKS,	/* of free objects of slabs */
	RANDOM_HEADERS, /* of chunks */
	RANDOM_FENCES,	/* behind objects, harden=2 */
	RANDOM_RUNS,	/* fences of runs */
	RANDOM_PLACES,	/* of blocks in a zone, harden=3 */
	RANDOM_SAMPLES, /* guard=N */
	RANDOM_PROFILE
};

/* A random word: 64 bits that nobody outside can guess, nor work out from another such word;
   constant. */
uint64_t os_random(enum os_random use);

const char *os_getenv(const char *name);

/* Strings "NAME=value", the last followed by NULL; NULL itself when unknown. */
const char *const *os_environment(void);

/* Nanoseconds from a fixed moment, coarse (a tick of some milliseconds), by the vdso. */
uint64_t os_clock(void);

#define OS_MS	  ((uint64_t)1000 * 1000) /* nanoseconds */
#define OS_SECOND (1000 * OS_MS)

/* The numbers of the processor that the calling thread runs on and of its NUMA node, by the vdso;
   0 where it does not say. */
void os_where(unsigned *ret_cpu, unsigned *ret_node);

/* How many processors this process may run on; at least 1. */
unsigned os_cpus(void);

/* The bytes that this process may map by the limits when it started; SIZE_MAX: none. */
size_t os_memory_limit(void);

/* Below this limit addresses are dear. */
#define OS_MEMORY_SCARCE (256 * MIB)

/* Fresh zeroed memory, or NULL when the system refuses. */
void *os_map(size_t nbytes, enum os_use use);

/* The same at a multiple of alignment, a power of two of at least a page. */
void *os_map_aligned(size_t nbytes, size_t alignment, enum os_use use);

/* Fresh zeroed memory at that place; NULL where something is there, or the system refuses. */
COLD void *os_map_at(void *place, size_t nbytes);

/* Addresses without memory, unreadable: at that place, or elsewhere where something is there; NULL
   when the system refuses. */
COLD void *os_reserve(void *place, size_t nbytes);

/* False, and all as before, when the system refuses: one mapping would become two, and there are as
   many as vm.max_map_count allows, which is said once. */
bool os_unmap(void *mem, size_t nbytes);

/* Whether the word at an address may be written; true also where the system does not say. */
bool os_is_writable(const void *mem);

/* Whether a word that others may unmap is mapped and has this value; true also where the system
   does not say. */
bool os_word_is(const uint32_t *word, uint32_t value);

/* Makes mapped memory unreadable, and readable again, as zeros; false when the system refuses. */
bool os_guard(void *mem, size_t nbytes);
bool os_unguard(void *mem, size_t nbytes);

/* Grows or shrinks a mapping of os_map; NULL, and all as it was, when the system refuses. */
void *os_remap(void *mem, size_t old_nbytes, size_t new_nbytes, bool may_move);

/* Moves a mapping onto another of new_nbytes, which it replaces; false, and both as they were, when
   the system refuses, and always for what is of several mappings. */
LATER bool os_remap_onto(void *mem, size_t old_nbytes, void *onto, size_t new_nbytes);

/* Gives the pages' memory back; they then read as zero.  False, and all as before, when the system
   refuses (locked memory, before Linux 5.18). */
bool os_purge(void *mem, size_t nbytes);

/* The same in huge pages of 2 MiB that the system holds in reserve, of which nbytes are a multiple,
   and the result, too; all of it is in RAM at once. NULL where there are not enough. No part of
   such a page can be unmapped, and nothing of it be purged, moved, grown or guarded. */
COLD void *os_map_reserved(size_t nbytes);

/* Whether huge pages are wanted there, or none; false when the system refuses, or has none. */
COLD bool os_advise_huge(void *mem, size_t nbytes, bool wanted);

/* Whether memory is locked, as all is that is mapped after mlockall(): it is in RAM at once.  Asked
   of a page that holds zeros, which may be purged by it. */
bool os_is_locked(void *page);

/* Where the data segment ends; NULL where the kernel and libc disagree on that, as in children of a
   fork during which it was moved: it must not be moved there. */
void *os_break(void);

/* Moves that end by nbytes, no multiple of anything; the old end, or NULL when that is refused. */
void *os_sbrk(intptr_t nbytes);

/* Makes this page read as zero in a forked child; false when the system cannot. */
bool os_wipe_on_fork(void *mem, size_t nbytes);

/* Fresh zeroed memory that children of fork share, without a name; NULL when the system refuses. */
COLD void *os_map_for_children(size_t nbytes);

/* Whether an emulator answers in the place of a kernel (qemu-user). */
bool os_is_emulated(void);

/* Sleeps while *word == value, for so long at most if it is said; may wake early. */
void os_futex_wait(uint32_t *word, uint32_t value);
void os_futex_wait_for(uint32_t *word, uint32_t value, uint64_t nanoseconds);

/* Wakes so many at most; how many. */
int os_futex_wake(uint32_t *word, int waiters);

/* Writes all; 0, or the number of the error after which the rest is not written. */
int os_write(int fd, const char *bytes, size_t nbytes);

/* Blocks all signals in this thread; os_abort() is not held up by that. */
void os_block_signals(void);

/* By SIGABRT. */
_Noreturn void os_abort(void);

/* Whether this runs on the alternate stack of signal handlers; true, too, where the system does not
   say. Makes a system call of its own, so it is for reports alone. */
bool os_on_signal_stack(void);

/* The end of the initial thread's stack (its highest address); 0 when unknown. */
uintptr_t os_stack_end(void);
