#include "cgroup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const mount_v1 = "/sys/fs/cgroup/memory", *const mount_v2 = "/sys/fs/cgroup";

static bool write_file(const struct cgroup *group, const char *name, const char *text)
{
	char path[PATH_MAX];
	bool written;
	int fd;

	snprintf(path, sizeof path, "%s/%s", group->path, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return written;
}

/* Where the line of /proc/self/cgroup with this middle puts the process: "/a/b", "" if nowhere. */
static void own_place(const char *middle, char *place, size_t room)
{
	char text[4096];
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	char *line;

	*place = 0;
	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = 0;
	line = strstr(text, middle);
	if (!line)
		return;
	line += strlen(middle);
	line[strcspn(line, "\n")] = 0;
	snprintf(place, room, "%s", strcmp(line, "/") ? line : "");
}

static bool make_in(struct cgroup *group, const char *mount, const char *middle, const char *limit,
		    uint64_t limit_bytes)
{
	char place[256], text[32];

	own_place(middle, place, sizeof place);
	snprintf(group->path, sizeof group->path, "%s%s/loam-bench-%d", mount, place, getpid());
	if (mkdir(group->path, 0755))
		return false;
	snprintf(text, sizeof text, "%" PRIu64, limit_bytes);
	if (write_file(group, limit, text))
		return true;
	rmdir(group->path);
	return false;
}

bool cgroup_make(struct cgroup *group, uint64_t limit_bytes)
{
	group->v2 = access("/sys/fs/cgroup/memory/memory.limit_in_bytes", F_OK) != 0;
	if (!group->v2)
		return make_in(group, mount_v1, ":memory:", "memory.limit_in_bytes", limit_bytes);
	return make_in(group, mount_v2, "0::", "memory.max", limit_bytes);
}

bool cgroup_join(const struct cgroup *group)
{
	char text[32];

	snprintf(text, sizeof text, "%d", getpid());
	if (group->v2)
		write_file(group, "memory.swap.max", "0");
	return write_file(group, "cgroup.procs", text);
}

uint64_t cgroup_peak(const struct cgroup *group)
{
	char path[PATH_MAX], text[64] = "";
	int fd;

	snprintf(path, sizeof path, "%s/%s", group->path,
		 group->v2 ? "memory.peak" : "memory.max_usage_in_bytes");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof text - 1) < 0)
		*text = 0;
	close(fd);
	return strtoull(text, NULL, 10);
}

/* A process that was just waited for may still be listed for a moment. */
void cgroup_remove(const struct cgroup *group)
{
	for (int i = 0; i < 100 && rmdir(group->path); i++)
		usleep(10000);
}
