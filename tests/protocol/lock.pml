/*
 * A lock for which threads sleep, and whose holder lets them come first (os/lock.c).
 *
 *	lock_acquire()	takes the lock if it is free; else marks it as waited for, and sleeps while it is held
 *			and marked
 *	lock_release()	wakes a thread, if the lock was marked
 *	lock_yield()	does the same, and if it woke one sleeps too while the lock is free, for some time at
 *			most; then it takes the lock again
 *
 * Who has slept marks the lock when it takes it, since others may sleep still.
 *
 * Proved: one thread at a time holds the lock; none sleeps for ever.
 *
 * BROKEN: who yields takes the lock again without the mark.
 * BROKEN_SLEPT: so does who has slept for it.
 */
#define THREADS 2 /* that come and go, beside the one that yields */
#define TIMES	2 /* that each takes the lock */
#define YIELDS	3
#define NOBODY	255

byte owner = NOBODY; /* this and the mark are one word */
bool marked = false;
bool asleep[THREADS + 1];

inline try(mark)
{
	atomic {
		taken = owner == NOBODY;
		if
		:: taken -> owner = me; marked = mark
		:: else -> skip
		fi
	}
}

inline sleep_until_taken(mark)
{
	do
	:: true ->
		try(mark);
		if
		:: taken -> break
		:: else -> skip
		fi;
		atomic { seen = owner; mark_seen = marked };
		if
		:: seen == NOBODY -> skip
		:: else ->
			atomic {
				if
				:: !mark_seen && owner == seen && !marked -> marked = true; mark_seen = true
				:: else -> skip
				fi
			};
			atomic { asleep[me] = mark_seen && owner == seen && marked };
			!asleep[me]
		fi
	od
}

/* Which one is chance. */
inline wake()
{
	atomic {
		woken = true;
		if
		:: asleep[0] -> asleep[0] = false
		:: asleep[1] -> asleep[1] = false
		:: asleep[2] -> asleep[2] = false
		:: else -> woken = false
		fi
	}
}

/* mark_seen: a thread is to be woken. */
inline leave()
{
	atomic {
		assert(owner == me);
		mark_seen = marked;
		owner = NOBODY;
		marked = false
	}
}

inline acquire()
{
	try(false);
	if
	:: taken -> skip
	:: else ->
#ifdef BROKEN_SLEPT
		sleep_until_taken(false)
#else
		sleep_until_taken(true)
#endif
	fi
}

inline release()
{
	leave();
	if
	:: mark_seen -> wake()
	:: else -> skip
	fi
}

inline yield()
{
	if
	:: marked ->
		leave();
		woken = false;
		if
		:: mark_seen -> wake()
		:: else -> skip
		fi;
		if
		:: woken ->
			atomic { asleep[me] = owner == NOBODY };
			if
			:: !asleep[me]
			:: asleep[me] = false /* the time is over */
			fi
		:: else -> skip
		fi;
#ifdef BROKEN
		acquire()
#else
		sleep_until_taken(true)
#endif
	:: else -> skip
	fi
}

proctype thread(byte me)
{
	byte seen, times = 0;
	bool taken, mark_seen, woken;

	do
	:: times < TIMES ->
		acquire();
		release();
		times++
	:: else -> break
	od
}

proctype yielder(byte me)
{
	byte seen, times = 0;
	bool taken, mark_seen, woken;

	acquire();
	do
	:: times < YIELDS -> yield(); times++
	:: else -> break
	od;
	release()
}

init {
	atomic {
		run thread(0);
		run thread(1);
		run yielder(2)
	}
}
