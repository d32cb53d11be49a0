/*
 * What to say of a name that is no option: which option is near it, or which one does here what it
 * does in another allocator.
 */
#pragma once

#include "api/options_table.h"

/* The option whose name is misspelt in this one, or that it is a part of; NULL where none is near.
 */
COLD const struct option *option_near(struct word name);

/* How many letters must be put in, left out or changed to make b of a; b is in small letters, and a
   is read so.  Words of more than 40 bytes are as far from all as that. */
COLD size_t word_distance(struct word a, struct word b);

/* Whether so many changes of one of these words are a slip, not another word. */
COLD bool word_is_near(struct word a, struct word b);

/* Puts into the two words whose option this is and which options stand for it here; none: there is
   nothing like it.  false when it is no allocator's that is known. */
COLD bool option_of_others(struct word name, struct word *ret_whose, struct word *ret_here);
