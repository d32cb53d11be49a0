/*
 * Holding and adopting arenas (arena/registry.c): an arena is a robust mutex.  Its thread takes it once
 * and never gives it back; when the thread is gone the kernel says so to the next who tries.
 *
 *	try_hold()        the mutex is tried, never waited for; of an owner that died while the arena was
 *	                  busy the arena is retired, for it may be half changed
 *	registry_bind()   a new thread adopts one that nobody holds, else makes one
 *	registry_tend()   one who frees to an arena that nobody holds cleans it, and lets it go again
 *	arena_begin()     busy while it is changed
 *
 * Proved: two threads never change one arena at once; an arena that was left half changed is never
 * changed again.
 *
 * BROKEN: an arena whose owner died is taken without a look at busy.
 */
#define ARENAS	2
#define THREADS 3
#define NOBODY	255

byte holder[ARENAS] = NOBODY;
bool dead[ARENAS];    /* its owner died and nobody has been told yet */
bool busy[ARENAS];
bool retired[ARENAS];
bool half[ARENAS];    /* a change is under way, or never came to its end */
byte inside[ARENAS];  /* threads that change it at this moment */

/* held = whether `me` holds arena a now */
inline try_hold(a)
{
	atomic { /* the kernel's word on the mutex */
		held = false;
		died = false;
		if
		:: retired[a] || holder[a] != NOBODY && !dead[a] -> skip
		:: else ->
			died = dead[a];
			dead[a] = false;
			holder[a] = me;
			held = true
		fi
	};
	if
	:: held && died ->
#ifndef BROKEN
		retired[a] = busy[a]
#else
		skip
#endif
	:: else -> skip
	fi;
	if
	:: held && retired[a] -> atomic { holder[a] = NOBODY; held = false }
	:: else -> skip
	fi
}

/* What the holder does between arena_begin() and arena_end(); may be where the thread is killed. */
inline change(a)
{
	busy[a] = true;
	assert(!half[a]);
	half[a] = true;
	inside[a]++;
	assert(inside[a] == 1);
	if
	:: inside[a]--; half[a] = false; busy[a] = false
	:: atomic { inside[a]--; dead[a] = true; goto gone } /* asynchronous cancellation */
	fi
}

proctype thread(byte me)
{
	byte mine = 0;
	bool held, died;

	/* registry_bind() */
	do
	:: mine < ARENAS ->
		try_hold(mine);
		if
		:: held -> break
		:: else -> mine++
		fi
	:: else -> goto gone /* makes one of its own, which is nobody's concern here */
	od;
	change(mine);
	/* registry_tend() of the other */
	try_hold(1 - mine);
	if
	:: held ->
		change(1 - mine);
		atomic { holder[1 - mine] = NOBODY }
	:: else -> skip
	fi;
	change(mine);
	atomic { dead[mine] = true }; /* the thread ends */
gone:
	/* all that it held is marked by the kernel */
	atomic {
		if
		:: holder[0] == me -> dead[0] = true
		:: else -> skip
		fi;
		if
		:: holder[1] == me -> dead[1] = true
		:: else -> skip
		fi
	}
}

init {
	byte i = 0;

	atomic {
		do
		:: i < THREADS -> run thread(i); i++
		:: else -> break
		od
	}
}
