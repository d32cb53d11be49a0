/*
 * Requests of other processes: words that are written from outside (`loam ctl`), looked at where a
 * slow path is counted the 256th time, and answered there.
 *
 *	who asks (preload/look/outside/ask.py)      a thread of the process, in cache_tick_slowly()
 *	  given, text
 *	  asked = answered + 1               --->   requests_serve()
 *	  counts of slow paths = 255                  does what is asked
 *	  fast_limit = 0                     <---     result, failed, text; answered = asked
 *
 * So that it need not wait for 255 more slow paths, who asks sets the count of every cache, and
 * shuts the fast path of malloc: requests_serve() opens it again. Either may be lost where a thread
 * writes the same word just then, so they are written again until the answer is there. A process
 * that calls nothing answers at its next malloc, or by its own thread (api/background.h).
 *
 * Each kind of request has a row, so a profiler and a trim do not disturb each other; of one kind
 * one waits at a time, for which those who ask lock /proc/PID. Sequence words are bytes, since a
 * byte is never seen half written.
 *
 * To add a kind: its row in REQUESTS, and a function of its name in api/requests.c; FIGURES_LAYOUT
 * raised, and the same list in preload/look/outside/page.py. Then Asker.ask('NAME') asks.
 *
 * The fast path pays nothing for this, and a slow path neither but every 256th.
 */
#pragma once

#include "base/compiler.h"

/* REQUEST(name): what is done, what `given` and `text` are, and the answer.
 *	trim	all free memory goes back but `given` bytes of each top; result: bytes given back
 *	set	an option, `text` being "name=value"; text then says what came of it
 *	profile	a heap profile begins, one sample in `given` bytes, or ends, if that is 0; result:
 *		the samples that it had; text: why it cannot be done
 */
#define REQUESTS(REQUEST)                                                                          \
	REQUEST(trim)                                                                              \
	REQUEST(set)                                                                               \
	REQUEST(profile)

enum request_kind {
#define REQUEST(name) REQUEST_##name,
	REQUESTS(REQUEST)
#undef REQUEST
		REQUEST_KINDS
};

#define REQUEST_TEXT 240 /* bytes, with the end mark */

struct request {
	uint8_t asked;	  /* written by who asks, last */
	uint8_t answered; /* by the process, last: as `asked` was */
	uint8_t failed;	  /* by the process */
	uint64_t given;	  /* by who asks */
	uint64_t result;  /* by the process */
	char text[REQUEST_TEXT];
};

struct requests {
	bool refused; /* AT_SECURE: nothing is answered */
	bool busy;    /* a thread answers; atomic */
	struct request of[REQUEST_KINDS];
};

extern HIDDEN struct requests requests;

struct cache;

/* Answers what waits, and opens the fast path if it was shut for that. c is the caller's cache,
   between cache_enter() and cache_leave(); no lock is held. Set at start. */
extern HIDDEN void (*requests_serve)(struct cache *c);

/* Whether requests_serve() is to be called. */
bool requests_are_due(void);

/* In the child of a fork: what was asked of the parent is not asked of it. */
COLD void requests_forget(void);
