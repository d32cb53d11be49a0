/* Robust mutexes; see robust.h. */
#include "os/robust.h"

#include "os/check.h"
#include "os/libc.h"
#include "os/os.h"

#include <errno.h>
#include <linux/futex.h>

/* The kind that pthread_mutex_init() gives a robust one: robust, and the kernel wakes its waiters
   as those of shared memory.  Programs carry such constants (PTHREAD_MUTEX_INITIALIZER), so libc
   cannot change them. */
#define ROBUST_KIND (16 | 128)

/* Bytes of libc's description of a thread that are searched for its number; all have more. */
#define SEARCHED 1024

static_assert(ROBUST_KIND & 16, "the bit by which pthread_mutex_consistent() accepts a mutex");

SEALED static struct {
	int (*trylock)(pthread_mutex_t *);
	int (*unlock)(pthread_mutex_t *);
	int (*consistent)(pthread_mutex_t *);
	pthread_t (*self)(void);
} code;

/* Where the thread's number is in what pthread_self() points to. */
static struct {
	size_t offset;
	uint32_t number; /* of the thread that has it there */
	bool confirmed;	 /* another one has, too */
} place;

void robust_start(void)
{
	libc_find(&code.trylock, "pthread_mutex_trylock");
	libc_find(&code.unlock, "pthread_mutex_unlock");
	libc_find(&code.consistent, "pthread_mutex_consistent");
	libc_find(&code.self, "pthread_self");
}

static uint32_t number_at(const char *thread, size_t offset)
{
	return load_relaxed((const uint32_t *)(thread + offset));
}

/* Learns from the calling thread, whose number this is; each further one confirms it, or begins
   anew. */
static void learn_place(const char *thread, uint32_t number)
{
	size_t offset = 0;

	if (place.confirmed || number == place.number)
		return;
	if (place.number && number_at(thread, place.offset) == number) {
		store_release(&place.confirmed, true);
		return;
	}
	while (offset < SEARCHED && number_at(thread, offset) != number)
		offset += sizeof number;
	place.offset = offset;
	place.number = offset < SEARCHED ? number : 0;
}

/* Notes who holds it: the calling thread, for robust_ask(). */
static void note_holder(struct robust *r)
{
	const char *thread = code.self ? (const char *)code.self() : NULL;
	bool found;

	store_relaxed(&r->number, (uint32_t)r->mutex.__data.__owner);
	ASSERT(r->number && r->mutex.__data.__kind == ROBUST_KIND);
	if (thread)
		learn_place(thread, r->number);
	found = thread && place.number && number_at(thread, place.offset) == r->number;
	store_relaxed(&r->thread, found ? thread : NULL);
}

bool robust_hold_anew(struct robust *r)
{
	r->mutex = (pthread_mutex_t){.__data = {.__kind = ROBUST_KIND}};
	return robust_try(r) == ROBUST_HELD;
}

enum robust_state robust_try(struct robust *r)
{
	int error = code.trylock ? code.trylock(&r->mutex) : EBUSY;

	if (error != 0 && error != EOWNERDEAD)
		return ROBUST_BUSY;
	found_at(r);
	note_holder(r);
	if (error == 0)
		return ROBUST_HELD;
	return code.consistent && code.consistent(&r->mutex) == 0 ? ROBUST_GONE : ROBUST_BUSY;
}

static uint32_t number_of_holder(const struct robust *r)
{
	return (uint32_t)load_relaxed(&r->mutex.__data.__lock) & FUTEX_TID_MASK;
}

/* A mutex that was let go, or is held by a thread that did not note itself, has another number. */
static bool is_gone(const struct robust *r)
{
	uint32_t number = number_of_holder(r);
	const char *thread = load_relaxed(&r->thread);

	return load_acquire(&place.confirmed) && thread && load_relaxed(&r->number) == number &&
	       !os_word_is((const uint32_t *)(thread + place.offset), number);
}

bool robust_is_held(const struct robust *r, bool asks)
{
	return number_of_holder(r) && !(asks && is_gone(r));
}

enum robust_state robust_ask(struct robust *r)
{
	return is_gone(r) && robust_hold_anew(r) ? ROBUST_GONE : ROBUST_BUSY;
}

void robust_release(struct robust *r)
{
	ASSERT(code.unlock && r->number); /* robust_try() gave it to the caller */
	left_by(r);
	code.unlock(&r->mutex);
}

const char *robust_thread(void)
{
	return code.self ? (const char *)code.self() : NULL;
}

bool robust_number_place(size_t *ret_offset)
{
	*ret_offset = place.offset;
	return place.confirmed;
}
