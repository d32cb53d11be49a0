/* What LOAM_OPTIONS asks to be printed, in programs that never allocate too. */
#include "api/record.h"
#include "api/start.h"
#include "api/stats.h"
#include "base/options.h"
#include "os/os.h"

__attribute__((constructor)) static void print_at_start(void)
{
	if (os_getenv("LOAM_OPTIONS"))
		start();
}

__attribute__((destructor)) static void print_at_exit(void)
{
	if (options.stats == STATS_EXIT)
		stats_print();
	if (load_relaxed(&recording))
		record_finish();
}
