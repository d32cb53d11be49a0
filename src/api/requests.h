/* Answers to what other processes ask for; the words are cache/requests.h. */
#pragma once

#include "base/compiler.h"

/* Called once, at start. A process with rights that its user does not have answers nothing. */
AT_START void requests_start(void);
