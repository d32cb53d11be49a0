/*
 * Tending (arena/remote.c, registry.c): what is sent to an arena whose thread is gone must not lie there
 * for ever, though no thread waits for it.
 *
 *	post()          pushes a batch; who finds the last post still there tends the arena, unless he is
 *	                tending one already
 *	registry_tend() tries to hold the arena; what was sent is taken, and what was freed in it may be
 *	                sent on to a third
 *
 * Proved: threads that go on posting leave at most one batch in an arena that nobody holds, and no
 * thread tends from within tending, so that none runs without end.
 *
 * BROKEN: a post never looks.
 */
#define POSTS	3
#define THREADS 2
#define NOBODY	255

byte inbox = 0;		/* batches there */
byte holder = NOBODY;	/* of the arena, whose thread is gone */
byte tending[THREADS];	/* how deep each thread is in it */
byte posting = THREADS; /* threads that will post more */

inline tend()
{
	atomic {
		held = holder == NOBODY;
		if
		:: held -> holder = me
		:: else -> skip
		fi
	};
	if
	:: held ->
		tending[me]++;
		assert(tending[me] == 1);
		do
		:: atomic { inbox > 0 -> inbox = 0 }
		:: inbox == 0 -> break
		od;
		tending[me]--;
		holder = NOBODY
	:: else -> skip
	fi
}

proctype thread(byte me)
{
	byte posts = 0;
	bool held, there;

	do
	:: posts < POSTS ->
		atomic { there = inbox > 0; inbox++ };
		posts++;
#ifndef BROKEN
		if
		:: there -> tend()
		:: else -> skip
		fi
#endif
	:: else -> break
	od;
	posting--
}

/* Afterwards: a post that came while another tended may have been left, one of each thread. */
proctype afterwards()
{
	posting == 0;
	assert(inbox <= THREADS)
}

init {
	atomic {
		run thread(0);
		run thread(1);
		run afterwards()
	}
}
