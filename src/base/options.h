/* The options in force. Any floor reads them. option_set() (api/options_table.h) writes them; and
   api/start.c and harden/fence.c, two of them, as loam starts with fences. */
#pragma once

#include "base/compiler.h"

struct options {
#define OPTION(type, name, default_value, least, most, when, what) size_t name;
#include "base/options.def"
#undef OPTION
};

enum options_thp { THP_AUTO, THP_ALWAYS, THP_NEVER, THP_SYSTEM };
enum options_stats { STATS_NEVER, STATS_EXIT };
enum options_harden_action { HARDEN_ABORT, HARDEN_WARN };
enum options_report { REPORT_LINE, REPORT_FULL };

#define PROF_ALONE (512 * KIB) /* of prof without a value */
#define LIMIT_AUTO SIZE_MAX    /* of limit: as the system says */

extern HIDDEN struct options options;
