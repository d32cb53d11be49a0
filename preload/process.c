/* What is done once as the process starts, and as it ends, in programs that never allocate too. */
#include "observe/leak.h"
#include "observe/metrics.h"
#include "observe/profile_file.h"
#include "observe/record.h"
#include "api/background.h"
#include "api/start.h"
#include "api/stats.h"
#include "base/options.h"
#include "cache/cache.h"
#include "code.h"
#include "front.h"
#include "harden/fence.h"
#include "harden/tools.h"
#include "os/libc.h"
#include "os/os.h"
#include "os/process.h"
#include "report/stack.h"
#include "unwind/backtrace.h"

/* One that was only asked for by `loam prof` is left to it. */
static bool is_profile_wanted(void)
{
	return options.prof || options.prof_file;
}

/* What the options ask for at the end of the process. */
static void finish(void)
{
	if (fences && !tools)
		fence_flush(); /* the last look at what was freed */
	if (is_profile_wanted())
		profile_write(options.prof_file ? (const char *)options.prof_file : "loam");
	if (options.leak)
		leak_report();
	if (options.stats == STATS_EXIT)
		stats_print();
	if (options.metrics)
		metrics_finish();
	if (load_relaxed(&recording))
		record_finish();
}

static void finish_quickly(void *unused)
{
	(void)unused;
	finish();
}

/* libc's backtrace() opens a library, so libc's constructor, which has not run yet (-z initfirst),
   runs first. Two kinds of process do without libc's backtrace(): a malloc of the program's own may
   not work before main, and opening a library calls it; under an auditor (LD_AUDIT) the dynamic
   linker would clear libc's thread variables. */
static void start_stacks(int argc, char **argv, char **environment)
{
	if (!front_is_malloc() || os_getenv("LD_AUDIT")) {
		backtrace_start_inside();
		return;
	}
	libc_construct(argc, argv, environment);
	backtrace_start();
}

__attribute__((constructor)) static void begin(int argc, char **argv, char **environment)
{
	if (os_getenv("LOAM_OPTIONS"))
		start();
	stack_own_code(code_start(), code_end());
	if (sampling || options.report == REPORT_FULL)
		start_stacks(argc, argv, environment);
	if (options.stats == STATS_EXIT || options.metrics || options.leak || is_profile_wanted() ||
	    load_relaxed(&recording) || fences)
		os_at_quick_exit(finish_quickly);
	start_constructed();
	background_start_if_asked();
}

__attribute__((destructor)) static void end(void)
{
	finish();
}
