/*
 * What transparent huge pages cost a small process and leave of a large one, where the system
 * gives them always (/sys/kernel/mm/transparent_hugepage/enabled).  Under any other setting the
 * only figure is "refused": the program does not change the machine.
 *
 * First 1 MiB of 16 B to 2 KiB is live.  Then 1 GiB of 16 B to 4 KiB is allocated, and nine tenths
 * of it are freed in runs of 16 MiB.  Of what stays, the aligned 2 MiB that are live as a whole
 * are counted, and the bytes that are still in huge pages.
 *
 * Stands for: machines whose distribution sets "always": RHEL and its kin, many clouds.
 * Cares: operators of small processes, which take 2 MiB for each list, and of large ones, whose
 * huge pages a purge of single pages breaks.
 * Source: ours, after A. H. Hunter and others, "Beyond malloc efficiency to fleet efficiency: a
 * hugepage-aware memory allocator" (OSDI 2021).
 */
#include "resident.h"

#include <fcntl.h>
#include <unistd.h>

enum {
	SMALL_BYTES = 1 << 20,
	BYTES = 1 << 30,
	RUN_BYTES = 16 << 20,
	HUGE_BYTES = 2 << 20,
	SURVIVORS = 10,
	LEAST = 16,
	LEAST_MEAN = 256
};

static const char setting[] = "/sys/kernel/mm/transparent_hugepage/enabled";
static struct block *block;
static size_t nblocks, room;

static bool always(void)
{
	char text[128] = "";
	int fd = open(setting, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
		*text = 0;
	if (fd >= 0)
		close(fd);
	return strstr(text, "[always]");
}

static void fill(struct workload_thread *self, uint64_t bytes, unsigned doublings)
{
	for (uint64_t live = 0; live < bytes && nblocks < room; live += block[nblocks++].nbytes)
		filled_alloc(self, &block[nblocks],
			     random_doubling(&self->random, LEAST, doublings, false));
}

/* Frees all but each tenth run of RUN_BYTES; a smaller scale has smaller runs. */
static uint64_t thin(struct workload_thread *self, size_t first, uint64_t run_bytes)
{
	uint64_t before = 0, sum = 0;

	for (size_t i = first; i < nblocks; i++) {
		size_t nbytes = block[i].nbytes;

		if (before / run_bytes % SURVIVORS) {
			sum += block_read(&block[i]);
			block_free(self, &block[i]);
		}
		before += nbytes;
	}
	return sum;
}

int main(int argc, char **argv)
{
	struct workload_thread *self;
	uint64_t bytes, sum;
	size_t nsmall;

	workload_start(argc, argv, "huge_pages", NULL);
	resident_start();
	self = workload_main_thread();
	if (!always()) {
		workload_figure("refused", 1);
		return workload_end(0);
	}
	bytes = workload_scaled(BYTES);
	room = (SMALL_BYTES + bytes) / LEAST_MEAN;
	block = resident_table(room * sizeof *block);
	fill(self, SMALL_BYTES, 7);
	workload_figure("small_live", (double)workload_live_bytes());
	workload_figure("small", (double)resident_bytes());
	nsmall = nblocks;
	fill(self, bytes, 8);
	workload_figure("huge_full", (double)resident_huge_bytes());
	sum = thin(self, nsmall, workload_scaled(RUN_BYTES));
	resident_light_activity(self);
	bound_start(2 * bytes);
	bound_add(block, nblocks);
	workload_figure("live", (double)workload_live_bytes());
	workload_figure("bound", (double)bound_end());
	workload_figure("whole", (double)(bound_whole_huge() * HUGE_BYTES));
	workload_figure("huge", (double)resident_huge_bytes());
	workload_figure("activity", (double)resident_bytes());
	return workload_end(sum + block_free_all(self, block, nblocks));
}
