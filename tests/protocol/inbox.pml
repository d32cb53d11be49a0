/*
 * The inbox (arena/remote.c): threads push freed objects with one compare-exchange, the holder takes
 * all that is there with one exchange.  Objects are handed out again, so that a head may be the same
 * one as before with another list behind it.
 *
 *	push()          link the object to the head that was seen, and exchange it for that, if it is
 *	                the head still; a release: who sees it as the head sees its link
 *	remote_drain()  take the head and leave none; an acquire; then follow the links
 *
 * Proved: no object is lost, none is freed twice, no link is followed that was not written yet.
 *
 * BROKEN: the link is written after the exchange.
 */
#define OBJECTS 3
#define ROUNDS	3 /* times that each object is handed out */
#define NONE	OBJECTS
#define UNKNOWN 255

mtype = {OUT, SENT, FREE};

byte head = NONE;
byte link[OBJECTS] = UNKNOWN;
mtype state[OBJECTS] = FREE;
byte rounds[OBJECTS] = 0;

/* Threads that have objects of the holder's: one each. */
proctype remote(byte o)
{
	byte seen;

	do
	:: rounds[o] < ROUNDS ->
		state[o] == OUT; /* waits until it is handed out */
		state[o] = SENT;
		seen = head;
		do
		::
#ifndef BROKEN
		   link[o] = seen;
#endif
		   atomic {
			   if
			   :: head == seen -> head = o; goto sent
			   :: else -> seen = head
			   fi
		   }
		od;
sent:
#ifdef BROKEN
		link[o] = seen;
#endif
		rounds[o]++
	:: else -> break
	od
}

proctype owner()
{
	byte o, after, freed = 0, given[OBJECTS] = 0; /* times that each was handed out */

	do
	:: state[0] == FREE && given[0] < ROUNDS -> given[0]++; state[0] = OUT
	:: state[1] == FREE && given[1] < ROUNDS -> given[1]++; state[1] = OUT
	:: state[2] == FREE && given[2] < ROUNDS -> given[2]++; state[2] = OUT
	:: head != NONE ->
		atomic {
			o = head;
			head = NONE
		};
		do
		:: o == NONE -> break
		:: else ->
			after = link[o];
			assert(after != UNKNOWN);
			assert(state[o] == SENT);
			link[o] = UNKNOWN;
			state[o] = FREE;
			freed++;
			o = after
		od
	:: freed == OBJECTS * ROUNDS -> break
	od;
	assert(head == NONE)
}

init {
	atomic {
		run owner();
		run remote(0);
		run remote(1);
		run remote(2)
	}
}
