/*
 * fork (api/fork.c): the locks are taken in the order of their ranks around it, so that the child finds
 * what they protect whole; the child of a fork without handlers (_Fork, clone) gives up what another
 * thread was changing.
 *
 *	loam_prefork()        takes all locks, the highest rank first
 *	loam_postfork_...()   gives them back, in parent and child
 *	x_recover()           in the child: of a lock that another thread held at the fork, what it
 *	                      protects is begun anew
 *
 * Proved: no deadlock; the child never uses what was half changed.
 *
 * BROKEN: the child trusts what it finds.
 */
#define LOCKS  2
#define FREE   255
#define CHILD  9

byte lock[LOCKS] = FREE;
bool half[LOCKS];	  /* what it protects is being changed */
byte child_lock[LOCKS];	  /* the child's memory: a copy */
bool child_half[LOCKS];
bool forked = false;

inline take(l, who)
{
	atomic { lock[l] == FREE -> lock[l] = who }
}

inline give(l)
{
	lock[l] = FREE
}

/* Takes one lock, or one within the other, in the order of ranks. */
proctype worker(byte me)
{
	byte times = 0;

	do
	:: times < 2 ->
		times++;
		if
		:: take(0, me);
		   half[0] = true;
		   if
		   :: take(1, me);
		      half[1] = true;
		      half[1] = false;
		      give(1)
		   :: skip
		   fi;
		   half[0] = false;
		   give(0)
		:: take(1, me);
		   half[1] = true;
		   half[1] = false;
		   give(1)
		fi
	:: else -> break
	od
}

inline copy()
{
	atomic {
		child_lock[0] = lock[0];
		child_lock[1] = lock[1];
		child_half[0] = half[0];
		child_half[1] = half[1];
		forked = true
	}
}

proctype forker(byte me)
{
	if
	:: take(0, me);
	   take(1, me);
	   copy();
	   give(1);
	   give(0)
	:: copy() /* no handlers */
	fi
}

proctype child(byte me)
{
	byte l = 0;

	forked;
	do
	:: l < LOCKS ->
		if
		:: child_lock[l] == me -> child_lock[l] = FREE
#ifndef BROKEN
		:: child_lock[l] != me && child_lock[l] != FREE ->
			child_half[l] = false; /* begun anew */
			child_lock[l] = FREE
#else
		:: child_lock[l] != me && child_lock[l] != FREE -> child_lock[l] = FREE
#endif
		:: child_lock[l] == FREE -> skip
		fi;
		assert(child_lock[l] == FREE && !child_half[l]);
		l++
	:: else -> break
	od
}

init {
	atomic {
		run worker(0);
		run worker(1);
		run forker(2);
		run child(2)
	}
}
