/* C has no catch: here is one. */
#pragma once

#include "base/compiler.h"

/* Calls f(arg).  True when it returned; false when an exception ended it, which is then gone. */
HIDDEN bool call_and_catch(void (*f)(void *arg), void *arg);
