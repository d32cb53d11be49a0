/*
 * One point of how cost grows: builds a heap, replaces objects at random until it has settled, then
 * measures replacements.
 *
 *   growth heap --live BYTES          one thread, objects of 16 bytes to 64 KiB
 *   growth objects --count N          one thread, objects of 16 to 63 bytes
 *   growth threads --threads N        the objects of heap, --live bytes of them for all threads
 *                                     together; one replacement in 8 is of any thread's object
 *   growth age --operations N         one thread, the objects of heap; points after N operations,
 *                                     N / 2, N / 4 and so on
 *
 * Stands for: a process that has been up for a while, which allocates as much as it frees.
 * Cares: whoever has to know whether what was measured on a small heap holds on a large one, with
 * more threads, or after a day.
 * Source: random replacement after Larson and Krishnan, Memory Allocation for Long-Running Server
 * Applications, 1998; sizes skewed to the small ones as in the programs that Wilson, Johnstone,
 * Neely and Boles, Dynamic Storage Allocation, 1995, survey.
 *
 * The sizes: each octave from 16 bytes to 1 KiB is as likely as another, and in an octave each
 * size; one object in 128 is of an octave from 1 KiB to 64 KiB.  A third of the bytes is in these.
 *
 * The file that BENCH_REPORT names gets a list of points, the first of which is the build: the
 * operations since the point before, the nanoseconds they took by the clock and of processors, the
 * heap's resident bytes and the live bytes at its end.  Resident is what is anonymous of the
 * process, less the table: of the kernel's counts the one of smaps_rollup, as that of statm lags
 * behind by some pages a processor.
 *
 * A slot of the table has an object's address in its low 48 bits, its size above them: freeing
 * reads nothing of the object, and a slot changes hands by one exchange.
 */
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	ADDRESS_BITS = 48,
	PAGE_BYTES = 4096, /* or more */
	MEAN_MIXED = 376,  /* bytes of an object, by the octaves and shares above */
	MEDIUM_EVERY = 128,
	SHARED_EVERY = 8,
	MAX_SETTLING = 16000000, /* replacements; else as many as there are objects, and a few */
	FIRST_AGE = 1 << 16,	 /* replacements at most to the first point of age */
	MAX_POINTS = 64,
};

struct point {
	uint64_t operations; /* since the point before, by all threads */
	uint64_t ns;
	uint64_t cpu_ns; /* of all processors that the process was on */
	int64_t heap_bytes;
	int64_t live_bytes;
};

struct heap {
	uint64_t *slot;
	size_t count;
	bool tiny;		     /* objects of 16 to 63 bytes only */
	unsigned nthreads;	     /* 0: the main thread does all */
	uint64_t window[MAX_POINTS]; /* replacements of all threads from point to point */
	unsigned nwindows;
	struct point point[MAX_POINTS];
	unsigned npoints;
	pthread_barrier_t barrier;
	unsigned arrived;		   /* of the threads, at the end of a window */
	uint64_t opened_ns, opened_cpu_ns; /* the clocks at its begin */
};

/* ---- Objects. */

static inline uint64_t size_of_octaves(uint64_t bits, uint64_t first, uint64_t n)
{
	uint64_t low = UINT64_C(1) << (first + ((bits & 0xffff) * n >> 16));

	return low + (bits >> 16 & (low - 1));
}

static inline uint64_t random_size(struct random *r, bool tiny)
{
	uint64_t bits = random_next(r);
	bool medium = bits % MEDIUM_EVERY == 0;

	bits >>= 16;
	if (tiny)
		return size_of_octaves(bits, 4, 2);
	return medium ? size_of_octaves(bits, 10, 6) : size_of_octaves(bits, 4, 6);
}

/* Every page of an object is written: what is live is resident. */
static inline uint64_t slot_alloc(struct workload_thread *self, size_t nbytes)
{
	unsigned char *mem = workload_alloc(self, nbytes);
	uint64_t address = (uintptr_t)mem;

	for (size_t i = PAGE_BYTES; i < nbytes; i += PAGE_BYTES)
		mem[i] = (unsigned char)nbytes;
	if (address >> ADDRESS_BITS)
		workload_refuse("this machine's addresses have more than 48 bits");
	return address | (uint64_t)nbytes << ADDRESS_BITS;
}

static inline unsigned char *slot_mem(uint64_t slot)
{
	return (unsigned char *)(uintptr_t)(slot & ((UINT64_C(1) << ADDRESS_BITS) - 1));
}

static inline size_t slot_nbytes(uint64_t slot)
{
	return slot >> ADDRESS_BITS;
}

/* Ends the program if another object, or the allocator, wrote into one. */
static void check_objects(const struct heap *heap)
{
	for (size_t i = 0; i < heap->count; i++) {
		const unsigned char *mem = slot_mem(heap->slot[i]);
		size_t nbytes = slot_nbytes(heap->slot[i]);

		if (mem[0] == (unsigned char)nbytes && mem[nbytes - 1] == (unsigned char)nbytes)
			continue;
		dprintf(2, "growth: object %zu, %zu bytes at %p, was overwritten\n", i, nbytes,
			(const void *)mem);
		exit(1);
	}
}

/* ---- Points. */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int64_t anonymous_bytes(void)
{
	static const char path[] = "/proc/self/smaps_rollup", field[] = "\nAnonymous:";
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t nread = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	const char *found;

	text[nread < 0 ? 0 : nread] = 0;
	found = strstr(text, field);
	if (!found) {
		dprintf(2, "growth: %s does not say how much memory is anonymous\n", path);
		exit(1);
	}
	close(fd);
	return strtoll(found + strlen(field), NULL, 10) * 1024;
}

static int64_t live_bytes(const struct heap *heap)
{
	int64_t sum = 0;

	for (unsigned i = 0; i == 0 || i < heap->nthreads; i++)
		sum += workload_thread_at(i)->live;
	return sum;
}

static void open_window(struct heap *heap)
{
	heap->opened_ns = clock_ns(CLOCK_MONOTONIC);
	heap->opened_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* The last thread to arrive takes the point for all; the others wait until it has. */
static void end_window(struct heap *heap, uint64_t operations)
{
	if (__atomic_add_fetch(&heap->arrived, 1, __ATOMIC_ACQ_REL) >= heap->nthreads) {
		uint64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - heap->opened_cpu_ns;
		uint64_t ns = clock_ns(CLOCK_MONOTONIC) - heap->opened_ns;
		int64_t table_bytes = (int64_t)(heap->count * sizeof *heap->slot);

		heap->point[heap->npoints++] = (struct point){
			operations, ns, cpu_ns, anonymous_bytes() - table_bytes, live_bytes(heap)};
		heap->arrived = 0;
		open_window(heap);
	}
	if (heap->nthreads)
		pthread_barrier_wait(&heap->barrier);
}

/* ---- What a thread does; the sums are of the sizes it asks for. */

static uint64_t fill(struct workload_thread *self, struct heap *heap, size_t first, size_t end)
{
	uint64_t sum = 0;

	for (size_t i = first; i < end; i++) {
		size_t nbytes = random_size(&self->random, heap->tiny);

		heap->slot[i] = slot_alloc(self, nbytes);
		sum += nbytes;
	}
	return sum;
}

/* Frees before it allocates, so that there are never more objects than slots. */
static uint64_t replace(struct workload_thread *self, struct heap *heap, uint64_t n)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t *slot = &heap->slot[random_below(&self->random, heap->count)];
		size_t nbytes = random_size(&self->random, heap->tiny);

		workload_free(self, slot_mem(*slot), slot_nbytes(*slot));
		*slot = slot_alloc(self, nbytes);
		sum += nbytes;
	}
	return sum;
}

static size_t part_first(const struct heap *heap, unsigned index)
{
	return heap->count * index / heap->nthreads;
}

/* The same among other threads: in its own part of the table, now and then anywhere. */
static uint64_t replace_shared(struct workload_thread *self, struct heap *heap, uint64_t n)
{
	size_t first = part_first(heap, self->index);
	size_t count = part_first(heap, self->index + 1) - first;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i++) {
		bool any = i % SHARED_EVERY == 0;
		uint64_t at = random_below(&self->random, any ? heap->count : count);
		size_t nbytes = random_size(&self->random, heap->tiny);
		uint64_t slot = slot_alloc(self, nbytes);

		slot = __atomic_exchange_n(&heap->slot[any ? at : first + at], slot,
					   __ATOMIC_ACQ_REL);
		workload_free(self, slot_mem(slot), slot_nbytes(slot));
		sum += nbytes;
	}
	return sum;
}

static uint64_t run_alone(struct heap *heap)
{
	struct workload_thread *self = workload_main_thread();
	uint64_t sum;

	open_window(heap);
	sum = fill(self, heap, 0, heap->count);
	end_window(heap, heap->count);
	for (unsigned i = 0; i < heap->nwindows; i++) {
		sum += replace(self, heap, heap->window[i]);
		end_window(heap, 2 * heap->window[i]);
	}
	return sum;
}

static uint64_t run_thread(struct workload_thread *self, void *arg)
{
	struct heap *heap = arg;
	uint64_t sum =
		fill(self, heap, part_first(heap, self->index), part_first(heap, self->index + 1));

	end_window(heap, heap->count);
	for (unsigned i = 0; i < heap->nwindows; i++) {
		uint64_t each = heap->window[i] / heap->nthreads + 1;

		sum += replace_shared(self, heap, each);
		end_window(heap, 2 * each * heap->nthreads);
	}
	return sum;
}

static uint64_t run_threads(struct heap *heap)
{
	pthread_barrier_init(&heap->barrier, NULL, heap->nthreads);
	open_window(heap);
	return workload_run(heap->nthreads, run_thread, heap);
}

/* ---- The report. */

static void print_points(FILE *file, const struct heap *heap)
{
	for (unsigned i = 0; i < heap->npoints; i++) {
		const struct point *p = &heap->point[i];

		fprintf(file,
			"%s\n  {\"operations\": %" PRIu64 ", \"ns\": %" PRIu64
			", \"cpu_ns\": %" PRIu64 ", \"heap_bytes\": %" PRId64
			", \"live_bytes\": %" PRId64 "}",
			i ? "," : "", p->operations, p->ns, p->cpu_ns, p->heap_bytes,
			p->live_bytes);
	}
}

static void write_report(const char *path, const char *axis, const struct heap *heap)
{
	FILE *file = fopen(path, "w");

	if (!file) {
		dprintf(2, "growth: BENCH_REPORT %s cannot be written: %s\n", path,
			strerror(errno));
		exit(2);
	}
	fprintf(file,
		"{\"name\": \"growth %s\", \"objects\": %zu, \"threads\": %u,"
		" \"table_bytes\": %zu,\n \"points\": [",
		axis, heap->count, heap->nthreads ? heap->nthreads : 1,
		heap->count * sizeof *heap->slot);
	print_points(file, heap);
	fprintf(file, "]}\n");
	fclose(file);
}

static void summarize(const char *axis, const struct heap *heap)
{
	const struct point *p = &heap->point[heap->npoints - 1];

	dprintf(2, "growth %s: %zu objects, %.1f ns per operation, resident over live %.3f\n", axis,
		heap->count, (double)p->ns / (double)p->operations,
		(double)p->heap_bytes / (double)p->live_bytes);
}

/* ---- The axes. */

static uint64_t live = 64 << 20, count = 1000000, replacements = 4000000, operations = 10000000;

static const struct workload_option of_bytes[] = {
	{"--live", &live, "bytes of all objects"},
	{"--replacements", &replacements, "measured"},
	{NULL, NULL, NULL},
};

static const struct workload_option of_objects[] = {
	{"--count", &count, "objects"},
	{"--replacements", &replacements, "measured"},
	{NULL, NULL, NULL},
};

static const struct workload_option of_age[] = {
	{"--live", &live, "bytes of all objects"},
	{"--operations", &operations, "until the last point"},
	{NULL, NULL, NULL},
};

static const struct axis {
	const char *name;
	const struct workload_option *option;
	bool tiny, threads, age;
} axes[] = {
	{.name = "heap", .option = of_bytes},
	{.name = "objects", .option = of_objects, .tiny = true},
	{.name = "threads", .option = of_bytes, .threads = true},
	{.name = "age", .option = of_age, .age = true},
};

static const struct axis *axis_named(const char *name)
{
	for (unsigned i = 0; i < sizeof axes / sizeof *axes; i++)
		if (name && !strcmp(axes[i].name, name))
			return &axes[i];
	dprintf(2, "growth: say heap, objects, threads or age first\n");
	exit(2);
}

static void plan_settled(struct heap *heap)
{
	uint64_t measured = workload_scaled(replacements);
	uint64_t settling = heap->count + measured / 4;

	heap->window[heap->nwindows++] = settling < MAX_SETTLING ? settling : MAX_SETTLING;
	heap->window[heap->nwindows++] = measured;
}

static void plan_age(struct heap *heap)
{
	uint64_t all = workload_scaled(operations) / 2, done = 0;
	unsigned halvings = 0;

	while (all >> halvings > FIRST_AGE)
		halvings++;
	for (int i = (int)halvings; i >= 0; i--) {
		heap->window[heap->nwindows++] = (all >> i) - done;
		done = all >> i;
	}
}

static void refuse_extremes(const struct axis *axis)
{
	if (count < 1 || count > UINT32_MAX)
		workload_refuse("--count is at least 1 and below 2^32");
	if (live < MEAN_MIXED * (uint64_t)workload_threads(1) || live > UINT64_C(1) << 44)
		workload_refuse("--live is at least 376 bytes for each thread, and at most 16 TiB");
	if (workload_scaled(operations) < 2 || operations > UINT64_C(1) << 48)
		workload_refuse("--operations is at least 2 and at most 2^48");
	if (replacements < 1 || replacements > UINT64_C(1) << 48)
		workload_refuse("--replacements is at least 1 and at most 2^48");
	if (workload_threads(0) && !axis->threads)
		workload_refuse("--threads goes with growth threads only");
}

int main(int argc, char **argv)
{
	const struct axis *axis = axis_named(argv[1]);
	const char *report = getenv("BENCH_REPORT");
	static struct heap heap;
	uint64_t sum;

	workload_start(argc - 1, argv + 1, "growth", axis->option);
	refuse_extremes(axis);
	heap.tiny = axis->tiny;
	heap.count = axis->tiny ? count : live / MEAN_MIXED;
	heap.nthreads = axis->threads ? workload_threads(1) : 0;
	heap.slot = workload_table(heap.count * sizeof *heap.slot);
	if (axis->age)
		plan_age(&heap);
	else
		plan_settled(&heap);
	sum = axis->threads ? run_threads(&heap) : run_alone(&heap);
	check_objects(&heap);
	dprintf(1, "growth %s %016" PRIx64 "\n", axis->name, sum);
	summarize(axis->name, &heap);
	if (report)
		write_report(report, axis->name, &heap);
	return 0;
}
