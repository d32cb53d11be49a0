/* The options' defaults: they hold until the environment has been read, and where it says
   nothing. */
#include "base/options.h"

SEALED_OPTIONS struct options options = {
#define OPTION(type, name, default_value, least, most, when, what) .name = (default_value),
#include "base/options.def"
#undef OPTION
};
