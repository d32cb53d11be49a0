/*
 * A robust mutex: the kernel marks it when the thread that holds it is gone, after its last
 * destructor. By libc's own functions, which keep the list that the kernel reads.
 *
 * The kernel does not mark all: emulators and filters refuse set_robust_list, a program may set a
 * list of its own, and of a list 2,048 entries are read. But it always clears the word in which
 * libc keeps the number of the thread, for pthread_join(). So robust_ask() looks at that word,
 * which may be unmapped by then, by a futex operation (os_word_is), which every filter must allow.
 *
 * Where that word is in libc's description of a thread is not public: it is where two threads in a
 * row had their numbers. One is not enough: in a container its number is 1, as other words are.
 *
 * Locking: the caller holds one lock in all of these but robust_is_held() and robust_release(), or
 * is alone. Else one could read the number of a thread that is gone in a mutex which another has
 * just taken over, and two could learn at once where the number is.
 */
#pragma once

#include "base/compiler.h"

#include <pthread.h>

enum robust_state {
	ROBUST_BUSY, /* somebody holds it */
	ROBUST_HELD, /* the caller does now */
	ROBUST_GONE  /* the caller does now, and the thread before is gone without release */
};

struct robust {
	pthread_mutex_t mutex;
	/* the last holder's pthread_self(); NULL: its number is not found there */
	const char *thread;
	uint32_t number; /* the last holder's */
};

AT_START void robust_start(void);

/* Makes the calling thread the holder, whatever the mutex was before; false where libc has none. */
AT_START bool robust_hold_anew(struct robust *r);

/* Takes it if nobody holds it, as far as the kernel has marked it; never waits. */
enum robust_state robust_try(struct robust *r);

/* Whether robust_try(), or if asks robust_ask(), would find it busy; perhaps a moment old. Asking
   costs a system call. */
bool robust_is_held(const struct robust *r, bool asks);

/* Takes one that is busy, if its holder is gone without a mark. Costs a system call. */
COLD enum robust_state robust_ask(struct robust *r);

/* What libc keeps of the calling thread; NULL: unknown. */
COLD const char *robust_thread(void);

/* Where in that the thread's number is, a word that is 0 or less from the thread's end on; false:
   that is not known for sure. */
COLD bool robust_number_place(size_t *ret_offset);

/* The holder lets go. */
void robust_release(struct robust *r);
