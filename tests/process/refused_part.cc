/* A library that comes along with refused_plugin.cc. */
#include "refused.h"

extern "C" int refused_in_part()
{
	return refused();
}
