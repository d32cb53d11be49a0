/* An auditor (LD_AUDIT) that watches nothing. */
#include <link.h>

unsigned la_version(unsigned version);

unsigned la_version(unsigned version)
{
	return version;
}
