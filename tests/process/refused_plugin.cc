/* A plugin in C++ of a program in C. */
#include "refused.h"

extern "C" int refused_in_part();

extern "C" int refused_in_plugin()
{
	return refused();
}

extern "C" int refused_beside_plugin()
{
	return refused_in_part();
}
