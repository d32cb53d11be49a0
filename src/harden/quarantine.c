/* The quarantine; see quarantine.h. */
#include "harden/quarantine.h"

#include "base/bits.h"
#include "os/lock.h"
#include "os/os.h"

#define BYTES_AN_OBJECT ((size_t)256) /* how large objects are, for the size of the ring */
#define RING_LEAST	((size_t)4096)
#define BATCH		16 /* that leave for one that comes, at most */

struct inmate {
	void *mem;
	size_t nbytes;
};

static struct {
	struct lock lock;
	struct inmate *ring;
	size_t capacity, first, count; /* capacity is a power of two, or 0 */
	size_t nbytes, most;
} quarantine = {.lock = LOCK_INIT(LOCK_QUARANTINE)};

bool quarantine_start(size_t nbytes)
{
	size_t capacity = nbytes / BYTES_AN_OBJECT;

	if (capacity < RING_LEAST)
		capacity = RING_LEAST;
	capacity = (size_t)1 << log2_ceil(capacity);
	quarantine.ring =
		os_map(align_up(capacity * sizeof(struct inmate), os_page_size()), OS_METADATA);
	if (!quarantine.ring)
		return false;
	quarantine.capacity = capacity;
	quarantine.most = nbytes;
	return true;
}

static struct inmate *slot(size_t i)
{
	return &quarantine.ring[(quarantine.first + i) & (quarantine.capacity - 1)];
}

/* The oldest; the quarantine is not empty. */
static struct inmate let_out(void)
{
	struct inmate oldest = *slot(0);

	quarantine.first++;
	quarantine.count--;
	quarantine.nbytes -= oldest.nbytes;
	return oldest;
}

/* The oldest ones, as long as there is too much; how many. */
static size_t let_out_some(struct inmate *ret_inmates, size_t most)
{
	size_t n = 0;

	while (n < BATCH && quarantine.count &&
	       (quarantine.nbytes > most || quarantine.count == quarantine.capacity))
		ret_inmates[n++] = let_out();
	return n;
}

void quarantine_put(void *mem, size_t nbytes, void (*leave)(void *mem, size_t nbytes))
{
	struct inmate leaving[BATCH];
	size_t n = 0;

	if (nbytes > quarantine.most ||
	    quarantine_locked()) { /* by whom a signal handler interrupted */
		leave(mem, nbytes);
		return;
	}
	lock_acquire(&quarantine.lock);
	*slot(quarantine.count) = (struct inmate){mem, nbytes};
	quarantine.count++;
	quarantine.nbytes += nbytes;
	n = let_out_some(leaving, quarantine.most);
	lock_release(&quarantine.lock);
	for (size_t i = 0; i < n; i++)
		leave(leaving[i].mem, leaving[i].nbytes);
}

size_t quarantine_flush(void (*leave)(void *mem, size_t nbytes))
{
	struct inmate leaving[BATCH];
	size_t n, nbytes = 0;

	do {
		lock_acquire(&quarantine.lock);
		n = let_out_some(leaving, 0);
		lock_release(&quarantine.lock);
		for (size_t i = 0; i < n; i++) {
			nbytes += leaving[i].nbytes;
			leave(leaving[i].mem, leaving[i].nbytes);
		}
	} while (n);
	return nbytes;
}

bool quarantine_locked(void)
{
	return lock_held(&quarantine.lock);
}

void quarantine_prefork(void)
{
	lock_prefork(&quarantine.lock);
}

void quarantine_postfork(void)
{
	lock_postfork(&quarantine.lock);
}

/* One that was half put in, or half let out, stays out for good. */
void quarantine_recover(void)
{
	if (!lock_recover(&quarantine.lock))
		return;
	quarantine.count = quarantine.nbytes = 0;
}
