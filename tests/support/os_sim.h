/*
 * A system for tests, in the place of os_linux.c: the same contract (os/os.h)
 * on memory of this process, with every refusal at the test's command.
 * The hardware page is this machine's, or of LOAM_TEST_PAGE_SIZE bytes where that is larger.
 * Ranges that are no multiples of it end the program, as os.h has it, and so does what is written
 * to a file whose descriptor is in the way of the program's (os/files.h).
 */
#pragma once

#include "os/os.h"
#include "test.h"

#include <errno.h>

/*
 * Calls that the system may refuse (map, remap, sbrk, purge) are counted from
 * here on, and from the nth (1 is the next) all are refused; 0: none is.
 */
void os_sim_fail_from(size_t n);

/* The same, but the nth alone is refused. */
void os_sim_fail_once(size_t n);

/* Calls counted since the last of these two. */
size_t os_sim_calls(void);

/* What the system refuses whenever it is asked. */
enum os_sim_refusal {
	OS_SIM_PURGE,	    /* as older systems do for locked memory */
	OS_SIM_UNMAP,	    /* nothing is unmapped */
	OS_SIM_FILES,	    /* to open, make and map a file */
	OS_SIM_READS,	    /* of files, see os_sim_read_first() */
	OS_SIM_WRITES,	    /* to files */
	OS_SIM_DESCRIPTORS, /* another one of a file, as where the process may have no more */
	OS_SIM_HANDLERS,    /* of signals */
	OS_SIM_LIMITS,	    /* to say which limits of addresses hold */
	OS_SIM_HUGE_PAGES,  /* advice on them */
	OS_SIM_REFUSALS
};

/* The errors by which it does, of files alone told to the caller; 0: it grants it. */
extern int os_sim_refusals[OS_SIM_REFUSALS];

/* From now on it does, or with 0 no more. */
static inline void os_sim_refuse(enum os_sim_refusal what, int error)
{
	os_sim_refusals[what] = error;
}

/* At most nbytes more are mapped from here on; SIZE_MAX: no limit. */
void os_sim_map_limit(size_t nbytes);

/* A larger hardware page from here on; before anything is mapped. */
void os_sim_set_page_size(size_t nbytes);

/* What os_cpus() says; 2 at first. */
void os_sim_set_cpus(unsigned n);

/* What os_memory_limit() says; SIZE_MAX at first. */
void os_sim_set_memory_limit(size_t nbytes);

/* The data segment grows by at most nbytes more; SIZE_MAX: no limit. */
void os_sim_brk_limit(size_t nbytes);

/* The program itself moves the break, by any amount: what sbrk() gave it, or NULL. */
void *os_sim_foreign_sbrk(intptr_t nbytes);

/* So many bytes of reserved huge pages there are from now on, at first none: they must be mapped no
   more. What kernels refuse of such mappings, or do differently, ends the program. */
void os_sim_reserve(size_t nbytes);

/* Bytes of them that are not mapped. */
size_t os_sim_reserved(void);

/* From now on what is mapped is locked, or is not. */
void os_sim_lock(bool locked);

/* Skips a test whose figures are those of pages of 4 KiB. */
static inline void os_sim_need_small_pages(void)
{
	if (os_page_size() > 4096)
		test_skip("the figures are those of pages of 4 KiB");
}

/* Advice on huge pages since the last call with a log: the first `most` are noted in it. */
struct os_sim_advice {
	void *mem;
	size_t nbytes;
	bool wanted;
};
void os_sim_note_advice(struct os_sim_advice *log, size_t most);
size_t os_sim_advised(void);

/* The next mapping that is moved by growth goes there. */
void os_sim_move_to(void *place);

/* The next mapping lies there, if nothing else does. */
void os_sim_map_at(void *place);

/* Where the calling thread runs from here on: what os_where() says. */
void os_sim_run_on(unsigned cpu, unsigned node);

/* How often a holder of a lock slept for those who wait (lock_yield). */
size_t os_sim_yields(void);

/* Bytes mapped now, data segment excluded. */
size_t os_sim_mapped(void);

/* Called in os_start(), as code of others may be. */
void os_sim_at_start(void (*call)(void));

/* Moves the clock. */
void os_sim_advance(uint64_t nanoseconds);

/* The environment: strings "NAME=value" and a NULL, which must stay; NULL: unknown. */
void os_sim_environment(const char *const *environment);
void os_sim_set_secure(bool secure);

/* --- files (os/files.h): those of this machine, but for what is said here ------------------- */

/* From now on the file of that name has these bytes, which must stay; NULL: its own again. */
void os_sim_file(const char *path, const char *bytes, size_t nbytes);

/* The same of many files at once, of texts, the last of which has no path; those below /sim/ that
   are not among them are not there. NULL: their own again. */
struct os_sim_text {
	const char *path, *text;
};
void os_sim_texts(const struct os_sim_text *texts);

/* A read gives at most so many bytes; SIZE_MAX at first. */
void os_sim_read_most(size_t nbytes);

/* Where OS_SIM_READS are refused: so many bytes of the file are read all the same; 0 at first. */
void os_sim_read_first(size_t nbytes);

/* Files open now that were opened by os_open(). */
int os_sim_open_files(void);

/* --- the process (os/process.h) -------------------------------------------------------------- */

/* What backtrace_find() finds from now on, once it was started; NULL: the stack. */
void os_sim_backtrace(void *const *frames, int count);

/* What os_address_limits() says; SIZE_MAX at first. */
void os_sim_set_address_limits(size_t space, size_t data);

/* The end of the initial thread's stack, as os_stack_end() says; 0: the real one. */
void os_sim_set_stack_end(uintptr_t end);
