/*
 * The ring of arenas (arena/ring.c): a thread locks the arena that it used last; if that is locked, another
 * that is not; if all are, it makes one more while there are fewer than arena_max; else it waits.
 *
 *	ring_lock()		as above; notes which one it was
 *	ring_lock_this()	waits for one arena, whose object is freed
 *
 * Threads for which there is no memory share one cache, and so the note of what was used last.
 *
 * Proved: no deadlock; an arena is changed by who locked it, and by one at a time; there are never more than
 * arena_max.
 *
 * BROKEN: what was used last is read again after it was locked.
 * BROKEN_MAKE: arenas are counted before the ring lock is taken.
 * BROKEN_TWO: an arena is locked while another is.
 */
#define THREADS 3 /* the last two share a cache */
#define CALLS	2 /* of each thread */
#define MOST	2 /* arena_max */
#define ROOM	4
#define NONE	255

byte lock[ROOM] = NONE, next[ROOM] = NONE;
byte inside[ROOM]; /* threads that change it */
byte all = 0, count = 1;
byte ring = NONE; /* the ring lock */
byte last[2];	  /* that a cache's threads used last */

inline try(b)
{
	atomic {
		locked = lock[b] == NONE;
		if
		:: locked -> lock[b] = me
		:: else -> skip
		fi
	}
}

inline wait_for(b)
{
	atomic { lock[b] == NONE -> lock[b] = me }
}

inline unlock(b)
{
	assert(lock[b] == me);
	lock[b] = NONE
}

/* Another one that is not locked, the ring once round. */
inline lock_another()
{
	b = next[a];
	do
	:: b == a -> break
	:: b == NONE ->
		b = all;
		if
		:: b == a -> break
		:: else -> skip
		fi
	:: else ->
		try(b);
		if
		:: locked -> break
		:: else -> b = next[b]
		fi
	od
}

inline make()
{
#ifdef BROKEN_MAKE
	enough = count >= MOST;
#endif
	atomic { ring == NONE -> ring = me };
#ifndef BROKEN_MAKE
	enough = count >= MOST;
#endif
	if
	:: !enough ->
		b = count;
		lock[b] = me;
		next[b] = all;
		all = b;
		count++;
		assert(count <= MOST);
		locked = true
	:: else -> skip
	fi;
	ring = NONE
}

inline ring_lock()
{
	a = last[cache];
	try(a);
	if
	:: locked ->
#ifdef BROKEN
		a = last[cache]
#else
		skip
#endif
	:: else ->
		a = last[cache];
		lock_another();
		if
		:: !locked -> make()
		:: else -> skip
		fi;
		if
		:: !locked -> b = last[cache]; wait_for(b)
		:: else -> skip
		fi;
		a = b;
		last[cache] = b
	fi;
	b = 0;
	locked = false;
	enough = false
}

inline change(x)
{
	assert(lock[x] == me);
	inside[x]++;
	assert(inside[x] == 1);
	inside[x]--
}

/* Frees an object of any arena. */
inline ring_lock_this()
{
	if
	:: a = 0
	:: count > 1 -> a = 1
	fi;
	wait_for(a)
}

proctype thread(byte me, cache)
{
	byte a, b, calls = 0;
	bool locked, enough;

	do
	:: calls < CALLS ->
		calls++;
		if
		:: ring_lock()
		:: ring_lock_this()
		fi;
		change(a);
#ifdef BROKEN_TWO
		b = 1 - a;
		if
		:: b < count -> wait_for(b); change(b); unlock(b)
		:: else -> skip
		fi;
		b = 0;
#endif
		unlock(a);
		a = 0
	:: else -> break
	od
}

init {
	atomic {
		run thread(0, 0);
		run thread(1, 1);
		run thread(2, 1)
	}
}
