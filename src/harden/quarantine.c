/* The quarantine; see quarantine.h. */
#include "harden/quarantine.h"

#include "base/bits.h"
#include "cache/cache.h"
#include "os/check.h"
#include "os/line.h"
#include "pages/metadata.h"

#define BYTES_AN_OBJECT ((size_t)256) /* how large objects are, for the size of the ring */
#define RING_LEAST	((size_t)4096)
#define BATCH		16 /* that leave at once, under one hold of the lock */

struct inmate {
	void *mem;
	size_t nbytes;
};

struct lock quarantine_lock = LOCK_INIT(LOCK_QUARANTINE);

static struct {
	struct inmate *ring;
	size_t capacity;   /* a power of two, or 0 */
	size_t first, end; /* numbers of the oldest, and of the next to come */
	size_t nbytes, most;
} quarantine;

bool quarantine_start(size_t nbytes)
{
	size_t capacity = nbytes / BYTES_AN_OBJECT;

	ASSERT(!quarantine.ring);
	if (capacity < RING_LEAST)
		capacity = RING_LEAST;
	capacity = (size_t)1 << log2_ceil(capacity);
	quarantine.ring = metadata_alloc(capacity * sizeof(struct inmate));
	if (!quarantine.ring) {
		line_say("quarantine: no memory for its table; what is freed is used again at "
			 "once: set a smaller one");
		return false;
	}
	ASSERT(is_power_of_two(capacity)); /* slot() masks */
	quarantine.capacity = capacity;
	quarantine.most = nbytes;
	return true;
}

static struct inmate *slot(size_t number)
{
	return &quarantine.ring[number & (quarantine.capacity - 1)];
}

static size_t count(void)
{
	return quarantine.end - quarantine.first;
}

/* The oldest; the quarantine is not empty. */
static struct inmate let_out(void)
{
	struct inmate oldest = *slot(quarantine.first);

	ASSERT(lock_held(&quarantine_lock) && count() && quarantine.nbytes >= oldest.nbytes);
	quarantine.first++;
	quarantine.nbytes -= oldest.nbytes;
	return oldest;
}

/* Of the oldest `left`, as long as there is too much; how many. */
static size_t let_out_some(struct inmate *ret_inmates, size_t left, size_t most)
{
	size_t n = 0;

	while (n < BATCH && n < left &&
	       (quarantine.nbytes > most || count() == quarantine.capacity))
		ret_inmates[n++] = let_out();
	return n;
}

static void take_in(struct inmate inmate)
{
	ASSERT(lock_held(&quarantine_lock) && count() < quarantine.capacity);
	*slot(quarantine.end) = inmate;
	KEEP_ORDER();
	quarantine.end++;
	quarantine.nbytes += inmate.nbytes;
}

/* Takes one in, if it is not NULL, then lets the oldest out until there is not too much, but none
   that comes meanwhile: handed to `leave`, without the lock. The bytes that left. */
static size_t exchange(const struct inmate *in, size_t most,
		       void (*leave)(void *mem, size_t nbytes))
{
	struct inmate leaving[BATCH];
	size_t n, nbytes = 0, left = SIZE_MAX;

	do {
		lock_acquire(&quarantine_lock);
		if (in)
			take_in(*in);
		in = NULL;
		left = smaller(left, count());
		n = let_out_some(leaving, left, most);
		lock_release(&quarantine_lock);
		left -= n;
		for (size_t i = 0; i < n; i++) {
			nbytes += leaving[i].nbytes;
			leave(leaving[i].mem, leaving[i].nbytes);
		}
	} while (n == BATCH);
	return nbytes;
}

void quarantine_put(void *mem, size_t nbytes, void (*leave)(void *mem, size_t nbytes))
{
	struct inmate in = {mem, nbytes};

	if (nbytes > quarantine.most || !cache_may_lock(&quarantine_lock))
		leave(mem, nbytes);
	else
		exchange(&in, quarantine.most, leave);
}

size_t quarantine_flush(void (*leave)(void *mem, size_t nbytes))
{
	return cache_may_lock(&quarantine_lock) ? exchange(NULL, 0, leave) : 0;
}

void quarantine_recover(void)
{
	size_t nbytes = 0;

	for (size_t i = quarantine.first; i != quarantine.end; i++)
		nbytes += slot(i)->nbytes;
	quarantine.nbytes = nbytes;
}
