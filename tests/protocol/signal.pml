/*
 * Signal handlers that call malloc and free in the middle of their thread's slow path (cache/cache.h,
 * cache/free.c, cache/deferred.c).  The thread does nothing until the handler returns.
 *
 *	cache_enter()	notes that the thread is inside, and shuts its fast path
 *	handler		its fast path finds no magazine, its slow path that the thread is inside: malloc is
 *			served from early memory (not here), free leaves the object in the list of deferred ones
 *	deferred_add()	links the object to the head that was seen, and exchanges it for that, if it is the head
 *			still
 *	deferred_take()	a slow path takes all with one exchange, and frees them
 *
 * Two handlers come at any moment, one after the other or one in the other; another thread frees deferred
 * objects too.  The fast path is one step here: a handler in the middle of its few instructions may break the
 * heap (docs/locking.md).
 *
 * Proved: no deadlock, and no lock asked for that the thread holds; no object is lost, none in two places.
 *
 * BROKEN: the fast path stays open while the thread is inside.
 * BROKEN_INSIDE: a handler does not look whether the thread is inside.
 * BROKEN_LINK: the link is written after the exchange.
 */
#define CALLS	 2 /* of thread 0 */
#define OBJECTS	 4
#define CAPACITY 2 /* of its magazine */
#define NONE	 255
#define UNKNOWN	 254

mtype = {HOME, HELD, USED, DEFERRED};

mtype place[OBJECTS] = USED;
byte slot[CAPACITY] = NONE, last = 0; /* the magazine */
bool inside = false, open = true;
byte head = NONE, link[OBJECTS] = UNKNOWN; /* deferred objects */
byte lock = NONE;			   /* the arena's */
byte turn = 1;	    /* which process thread 0 runs: itself (1), a handler (2, 3) */
bool was_called[4]; /* each handler */
byte running = 4;

inline take_lock()
{
	assert(lock != me);
	atomic { lock == NONE -> lock = me }
}

inline give_lock()
{
	d_step {
		assert(lock == me);
		lock = NONE
	}
}

inline give_home(x)
{
	take_lock();
	d_step {
		assert(place[x] == HELD);
		place[x] = HOME
	};
	give_lock()
}

inline take()
{
	d_step {
		last--;
		assert(place[slot[last]] == HELD);
		place[slot[last]] = USED
	}
}

inline push(x)
{
	d_step {
		assert(place[x] == HELD);
		slot[last] = x;
		last++
	}
}

inline enter()
{
	inside = true;
#ifndef BROKEN
	open = false
#endif
}

inline leave()
{
	open = true;
	inside = false
}

inline free_deferred()
{
	d_step {
		o = head;
		head = NONE
	};
	do
	:: o == NONE -> break
	:: else ->
		after = link[o];
		d_step {
			assert(after != UNKNOWN && place[o] == DEFERRED);
			link[o] = UNKNOWN;
			place[o] = HELD
		};
		give_home(o);
		o = after;
		after = 0
	od;
	o = 0
}

/* Takes up to two objects that are home. */
inline fill()
{
	take_lock();
	do
	:: n < CAPACITY && o < OBJECTS ->
		d_step {
			if
			:: place[o] == HOME ->
				place[o] = HELD;
				slot[n] = o;
				n++
			:: else -> skip
			fi;
			o++
		}
	:: else -> break
	od;
	give_lock();
	last = n;
	n = 0;
	o = 0
}

inline call_malloc()
{
	if
	:: atomic { open && last -> take() }
	:: else ->
		if
#ifndef BROKEN_INSIDE
		:: inside -> skip /* early memory */
#endif
		:: else ->
			enter();
			if
			:: last == 0 -> fill()
			:: else -> skip
			fi;
			if
			:: last -> take()
			:: else -> skip
			fi;
			leave()
		fi
	fi
}

inline deferred_add()
{
	place[freed] = DEFERRED;
	o = head;
	do
	::
#ifndef BROKEN_LINK
	   link[freed] = o;
#endif
	   atomic {
		   if
		   :: head == o -> head = freed; break
		   :: else -> o = head
		   fi
	   }
	od;
#ifdef BROKEN_LINK
	link[freed] = o;
#endif
	o = 0
}

/* Makes room in the magazine, if it is full. */
inline spill()
{
	if
	:: last == CAPACITY ->
		give_home(slot[0]);
		slot[0] = slot[1];
		last--
	:: else -> skip
	fi
}

/* Of any object that is in use, by who claims it. */
inline call_free()
{
	atomic {
		if
		:: place[0] == USED -> freed = 0
		:: place[1] == USED -> freed = 1
		:: place[2] == USED -> freed = 2
		:: place[3] == USED -> freed = 3
		fi;
		place[freed] = HELD
	};
	if
	:: atomic { open && last < CAPACITY -> push(freed) }
	:: else ->
		if
#ifndef BROKEN_INSIDE
		:: inside -> deferred_add()
#endif
		:: else ->
			enter();
			free_deferred();
			spill();
			push(freed);
			leave()
		fi
	fi;
	freed = 0
}

inline call()
{
	if
	:: true -> call_malloc()
	:: call_free()
	fi
}

proctype thread(byte me) provided (turn == _pid)
{
	byte o, after, n, freed, calls = 0;

	do
	:: calls < CALLS -> calls++; call()
	:: else -> break
	od;
	running--
}

/* On thread 0. */
proctype handler(byte me) provided (!was_called[_pid] || turn == _pid)
{
	byte o, after, n, freed, before;

	d_step {
		before = turn;
		turn = _pid;
		was_called[_pid] = true
	};
	call();
	d_step {
		running--;
		turn = before
	}
}

proctype other(byte me)
{
	byte o, after;

	free_deferred();
	free_deferred();
	running--
}

proctype afterwards()
{
	byte o;

	atomic {
		running == 0;
		do
		:: o < OBJECTS ->
			assert(place[o] != DEFERRED || link[o] != UNKNOWN && head != NONE);
			assert(place[o] != HELD || last > 0 && slot[0] == o || last > 1 && slot[1] == o);
			o++
		:: else -> break
		od
	}
}

init {
	atomic {
		place[2] = HOME;
		place[3] = HOME;
		run thread(0);
		run handler(0);
		run handler(0);
		run other(1);
		run afterwards()
	}
}
