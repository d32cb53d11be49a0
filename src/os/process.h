/*
 * The process and its threads: numbers, signals, pages that become read-only. os_linux_process.c
 * ships; tests link os_sim_process.c in its place, where refusals are at the test's command.
 */
#pragma once

#include "base/compiler.h"

#include <signal.h>

/* The number of this process. */
uint64_t os_process(void);

/* Whether the calling thread is the one that the process, or the child of a fork, began with. */
bool os_is_initial_thread(void);

/* The most bytes of the process that were in RAM so far, as the kernel counted; 0: unknown. */
size_t os_most_resident(void);

/* The limits of addresses (RLIMIT_AS) and of data (RLIMIT_DATA) that hold now, in bytes; SIZE_MAX:
   none. False where the system does not say. */
bool os_address_limits(size_t *ret_space, size_t *ret_data);

/* libc's own sigaction(); false, and nothing done, where that refuses or is not there. */
COLD bool os_sigaction(int signal, const struct sigaction *action, struct sigaction *ret_before);

/* Has libc call it in quick_exit(); false where libc has no such function, or no room. */
COLD bool os_at_quick_exit(void (*call)(void *));

/* Sends the calling thread a signal, with the registers that it came with; info NULL: without. */
LATER void os_send_signal(int signal, const siginfo_t *info);

/* Begins a thread of that name (15 bytes at most), to which no signal but libc's own two is
   delivered, and which nobody joins; false where the system refuses it, or libc has no threads. */
LATER bool os_thread(const char *name, void (*body)(void));

/* Whether the calling thread may be cancelled (PTHREAD_CANCEL_DISABLE, PTHREAD_CANCEL_ENABLE) from
   now on; returns whether it could be. Nothing where libc has no threads. */
COLD int os_set_cancel_state(int state);

/* Returns after so many nanoseconds, or when a signal was handled. */
void os_sleep(uint64_t nanoseconds);

/* Makes pages read-only; false when the system refuses. */
bool os_protect(void *mem, size_t nbytes);

/* Makes what they are unchangeable for as long as the process lives, where the system can. */
void os_protect_for_good(void *mem, size_t nbytes);
