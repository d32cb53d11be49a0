/* Locks; see lock.h. */
#include "os/lock.h"

#include "os/os.h"

#define SPINS 100

#define CLOSED ((uintptr_t)2) /* no thread's */

static_assert(LOCK_RANKS <= 32, "held_ranks has a bit each");
static_assert(sizeof(uintptr_t) == 2 * sizeof(uint32_t), "a futex is half of a word");
static_assert(!(CLOSED & LOCK_WAITED) && CLOSED < 16, "no address of a thread's control block");

SEALED void (*lock_before_wait)(void);
size_t lock_waits;

/* Ranks that the thread holds, a bit each; kept at assert_level 1 only. */
static __thread uint32_t held_ranks __attribute__((tls_model("initial-exec")));

void lock_note_taken(const struct lock *lock)
{
	ASSERT(lock->rank < LOCK_RANKS && lock_held(lock));
	ASSERT(held_ranks >> lock->rank == 0);
	held_ranks |= 1u << lock->rank;
}

void lock_note_released(const struct lock *lock)
{
	ASSERT(lock_held(lock));
	ASSERT(held_ranks >> lock->rank & 1);
	held_ranks &= ~(1u << lock->rank);
}

bool lock_held(const struct lock *lock)
{
	return (load_relaxed(&lock->word) & ~LOCK_WAITED) == thread_self();
}

static bool spin(struct lock *lock)
{
	for (int i = 0; i < SPINS; i++) {
		if (load_relaxed(&lock->word) == LOCK_FREE && lock_take(lock, 0))
			return true;
		cpu_pause();
	}
	return false;
}

/* The half of the word with the lowest bit. */
static uint32_t *futex_of(struct lock *lock)
{
	return (uint32_t *)&lock->word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* Who has slept takes the lock as waited for: others may sleep still. */
static void sleep_until_taken(struct lock *lock)
{
	while (!lock_take(lock, LOCK_WAITED)) {
		uintptr_t word = load_relaxed(&lock->word);

		if (word == LOCK_FREE)
			continue;
		if (word & LOCK_WAITED ||
		    __atomic_compare_exchange_n(&lock->word, &word, word | LOCK_WAITED, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			os_futex_wait(futex_of(lock), (uint32_t)(word | LOCK_WAITED));
	}
}

static NOINLINE void wait(struct lock *lock)
{
	void (*before)(void) = load_acquire(&lock_before_wait);

	add_relaxed(&lock_waits, 1);
	if (before)
		before();
	if (!(os_cpus() > 1 && spin(lock)))
		sleep_until_taken(lock);
}

bool lock_try_shared(struct lock *lock)
{
	return lock_take(lock, 0);
}

void lock_release_shared(struct lock *lock)
{
	if (UNLIKELY(lock_leave(lock)))
		lock_wake(lock);
}

void lock_acquire(struct lock *lock)
{
	if (LIKELY(lock_try(lock)))
		return;
	CHECK(!lock_held(lock));
	wait(lock);
}

void lock_release(struct lock *lock)
{
	ASSERT(lock_held(lock));
	lock_release_inline(lock);
}

/* The thread that it wakes takes the lock as waited for, and so wakes the caller, or another. */
void lock_yield(struct lock *lock)
{
	ASSERT(lock_held(lock));
	if (!(load_relaxed(&lock->word) & LOCK_WAITED))
		return;
	if (lock_leave(lock) && os_futex_wake(futex_of(lock), 1))
		os_futex_wait_for(futex_of(lock), LOCK_FREE, OS_MS);
	sleep_until_taken(lock);
}

void lock_wake(struct lock *lock)
{
	os_futex_wake(futex_of(lock), 1);
}

void lock_close(struct lock *lock)
{
	store_relaxed(&lock->word, CLOSED);
}

bool lock_recover(struct lock *lock)
{
	if (load_relaxed(&lock->word) == LOCK_FREE || lock_held(lock))
		return false;
	store_release(&lock->word, LOCK_FREE);
	return true;
}
