/*
 * Objects go between threads' magazines and slabs in batches, under the lock of the arena that owns the slab
 * (cache/cache.c, cache/alloc.c, arena/slabs.c).  Any thread gives back objects of any arena; in the meantime
 * a slab that got empty is given back, and its block becomes a slab of another class or arena.
 *
 *	refill()	fills an empty magazine from a slab of the thread's arena.  Where none has a free object, an
 *			empty slab is given back, and a block of the zone becomes a slab
 *	push()		free: looks up the slab without a lock, sets the mark; a full magazine gives half back
 *	give_home()	locks the arena of the first object, gives all of that arena's, leaves the others for the
 *			next round
 *
 * The free bits of a slab are one word, changed by a load and a store.  To its slab an object is out while a
 * magazine holds it.
 *
 * Proved: no deadlock; no object is lost, and none is in two places; whoever holds an object finds its slab,
 * with or without the lock; a second free of an object that is free finds the mark, the bit, or no slab.
 *
 * BROKEN: a batch is given without the lock.
 * BROKEN_OWNER: a batch is given under the lock of its first object's arena, whosever the others are.
 * BROKEN_COUNT: a slab counts as empty when the program has none of its objects.
 * BROKEN_MARK: a free sets no mark.
 */
#define THREADS	 2 /* thread i uses arena i */
#define CLASSES	 2
#define BLOCKS	 2
#define OBJECTS	 4 /* two of each block */
#define CALLS	 3 /* of each thread */
#define CAPACITY 2 /* of a magazine */
#define NONE	 255

#define BLOCK(o) ((o) / 2)
#define BIT(o)	 (1 << (o))
#define IN(b)	 (3 << (2 * (b))) /* the objects of a block */
#define MINE(c)	 magazine[me * CLASSES + (c)]
#define IS_FULL(set) ((set & 1) + (set >> 1 & 1) + (set >> 2 & 1) + (set >> 3 & 1) == CAPACITY)

mtype = {HOME, CACHED, USED, FREED};

/* A slab of each block, or NONE; the page map. */
byte owner[BLOCKS] = NONE, class[BLOCKS] = NONE;
byte out[BLOCKS];
byte bits[BLOCKS]; /* free objects */

bool marked[OBJECTS];
byte magazine[THREADS * CLASSES]; /* sets of objects */
byte lock[THREADS] = NONE;	  /* of each arena */
mtype where[OBJECTS] = HOME;	  /* what the proof knows of them */
byte running = THREADS;

/* A second free of it would be found now; after each step that changes what is looked at. */
inline prove(o)
{
	assert(where[o] == USED || where[o] == FREED || marked[o] || class[BLOCK(o)] == NONE ||
	       bits[BLOCK(o)] & BIT(o))
}

inline take_lock(a)
{
	atomic { lock[a] == NONE -> lock[a] = me }
}

inline give_lock(a)
{
	assert(lock[a] == me);
	lock[a] = NONE
}

/* n = the objects of a block that are out */
inline count_out(b)
{
#ifndef BROKEN_COUNT
	n = out[b]
#else
	n = (where[2 * b] == USED || where[2 * b] == FREED) +
	    (where[2 * b + 1] == USED || where[2 * b + 1] == FREED)
#endif
}

/* The block goes back to the zone, if it is an empty slab of that arena's; arena lock. */
inline give_back(b, a)
{
	d_step {
		count_out(b);
		if
		:: owner[b] == a && n == 0 ->
			owner[b] = NONE;
			class[b] = NONE
		:: else -> skip
		fi;
		n = 0
	}
}

/* The block becomes a slab, if it is in the zone; zone lock. */
inline make_slab(b)
{
	d_step {
		if
		:: owner[b] == NONE ->
			owner[b] = me;
			class[b] = c;
			out[b] = 0;
			bits[b] = IN(b)
		:: else -> skip
		fi
	}
}

inline cache_one(o)
{
	if
	:: word & BIT(o) ->
		assert(where[o] == HOME);
		where[o] = CACHED;
		marked[o] = true;
		MINE(c) = MINE(c) | BIT(o);
		out[b]++;
		prove(o)
	:: else -> skip
	fi
}

/* Takes all free objects of one slab. */
inline take_from_slab()
{
	word = bits[b];
	d_step {
		bits[b] = 0;
		cache_one(2 * b);
		cache_one(2 * b + 1);
		word = 0
	}
}

inline choose_slab()
{
	if
	:: owner[0] == me && class[0] == c && bits[0] -> b = 0
	:: owner[1] == me && class[1] == c && bits[1] -> b = 1
	:: else -> b = NONE
	fi
}

inline refill()
{
	take_lock(me);
	choose_slab();
	if
	:: b == NONE ->
		atomic {
			give_back(0, me);
			give_back(1, me)
		};
		atomic {
			if
			:: make_slab(0)
			:: make_slab(1)
			fi;
			choose_slab()
		}
	:: else -> skip
	fi;
	if
	:: b != NONE -> take_from_slab()
	:: else -> skip
	fi;
	b = 0;
	give_lock(me)
}

inline lowest(set)
{
	if
	:: set & 1 -> o = 0
	:: else ->
		if
		:: set & 2 -> o = 1
		:: else ->
			if
			:: set & 4 -> o = 2
			:: else -> o = 3
			fi
		fi
	fi
}

/* Gives one object of the batch to its slab, if that is arena a's. */
inline give_one()
{
	b = BLOCK(o);
	assert(owner[b] != NONE);
	if
#ifndef BROKEN_OWNER
	:: owner[b] != a -> others = others | BIT(o)
	:: else ->
#else
	:: true ->
#endif
		word = bits[b];
		d_step {
			assert(marked[o] && where[o] == CACHED && !(bits[b] & BIT(o)));
			bits[b] = word | BIT(o);
			out[b]--;
			where[o] = HOME;
			word = 0;
			prove(o)
		};
		if
		:: true -> give_back(b, owner[b])
		:: true -> skip /* stays listed, for a while */
		fi
	fi;
	batch = batch & ~BIT(o)
}

inline give_home()
{
	do
	:: batch ->
		lowest(batch);
		a = owner[BLOCK(o)];
		assert(a != NONE);
#ifndef BROKEN
		take_lock(a);
#endif
		others = 0;
		do
		:: batch -> lowest(batch); give_one()
		:: else -> break
		od;
#ifndef BROKEN
		give_lock(a);
#endif
		batch = others;
		others = 0
	:: else -> break
	od;
	a = 0;
	b = 0
}

inline call_malloc()
{
	if
	:: MINE(c) == 0 -> refill()
	:: else -> skip
	fi;
	if
	:: MINE(c) ->
		d_step {
			lowest(MINE(c));
			assert(where[o] == CACHED && marked[o] && class[BLOCK(o)] == c);
			MINE(c) = MINE(c) & ~BIT(o);
			marked[o] = false;
			where[o] = USED
		}
	:: else -> skip /* without memory */
	fi
}

/* Of an object that any thread allocated; not executable where there is none. */
inline call_free()
{
	atomic {
		if
		:: where[0] == USED -> freed = 0
		:: where[1] == USED -> freed = 1
		:: where[2] == USED -> freed = 2
		:: where[3] == USED -> freed = 3
		fi;
		where[freed] = FREED
	};
	c = class[BLOCK(freed)];
	assert(c != NONE && !marked[freed]);
	if
	:: IS_FULL(MINE(c)) ->
		lowest(MINE(c));
		MINE(c) = MINE(c) & ~BIT(o);
		batch = BIT(o);
		give_home()
	:: else -> skip
	fi;
	d_step {
#ifndef BROKEN_MARK
		marked[freed] = true;
#endif
		MINE(c) = MINE(c) | BIT(freed);
		where[freed] = CACHED;
		prove(freed)
	};
	freed = 0
}

proctype thread(byte me)
{
	byte a, b, c, o, n, word, batch, others, freed, calls = 0;

	do
	:: calls < CALLS ->
		calls++;
		if
		:: c = 0; call_malloc()
		:: c = 1; call_malloc()
		:: call_free()
		fi;
		o = 0;
		n = 0;
		c = 0
	:: else -> break
	od;
	batch = MINE(0) | MINE(1); /* of both classes, hence of several arenas */
	MINE(0) = 0;
	MINE(1) = 0;
	give_home();
	running--
}

inline check_block(b)
{
	assert(owner[b] == NONE ||
	       out[b] == (where[2 * b] == USED) + (where[2 * b + 1] == USED));
	assert(owner[b] == NONE ||
	       bits[b] == (where[2 * b] == HOME) * BIT(2 * b) + (where[2 * b + 1] == HOME) * BIT(2 * b + 1))
}

proctype afterwards()
{
	atomic {
		running == 0;
		check_block(0);
		check_block(1)
	}
}

init {
	atomic {
		run thread(0);
		run thread(1);
		run afterwards()
	}
}
