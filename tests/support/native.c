/* Tests that run on the machine itself; see emulated.c. */
#include "test.h"

const bool test_emulated = false;
