/*
 * Objects that mostly die young, each at an age drawn at its birth; time is counted in births.
 *
 * Of a hundred objects 90 die within 256 births, 8 within 16,384, and of the last two three in
 * four within a million; the rest lives until the end.  Most objects have 24 to 128 bytes, some
 * are arrays of up to 8 KiB.
 *
 * Stands for: programs in object-oriented style, and the runtimes of languages whose objects go
 * to malloc: the few old ones end up between the many young.
 * Cares: language implementers, and authors of C++ with many temporaries: what the many cost, and
 * whether the few hold pages and cache lines of the dead.
 * Source: David Ungar, "Generation scavenging" (1984), for what is now called the weak
 * generational hypothesis; David Detlefs, Al Dosser, Benjamin Zorn, "Memory allocation costs in
 * large C and C++ programs" (1994), and David Barrett and Benjamin Zorn, "Using lifetime
 * predictors to improve memory allocation performance" (PLDI 1993), for how true it is of C.
 */
#include "workload.h"

enum {
	BIRTHS = 40000000,
	YOUNG = 1 << 8, /* births that an object of each kind lives to see, at most */
	MIDDLE = 1 << 14,
	OLD = 1 << 20,
	LAST_DAY = OLD /* the place in the calendar of those that live until the end */
};

struct object {
	struct object *next; /* with the same day of death */
	size_t nbytes;
};

/* By day of death modulo OLD; and those with none. */
static struct object **calendar;

static size_t random_size(struct random *r)
{
	uint64_t percent = random_below(r, 100);

	if (percent < 90)
		return random_between(r, 24, 128);
	if (percent < 99)
		return random_between(r, 128, 1024);
	return random_between(r, 1024, 8192);
}

static size_t random_death(struct random *r, uint64_t now)
{
	uint64_t chance = random_below(r, 1000), life;

	if (chance < 900)
		life = random_between(r, 1, YOUNG - 1);
	else if (chance < 980)
		life = random_between(r, YOUNG, MIDDLE - 1);
	else if (chance < 995)
		life = random_between(r, MIDDLE, OLD - 1);
	else
		return LAST_DAY;
	return (now + life) % OLD;
}

static void birth(struct workload_thread *self, uint64_t now)
{
	size_t nbytes = random_size(&self->random), day = random_death(&self->random, now);
	struct object *object = workload_alloc(self, nbytes);

	memset(object, (int)nbytes, nbytes);
	*object = (struct object){calendar[day], nbytes};
	calendar[day] = object;
}

/* Ends the objects whose day it is; the sum of what was read of them. */
static uint64_t deaths(struct workload_thread *self, size_t day)
{
	struct object *object, *next;
	uint64_t sum = 0;

	for (object = calendar[day]; object; object = next) {
		next = object->next;
		sum += object->nbytes + ((unsigned char *)object)[object->nbytes - 1];
		workload_free(self, object, object->nbytes);
	}
	calendar[day] = NULL;
	return sum;
}

int main(int argc, char **argv)
{
	struct workload_thread *self;
	uint64_t births, sum = 0;

	workload_start(argc, argv, "generational", NULL);
	self = workload_main_thread();
	births = workload_scaled(BIRTHS);
	calendar = workload_table((LAST_DAY + 1) * sizeof *calendar);
	for (uint64_t now = 0; now < births; now++) {
		sum += deaths(self, now % OLD);
		birth(self, now);
	}
	for (size_t day = 0; day <= LAST_DAY; day++)
		sum += deaths(self, day);
	return workload_end(sum);
}
