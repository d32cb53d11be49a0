/* The counters of retain.h. */
#include "pages/retain.h"

size_t retain_live;
size_t retain_most;
size_t retain_retained;
