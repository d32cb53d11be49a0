/*
 * The depot (cache/depot.c): objects of full magazines on their way to empty ones, in crates.  A crate is an
 * array of a pool that all threads share, so that one that was given back is soon another thread's.  There are
 * two shards, each with a shelf and a lock: thread 2 is of one, the others are of the other.
 *
 *	depot_put()		fills a crate without the lock, and links it on the shelf of the thread's shard
 *	depot_take()		takes the last objects of the newest crate of its shard, or if that has none, of the
 *				other: who takes all of them unlinks the crate under the lock, and copies them
 *				afterwards; who takes some copies them under it
 *	depot_take_idle()	the same of those that were there since depot_settle() was called
 *
 * Proved: no deadlock; no object is lost, none is in two places; the counts of each shelf are those of its
 * crates; of what came since the depot was settled, idle objects are none.
 *
 * BROKEN: some objects of a crate are copied after the lock is given back.
 * BROKEN_COPY: a crate is given back before its objects are copied.
 * BROKEN_LINK: a crate is linked before it is filled.
 * BROKEN_FREE: who took objects of a crate gives it back, though others are left in it.
 * BROKEN_SHARD: who takes from the other shard locks the shelf of its own.
 */
#define THREADS 3
#define CALLS	2 /* of each thread */
#define OBJECTS 4
#define CRATES	2
#define SIZE	2 /* objects in a crate at most */
#define NONE	255

#define DEPOT	THREADS /* a place of objects, beside the threads */
#define SHARDS	2
#define OWN	(me == 2) /* the thread's shard */

byte place[OBJECTS];

/* Of each shelf. */
byte lock[SHARDS] = NONE, head[SHARDS] = NONE;
byte objects[SHARDS] = 0, least[SHARDS] = 0;
byte next[CRATES], count[CRATES], held[CRATES * SIZE];
bool in_pool[CRATES] = true;
byte running = THREADS;

inline pool_alloc()
{
	d_step {
		if
		:: in_pool[0] -> crate = 0
		:: !in_pool[0] && in_pool[1] -> crate = 1
		:: else -> crate = NONE
		fi;
		if
		:: crate != NONE ->
			in_pool[crate] = false;
			count[crate] = 0;
			held[crate * SIZE] = NONE;
			held[crate * SIZE + 1] = NONE
		:: else -> skip
		fi
	}
}

inline pool_free(c)
{
	d_step {
		assert(!in_pool[c]);
		in_pool[c] = true
	}
}

#ifndef BROKEN_SHARD
#define LOCK lock[at]
#else
#define LOCK lock[OWN]
#endif

inline take_lock()
{
	atomic { LOCK == NONE -> LOCK = me }
}

inline give_lock()
{
	d_step {
		assert(LOCK == me && least[at] <= objects[at]);
		LOCK = NONE
	}
}

/* Puts the n lowest of what the thread has. */
inline fill_crate()
{
	i = 0;
	o = 0;
	do
	:: i < n ->
		d_step {
			do
			:: place[o] != me -> o++
			:: else -> break
			od;
			held[crate * SIZE + i] = o;
			i++;
			o++
		}
	:: else -> break
	od;
	count[crate] = n;
	i = 0;
	o = 0
}

/* The objects that were put are the depot's from now on, to the proof. */
inline note_put()
{
	i = 0;
	do
	:: i < n ->
		assert(place[held[crate * SIZE + i]] == me);
		place[held[crate * SIZE + i]] = DEPOT;
		i++
	:: else -> break
	od;
	i = 0
}

inline depot_put()
{
	d_step {
		n = (place[0] == me) + (place[1] == me) + (place[2] == me) + (place[3] == me);
		if
		:: n > SIZE -> n = SIZE
		:: else -> skip
		fi
	};
	crate = NONE;
	if
	:: n -> pool_alloc()
	:: else -> skip
	fi;
	if
	:: crate != NONE ->
#ifndef BROKEN_LINK
		fill_crate();
#endif
		at = OWN;
		take_lock();
		next[crate] = head[at];
		head[at] = crate;
		objects[at] = objects[at] + n;
#ifndef BROKEN_LINK
		d_step { note_put() };
#endif
		give_lock();
#ifdef BROKEN_LINK
		fill_crate();
		d_step { note_put() }
#endif
	:: else -> skip
	fi;
	crate = 0;
	at = 0;
	n = 0
}

/* Copies the objects from the crate's end. */
inline copy()
{
	i = 0;
	do
	:: i < n ->
		d_step {
			o = held[crate * SIZE + left + i];
			assert(o != NONE);
			assert(place[o] == DEPOT);
			place[o] = me;
			o = 0;
			i++
		}
	:: else -> break
	od;
	i = 0
}

/* Up to `most` objects. */
inline take_locked()
{
	crate = head[at];
	emptied = NONE;
	n = 0;
	if
	:: crate != NONE && most ->
		n = (count[crate] < most -> count[crate] : most);
		left = count[crate] - n;
		count[crate] = left;
		if
		:: left == 0 ->
			head[at] = next[crate];
			emptied = crate
		:: else ->
#ifndef BROKEN
			copy();
			n_copied = n;
#endif
#ifdef BROKEN_FREE
			emptied = crate
#else
			skip
#endif
		fi;
		objects[at] = objects[at] - n;
		least[at] = (objects[at] < least[at] -> objects[at] : least[at])
	:: else -> skip
	fi
}

inline end_of_take()
{
	give_lock();
	taken = n > 0;
#ifdef BROKEN_COPY
	if
	:: emptied != NONE -> pool_free(emptied)
	:: else -> skip
	fi;
#endif
	n = n - n_copied;
	copy();
#ifndef BROKEN_COPY
	if
	:: emptied != NONE -> pool_free(emptied)
	:: else -> skip
	fi;
#endif
	n_copied = 0;
	crate = 0;
	left = 0;
	n = 0;
	most = 0;
	emptied = 0
}

inline take_from_shelf()
{
	if
	:: most = 1
	:: most = 2
	fi;
	take_lock();
	take_locked();
	end_of_take()
}

inline take_idle_from_shelf()
{
	take_lock();
	idle = least[at];
	most = (idle < 2 -> idle : 2);
	take_locked();
	least[at] = idle - n;
	idle = 0;
	end_of_take()
}

/* Whether there are objects is read without the lock. */
inline depot_take()
{
	at = OWN;
	if
	:: objects[at] -> take_from_shelf()
	:: else -> skip
	fi;
	at = 1 - at;
	if
	:: !taken && objects[at] -> take_from_shelf()
	:: else -> skip
	fi;
	taken = false;
	at = 0
}

inline depot_take_idle()
{
	at = OWN;
	if
	:: objects[at] -> take_idle_from_shelf()
	:: else -> skip
	fi;
	at = 1 - at;
	if
	:: !taken && objects[at] -> take_idle_from_shelf()
	:: else -> skip
	fi;
	taken = false;
	at = 0
}

/* Of one shelf; which is of no matter, since they are settled one after the other. */
inline depot_settle()
{
	if
	:: at = 0
	:: at = 1
	fi;
	take_lock();
	least[at] = objects[at];
	give_lock();
	at = 0
}

proctype thread(byte me)
{
	byte at, crate, emptied, left, n, n_copied, most, idle, i, o, calls = 0;
	bool taken = false;

	do
	:: calls < CALLS ->
		calls++;
		if
		:: true -> depot_put()
		:: true -> depot_take()
		:: true -> depot_take_idle()
		:: true -> depot_settle()
		fi
	:: else -> break
	od;
	running--
}

inline count_shelf(at)
{
	crate = head[at];
	n = 0;
	do
	:: crate != NONE ->
		assert(!in_pool[crate] && count[crate]);
		n = n + count[crate];
		crate = next[crate]
	:: else -> break
	od;
	assert(n == objects[at])
}

proctype afterwards()
{
	byte crate, n;

	atomic {
		running == 0;
		count_shelf(0);
		count_shelf(1);
		n = objects[0] + objects[1];
		assert(n == (place[0] == DEPOT) + (place[1] == DEPOT) + (place[2] == DEPOT) + (place[3] == DEPOT))
	}
}

init {
	atomic {
		place[2] = 1;
		place[3] = 1;
		run thread(0);
		run thread(1);
		run thread(2);
		run afterwards()
	}
}
