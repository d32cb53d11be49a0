#include "resident.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	TURNS = 250, /* of light activity */
	PAUSE_US = 4000,
	SEEN_US = 30000, /* so long that the meter takes a sample */
	AT_ONCE = 40,	 /* blocks of a turn */
};

/* The calls that give memory back; NULL where no such allocator serves the program. */
static struct {
	int (*mallctl)(const char *name, void *old, size_t *old_len, void *value, size_t len);
	void (*mi_collect)(bool force);
	void (*tcmalloc_release)(void);
	int (*tbb_command)(int command, void *param);
} release;

void resident_start(void)
{
	workload_sample();
	*(void **)&release.mallctl = dlsym(RTLD_DEFAULT, "mallctl");
	*(void **)&release.mi_collect = dlsym(RTLD_DEFAULT, "mi_collect");
	*(void **)&release.tcmalloc_release =
		dlsym(RTLD_DEFAULT, "MallocExtension_ReleaseFreeMemory");
	*(void **)&release.tbb_command = dlsym(RTLD_DEFAULT, "scalable_allocation_command");
}

void resident_release(void)
{
	if (release.mallctl) {
		release.mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
		release.mallctl("arena.4096.purge", NULL, NULL, NULL, 0); /* 4096: all arenas */
	}
	if (release.mi_collect)
		release.mi_collect(true);
	if (release.tcmalloc_release)
		release.tcmalloc_release();
	if (release.tbb_command)
		release.tbb_command(0, NULL); /* 0: clean the buffers of all threads */
	malloc_trim(0);
}

void *resident_table(size_t nbytes)
{
	void *mem = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		workload_no_memory(nbytes);
	return mem;
}

/* ---- What the kernel says. */

static void read_text(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, room - 1);

	if (got <= 0)
		workload_refuse("needs /proc/self/smaps_rollup and /proc/self/statm");
	text[got] = 0;
	close(fd);
}

/* Bytes that a line of smaps_rollup says. */
static uint64_t rollup(const char *name)
{
	char text[4096];
	const char *line;

	read_text("/proc/self/smaps_rollup", text, sizeof text);
	line = strstr(text, name);
	return line ? strtoull(line + strlen(name), NULL, 10) * 1024 : 0;
}

uint64_t resident_bytes(void)
{
	return rollup("\nAnonymous:");
}

uint64_t resident_huge_bytes(void)
{
	return rollup("\nAnonHugePages:");
}

uint64_t resident_roughly(void)
{
	unsigned long resident = 0, shared = 0;
	char text[256];

	read_text("/proc/self/statm", text, sizeof text);
	sscanf(text, "%*u %lu %lu", &resident, &shared);
	return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- What is done while a process is watched. */

void resident_light_activity(struct workload_thread *self)
{
	uint64_t turns = workload_scaled(10 * TURNS);
	struct block block[AT_ONCE];

	for (uint64_t turn = 0; turn < (turns < TURNS ? turns : TURNS); turn++) {
		for (unsigned i = 0; i < AT_ONCE; i++)
			filled_alloc(self, &block[i], random_doubling(&self->random, 16, 9, false));
		block_free_all(self, block, AT_ONCE);
		usleep(PAUSE_US);
	}
}

void resident_report(struct workload_thread *self)
{
	workload_figure("idle", (double)resident_bytes());
	resident_light_activity(self);
	workload_figure("activity", (double)resident_bytes());
	resident_release();
	workload_figure("trim", (double)resident_bytes());
	usleep(SEEN_US);
}

void resident_mean_add(struct resident_mean *mean)
{
	mean->resident += (double)resident_roughly();
	mean->live += (double)workload_live_bytes();
	mean->n++;
}

void resident_mean_add_bound(struct resident_mean *mean, uint64_t nbytes)
{
	mean->bound += (double)nbytes;
	mean->nbounds++;
}

void resident_mean_report(const struct resident_mean *mean)
{
	workload_figure("mean_resident", mean->resident / mean->n);
	workload_figure("mean_live", mean->live / mean->n);
	workload_figure("mean_bound", mean->bound / mean->nbounds);
}
