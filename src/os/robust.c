/* Robust mutexes; see robust.h. */
#include "os/robust.h"

#include "os/libc.h"

#include <errno.h>

/* The kind that pthread_mutex_init() gives a robust one: robust, and the kernel wakes its waiters as
   those of shared memory.  Programs carry such constants (PTHREAD_MUTEX_INITIALIZER), so libc cannot
   change them. */
#define ROBUST_KIND (16 | 128)

SEALED static struct {
	int (*trylock)(pthread_mutex_t *);
	int (*unlock)(pthread_mutex_t *);
	int (*consistent)(pthread_mutex_t *);
} code;

void robust_start(void)
{
	libc_find(&code.trylock, "pthread_mutex_trylock");
	libc_find(&code.unlock, "pthread_mutex_unlock");
	libc_find(&code.consistent, "pthread_mutex_consistent");
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
	if (error == 0)
		return ROBUST_HELD;
	return code.consistent && code.consistent(&r->mutex) == 0 ? ROBUST_GONE : ROBUST_BUSY;
}

void robust_release(struct robust *r)
{
	left_by(r);
	code.unlock(&r->mutex);
}
