/* Leaks of one kind, for leaks.py: leaks KIND. The last line of its output says what is lost: bytes
   and blocks definitely, bytes and blocks indirectly. */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct node {
	struct node *next;
	char bytes[40];
};

enum { COUNT = 10, HUGE_BYTES = 6 << 20, RUN_BYTES = 300 << 10, THREADS = 8 };

static void *volatile reachable;
static __thread void *volatile thread_variable;
static pthread_key_t key;
static sem_t ready;
static size_t expected[4]; /* definite bytes and blocks, indirect ones */

#define NOINLINE __attribute__((noinline))

static NOINLINE void definitely(size_t bytes, size_t blocks)
{
	expected[0] += bytes;
	expected[1] += blocks;
}

static NOINLINE void indirectly(size_t bytes, size_t blocks)
{
	expected[2] += bytes;
	expected[3] += blocks;
}

static NOINLINE struct node *list(size_t count)
{
	struct node *first = NULL;

	for (size_t i = 0; i < count; i++) {
		struct node *n = calloc(1, sizeof *n);

		n->next = first;
		first = n;
	}
	return first;
}

static NOINLINE void direct(void)
{
	static const size_t sizes[] = {1, 16, 24, 100, 1000, 5000, 40000, 100000};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		memset(malloc(sizes[i]), 1, sizes[i]);
		definitely(sizes[i], 1);
	}
	memset(aligned_alloc(256, 512), 1, 512);
	definitely(512, 1);
	memset(realloc(malloc(10), 3000), 1, 3000);
	definitely(3000, 1);
	free(malloc(77));
}

/* Each depth is a stack of its own. The call at the end keeps the recursion from being a tail
   call. */
static NOINLINE void lose_at_depth(size_t depth, size_t bytes)
{
	if (depth)
		lose_at_depth(depth - 1, bytes);
	else
		memset(malloc(bytes), 1, bytes);
	definitely(depth ? 0 : bytes, !depth);
}

/* 30 stacks, of which neither the first nor the last is the largest. */
static NOINLINE void depths(void)
{
	for (size_t i = 0; i < 30; i++)
		lose_at_depth(i, 1000 + i * 7 % 30 * 10);
}

static NOINLINE void many(void)
{
	for (size_t i = 0; i < 1000; i++) {
		void *kept = malloc(48), *lost = calloc(1, 48);

		*(void **)kept = reachable;
		reachable = kept;
		(void)lost;
		definitely(48, 1);
	}
}

static NOINLINE void indirect(void)
{
	struct node *volatile *head = malloc(sizeof(void *));

	*head = list(COUNT);
	definitely(sizeof(void *), 1);
	indirectly(COUNT * sizeof(struct node), COUNT);
}

static NOINLINE void chain(void)
{
	reachable = list(COUNT);
}

static NOINLINE void cycle(void)
{
	struct node *first = list(COUNT), *last = first;

	while (last->next)
		last = last->next;
	last->next = first;
	definitely(sizeof *first, 1);
	indirectly((COUNT - 1) * sizeof *first, COUNT - 1);
}

static NOINLINE void huge(void)
{
	void *volatile *lost = calloc(1, HUGE_BYTES), *volatile *run = calloc(1, RUN_BYTES);
	void *volatile *kept = calloc(1, HUGE_BYTES);

	lost[HUGE_BYTES / sizeof(void *) - 1] = (void *)run;
	run[RUN_BYTES / sizeof(void *) / 2] = list(COUNT);
	kept[HUGE_BYTES / sizeof(void *) / 2] = list(COUNT);
	reachable = (void *)kept;
	definitely(HUGE_BYTES, 1);
	indirectly(RUN_BYTES + COUNT * sizeof(struct node), COUNT + 1);
	free(calloc(1, HUGE_BYTES + 4096));
}

static NOINLINE void interior(void)
{
	reachable = list(COUNT)->bytes + 8;
}

/* As stacks of coroutines are, with a guard page in front. */
static NOINLINE void protected(void)
{
	static const size_t pages[] = {2, 3, 6, 17, 75, 1536};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
		char *stack = aligned_alloc(page, pages[i] * page);

		memset(stack, 1, pages[i] * page);
		mprotect(stack, page, PROT_NONE);
		definitely(pages[i] * page, 1);
	}
}

static NOINLINE void specific(void)
{
	pthread_key_create(&key, NULL);
	pthread_setspecific(key, list(COUNT));
}

static NOINLINE void tls(void)
{
	thread_variable = list(COUNT);
}

static NOINLINE void plugin(void)
{
	void *library = dlopen(PLUGIN, RTLD_NOW);
	void (*keep)(void *) = (void (*)(void *))(uintptr_t)dlsym(library, "keep");

	keep(list(COUNT));
}

static NOINLINE void mapping(void)
{
	void **page =
		mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	page[(2 << 20) / sizeof(void *)] = list(COUNT);
	reachable = page;
}

static NOINLINE void *wait_with_pointer(void *unused)
{
	struct node *volatile on_stack = list(COUNT);

	(void)unused;
	thread_variable = list(COUNT);
	sem_post(&ready);
	for (;;)
		pause();
	return on_stack;
}

/* Threads that live on, with pointers on their stacks and in their variables. */
static NOINLINE void stacks(void)
{
	pthread_t thread;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, wait_with_pointer, NULL);
	for (int i = 0; i < THREADS; i++)
		sem_wait(&ready);
}

static NOINLINE void *leak_and_end(void *barrier)
{
	struct node *n = list(COUNT);

	pthread_barrier_wait(barrier);
	n->bytes[0] = 1;
	return n;
}

/* Threads that are gone, whose stacks libc keeps. */
static NOINLINE void joined(void)
{
	pthread_t threads[THREADS];
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, leak_and_end, &barrier);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	definitely(THREADS * sizeof(struct node), THREADS);
	indirectly(THREADS * (COUNT - 1) * sizeof(struct node), THREADS * (COUNT - 1));
}

static void say(void)
{
	printf("%zu %zu %zu %zu\n", expected[0], expected[1], expected[2], expected[3]);
	fflush(stdout);
}

/* A function that ends the process has the only pointer in a register that calls preserve, or on
   its stack. */
static NOINLINE void in_register(void)
{
	struct node *kept = list(COUNT);

	say();
#if defined(__x86_64__)
	__asm__ volatile("mov %0, %%rbx\n\txor %0, %0\n\txor %%edi, %%edi\n\tcall exit"
			 : "+r"(kept)
			 :
			 : "rbx", "rdi", "memory");
#else
	__asm__ volatile("mov x19, %0\n\tmov %0, xzr\n\tmov x0, xzr\n\tbl exit"
			 : "+r"(kept)
			 :
			 : "x19", "x0", "x30", "memory");
#endif
}

/* Overwrites what calls left below this one: of threads that wait the whole stack counts. */
static NOINLINE void clear_stack(void)
{
	char words[64 * 1024];

	memset(words, 0, sizeof words);
	__asm__ volatile("" : : "r"(words) : "memory");
}

static NOINLINE void in_frame(void)
{
	struct node *volatile kept = list(COUNT);

	say();
	clear_stack();
	exit(kept == NULL);
}

static NOINLINE void in_quick_exit(void)
{
	struct node *volatile kept = list(COUNT);

	for (size_t size = 1; size < 1 << 20; size *= 2)
		free(malloc(size)); /* they wait in the quarantine, where there is one */
	say();
	quick_exit(kept == NULL);
}

static NOINLINE void *end_process(void *unused)
{
	sem_wait(&ready);
	in_frame();
	return unused;
}

/* Another thread ends the process, while this one waits. */
static NOINLINE void in_other_thread(void)
{
	struct node *volatile kept = list(COUNT);
	pthread_t thread;

	direct();
	pthread_create(&thread, NULL, end_process, NULL);
	clear_stack(); /* pthread_create() allocates, too */
	sem_post(&ready);
	pthread_join(thread, NULL);
	exit(kept == NULL);
}

static NOINLINE void *allocate_on(void *unused)
{
	void *held[64] = {NULL};

	(void)unused;
	for (unsigned n = 0;; n++) {
		size_t size = n % 50 == 0 ? HUGE_BYTES : n % 10 == 0 ? RUN_BYTES : n % 4000;

		free(held[n % 64]);
		held[n % 64] = malloc(size);
		if (n == 1000)
			sem_post(&ready);
	}
}

/* Other threads go on while this one ends the process; what is lost, nobody knows. */
static void busy(void)
{
	pthread_t thread;

	for (int i = 0; i < 4; i++)
		pthread_create(&thread, NULL, allocate_on, NULL);
	for (int i = 0; i < 4; i++)
		sem_wait(&ready);
}

static const struct {
	const char *name;
	void (*leak)(void);
} kinds[] = {{"direct", direct},     {"many", many},	       {"indirect", indirect},
	     {"chain", chain},	     {"cycle", cycle},	       {"huge", huge},
	     {"interior", interior}, {"protected", protected}, {"specific", specific},
	     {"tls", tls},	     {"plugin", plugin},       {"mapping", mapping},
	     {"stacks", stacks},     {"joined", joined},       {"register", in_register},
	     {"frame", in_frame},    {"quick", in_quick_exit}, {"other", in_other_thread},
	     {"depths", depths}};

int main(int argc, char **argv)
{
	sem_init(&ready, 0, 0);
	for (size_t i = 0; argc < 2 && i < sizeof kinds / sizeof *kinds; i++)
		puts(kinds[i].name);
	if (argc > 1 && strcmp(argv[1], "busy") == 0)
		busy();
	for (size_t i = 0; argc > 1 && i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(argv[1], kinds[i].name) == 0)
			kinds[i].leak();
	if (argc > 1)
		say();
	return argc > 2 ? atoi(argv[2]) : 0;
}
