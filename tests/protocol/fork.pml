/*
 * fork (api/fork.c): no lock of loam is held across it, and the child mends what threads that it does not have
 * were changing.
 *
 *	streams   libc's lock of the list of streams: fork takes it, and fflush(NULL)
 *	stream    the lock of one: fflush(NULL) takes it within the other, getline() alone
 *	zone      loam's: getline() takes it for memory, with its stream locked
 *
 *	in the child, of a lock that another thread held at the fork:
 *	zone_recover()   what is behind it is made whole again; the lock is free
 *
 * Behind the zone's lock is one block of two pages.  Its lower page is taken and given back, by which the block
 * is split and merged; the upper page is always free.
 *
 * Proved: no deadlock; in the child the zone is whole, and the upper page free.
 *
 * BROKEN: fork takes the zone's lock before libc takes its own.
 * BROKEN_TRUST: the child trusts what it finds.
 * BROKEN_ORDER: what was free is forgotten before what is free is noted.
 */
#define FREE  255

byte streams = FREE, stream = FREE, zone = FREE;
bool whole = true, upper = false; /* which blocks are noted as free */

byte child_zone; /* the child's memory: a copy */
bool child_whole, child_upper;
bool forked = false;

inline take(lock, who)
{
	atomic { lock == FREE -> lock = who }
}

inline give(lock)
{
	lock = FREE
}

/* Takes the lower page if the block is whole, else gives it back; zone lock. */
inline change()
{
	if
#ifndef BROKEN_ORDER
	:: whole -> upper = true; whole = false
	:: else -> whole = true; upper = false
#else
	:: whole -> whole = false; upper = true
	:: else -> upper = false; whole = true
#endif
	fi
}

/* A thread in getline(). */
proctype reader(byte me)
{
	byte times = 0;

	do
	:: times < 2 ->
		times++;
		take(stream, me);
		take(zone, me);
		change();
		give(zone);
		give(stream)
	:: else -> break
	od
}

/* A thread in fflush(NULL). */
proctype flusher(byte me)
{
	take(streams, me);
	take(stream, me);
	give(stream);
	give(streams)
}

/* A thread in malloc(). */
proctype worker(byte me)
{
	take(zone, me);
	change();
	give(zone)
}

proctype forker(byte me)
{
#ifdef BROKEN
	take(zone, me);
#endif
	take(streams, me);
	atomic {
		child_zone = zone;
		child_whole = whole;
		child_upper = upper;
		forked = true
	};
	give(streams);
#ifdef BROKEN
	give(zone)
#endif
}

proctype child(byte me)
{
	forked;
	if
	:: child_zone != FREE && child_zone != me ->
#ifndef BROKEN_TRUST
		child_upper = child_upper && !child_whole;
#endif
		child_zone = FREE
	:: else -> child_zone = FREE
	fi;
	assert(child_whole != child_upper)
}

init {
	atomic {
		run reader(0);
		run reader(1);
		run flusher(2);
		run worker(3);
		run forker(4);
		run child(4)
	}
}
