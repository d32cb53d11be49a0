/* In cross builds alone, whose programs run under qemu-user. */
#include "test.h"

const bool test_emulated = true;
