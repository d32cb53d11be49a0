/*
 * Thread caches and threads that end (cache/caches.c, os/robust.c): a cache is a robust mutex that its thread
 * takes once and never gives back; when the thread is gone the kernel says so to the next who tries.
 *
 *	try_hold()	tries the mutex, never waits.  A cache whose thread ended inside a slow path may be half
 *			changed: it is lost
 *	cache_bind()	a new thread adopts a cache whose thread is gone, with all that is in it, else makes one
 *	reap()		gives home what is in such a cache, and lets it go
 *	fast path	takes and puts an object in several stores, whose order counts: a thread may be killed
 *			between any two (asynchronous cancellation), or be missing so in a forked child
 *
 * One thread may be killed anywhere, and one may end without the kernel marking its mutex.
 *
 * Proved: no deadlock; no object is given twice; what a magazine holds bears its mark; unless a thread was
 * killed inside or not marked, all objects are home in the end, but for one in the hands of a killed one.
 *
 * BROKEN: inside is not looked at.
 * BROKEN_REAP: who flushes the cache of a thread that is gone does not note that it is inside that cache.
 * BROKEN_TAKE: the mark is wiped before the object is off the magazine.
 * BROKEN_PUT: the object is noted in the magazine before it is marked.
 */
#define THREADS 2
#define CALLS	3 /* of each thread */
#define CACHES	2
#define OBJECTS 3
#define CAPACITY 2
#define NONE	255

#define SLOT(c, i) slot[(c) * CAPACITY + (i)]

mtype = {HOME, CACHED, USED};

byte holder[CACHES] = NONE;
bool gone[CACHES]; /* marked by the kernel: its holder is no more, and nobody has been told */
bool lost[CACHES], inside[CACHES];
byte slot[CACHES * CAPACITY], last[CACHES]; /* magazines: objects, how many */

bool is_home[OBJECTS] = true; /* free in the slab */
bool marked[OBJECTS] = true;
mtype where[OBJECTS] = HOME;

byte killed = NONE; /* this thread stops, wherever it is */
bool was_killed, unmarked;
byte running = THREADS;

/* held = whether `me` holds cache c now */
inline try_hold(c)
{
	held = false;
	if
	:: lost[c] -> skip
	:: else ->
		d_step { /* the kernel's word on the mutex */
			held = holder[c] == NONE || gone[c];
			died = gone[c];
			if
			:: held ->
				holder[c] = me;
				gone[c] = false
			:: else -> skip
			fi
		};
		if
		:: held && died ->
#ifndef BROKEN
			lost[c] = inside[c]
#else
			skip
#endif
		:: else -> skip
		fi;
		if
		:: held && lost[c] ->
			holder[c] = NONE;
			held = false
		:: else -> skip
		fi;
		died = false
	fi
}

/* Under the arena's lock, see batches.pml. */
inline give_one(x)
{
	d_step {
		assert(!is_home[x] && where[x] == CACHED && marked[x]);
		is_home[x] = true;
		where[x] = HOME
	}
}

inline flush(c)
{
	i = 0;
	do
	:: i < last[c] -> give_one(SLOT(c, i)); i++
	:: else -> break
	od;
	i = 0;
	last[c] = 0
}

inline reap(c)
{
	try_hold(c);
	if
	:: held ->
#ifndef BROKEN_REAP
		inside[c] = true;
#endif
		flush(c);
#ifndef BROKEN_REAP
		inside[c] = false;
#endif
		holder[c] = NONE;
		held = false
	:: else -> skip
	fi
}

inline fill(c)
{
	inside[c] = true;
	i = 0;
	do
	:: i < OBJECTS && !is_home[i] -> i++
	:: i < OBJECTS && is_home[i] ->
		d_step {
			if
			:: is_home[i] ->
				assert(where[i] == HOME);
				is_home[i] = false;
				marked[i] = true;
				where[i] = CACHED;
				SLOT(c, 0) = i;
				i = NONE
			:: else -> skip
			fi
		}
	:: i == OBJECTS -> break
	:: i == NONE -> last[c] = 1; break
	od;
	i = 0;
	inside[c] = false
}

inline call_malloc(c)
{
	if
	:: last[c] == 0 -> fill(c)
	:: else -> skip
	fi;
	if
	:: last[c] ->
		o = SLOT(c, last[c] - 1);
		assert(where[o] == CACHED && marked[o]);
#ifdef BROKEN_TAKE
		marked[o] = false;
#endif
		last[c]--;
		d_step {
			marked[o] = false;
			where[o] = USED;
			o = 0
		}
	:: else -> skip
	fi
}

/* Of an object that any thread allocated; not executable where there is none. */
inline call_free(c)
{
	atomic {
		if
		:: where[0] == USED -> o = 0
		:: where[1] == USED -> o = 1
		:: where[2] == USED -> o = 2
		fi;
		where[o] = CACHED
	};
	if
	:: last[c] == CAPACITY ->
		inside[c] = true;
		give_one(SLOT(c, 0));
		SLOT(c, 0) = SLOT(c, 1);
		last[c]--;
		inside[c] = false
	:: else -> skip
	fi;
#ifndef BROKEN_PUT
	marked[o] = true;
#endif
	SLOT(c, last[c]) = o;
	last[c]++;
#ifdef BROKEN_PUT
	marked[o] = true;
#endif
	o = 0
}

/* Slow paths of its own begin and end in between, which is nobody else's concern. */
inline call_reap(c)
{
	inside[c] = true;
	reap(1 - c);
	inside[c] = false
}

/* The first of the two mutexes may have been replaced in the list that the kernel reads. */
inline mark(c, by_kernel)
{
	if
	:: holder[c] == me && by_kernel -> gone[c] = true
	:: holder[c] == me && !by_kernel -> unmarked = true
	:: else -> skip
	fi
}

proctype thread(byte me)
{
	byte mine, i, o, calls = 0;
	bool held, died;

	{
		try_hold(0);
		if
		:: !held -> mine = 1; try_hold(1)
		:: else -> skip
		fi;
		if
		:: held -> /* adopted, or made: the same here */
			held = false;
			do
			:: calls < CALLS ->
				calls++;
				if
				:: true -> call_malloc(mine)
				:: call_free(mine)
				:: call_reap(mine)
				fi
			:: else -> break
			od
		:: else -> skip /* of the shared cache, which has no magazines */
		fi
	} unless {
		killed == me -> was_killed = true
	};
	atomic {
		mine = 0;
		i = 0;
		o = 0;
		calls = 0;
		held = false;
		died = false;
		if
		:: true -> mark(0, true); mark(1, true)
		:: me == 0 && killed != me -> mark(0, false); mark(1, false)
		fi;
		running--
	}
}

proctype killer()
{
	if
	:: killed = 0
	:: killed = 1
	:: skip
	fi
}

/* All that is there is reaped. */
proctype afterwards(byte me)
{
	byte i, missing;
	bool held, died;

	running == 0;
	reap(0);
	reap(1);
	d_step {
		missing = (where[0] == CACHED) + (where[1] == CACHED) + (where[2] == CACHED);
		assert(missing == 0 || was_killed || unmarked);
		assert(missing <= 1 || lost[0] || lost[1] || unmarked)
	}
}

init {
	atomic {
		run thread(0);
		run thread(1);
		run killer();
		run afterwards(THREADS)
	}
}
