/*
 * The kernel's texts on memory cgroups, a line at a time: which group the process is in
 * (/proc/self/cgroup), where the groups are mounted (/proc/self/mountinfo), and what the files in a
 * group's folder say. No system call is made here; a line may be cut off anywhere.
 *
 * Of version 2 a group's limits are memory.max and memory.high, of version 1
 * memory.limit_in_bytes. A group's memory is limited by each group above it, too: its folders are
 * visited from its own up to the mount point.
 */
#pragma once

#include "base/compiler.h"

enum cgroup_version { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

/* Of a line of /proc/self/cgroup: the version whose memory controller it is about, and the group's
   path, which is part of the line. */
enum cgroup_version cgroup_group(const char *line, const char **ret_path);

/* Of a line of /proc/self/mountinfo: the version that is mounted there, which group is mounted, and
   where. Both are part of the line, which is changed. */
enum cgroup_version cgroup_mount(char *line, const char **ret_root, const char **ret_point);

/* Puts together the folder of the group at path, of a mount of the group root at point: point
   itself where the group lies elsewhere (in another namespace). False: it is longer than size. */
bool cgroup_folder(char *folder, size_t size, const char *point, const char *root,
		   const char *path);

/* Makes a folder that of the group above; false at the mount point, whose name is of so many
   bytes. */
bool cgroup_go_up(char *folder, size_t point_bytes);

/* Bytes that a file of one number says; SIZE_MAX: "max", or so many that there is no limit. False
   where it says neither. */
bool cgroup_bytes(const char *text, size_t *ret_nbytes);

/* Of a line of memory.pressure, of a group or of the whole system: for how much of the last ten
   seconds some task waited for memory, in percent; 0 of other lines. */
unsigned cgroup_pressure(const char *line);

/* Of a line of memory.stat: bytes that the kernel reclaims before it kills a process; else 0. */
size_t cgroup_reclaimable(enum cgroup_version version, const char *line);
