/*
 * A memory cgroup of the program's own, below the one that it runs in, so that the limits above
 * hold as well.  Version 1 and 2; where none may be made, cgroup_make() says so.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cgroup {
	char path[512];
	bool v2;
};

/* Makes one with a limit; false if that is not possible here. */
bool cgroup_make(struct cgroup *group, uint64_t limit_bytes);

/* Moves the calling process into it; false if refused. */
bool cgroup_join(const struct cgroup *group);

/* The most that its processes were charged for; 0 if the kernel does not tell. */
uint64_t cgroup_peak(const struct cgroup *group);

/* Its processes have ended. */
void cgroup_remove(const struct cgroup *group);
