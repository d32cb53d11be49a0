/* How loam starts: at the first call, once, as soon as it is relocated. */
#pragma once

#include "arena/arena.h"

/*
 * True when loam has started; starts it if that is possible yet.  False in the
 * time before relocation, which arena/early.h serves.  Every slow path of the
 * interface begins with this, so it also notices a forked child that ran no
 * fork handlers.
 */
bool start(void);
