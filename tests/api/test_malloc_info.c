/* What malloc_info and malloc_stats print: glibc's schema and lines, as its readers parse them. */
#include "names.h"

#include <pthread.h>
#include <sys/mman.h>

#define LARGE ((size_t)40 << 20)

static char text[1 << 20];

/* A tag of malloc_info's XML: its name, the tag it stands in, and its attributes. */
struct tag {
	char name[16], parent[16], attributes[256];
};

/* The number that a tag says for an attribute, or -1. */
static long long number(const struct tag *tag, const char *attribute)
{
	char wanted[32];
	const char *at;

	snprintf(wanted, sizeof wanted, " %s=\"", attribute);
	at = strstr(tag->attributes, wanted);
	return at ? strtoll(at + strlen(wanted), NULL, 10) : -1;
}

static bool is(const struct tag *tag, const char *name, const char *parent, const char *attributes)
{
	return strcmp(tag->name, name) == 0 && strcmp(tag->parent, parent) == 0 &&
	       strncmp(tag->attributes, attributes, strlen(attributes)) == 0;
}

/* Reads the tags of XML into tags: every one closed, in order, nothing between them but space. */
static int read_tags(const char *xml, struct tag *tags, int most)
{
	char open[8][16] = {""};
	int depth = 0, count = 0, length;

	for (const char *at = xml + strspn(xml, " \n"); *at; at += strspn(at, " \n")) {
		struct tag *tag = &tags[count];

		if (sscanf(at, "</%15[a-z]>%n", tag->name, &length) == 1) {
			EXPECT(depth > 0 && strcmp(open[depth], tag->name) == 0);
			if (--depth < 0)
				return 0;
			at += length;
			continue;
		}
		memset(tag, 0, sizeof *tag);
		length = 0;
		if (count == most || depth == 7 ||
		    sscanf(at, "<%15[a-z]%n%255[^>]", tag->name, &length, tag->attributes) < 1) {
			dprintf(2, "no tag: %.40s\n", at);
			return 0;
		}
		strcpy(tag->parent, open[depth]);
		at += (size_t)length + strlen(tag->attributes);
		if (at[-1] != '/')
			strcpy(open[++depth], tag->name);
		if (!EXPECT_EQ(*at, '>'))
			return 0;
		at++;
		count++;
	}
	EXPECT_EQ(depth, 0);
	return count;
}

/* A stream of memory, which grows by realloc while malloc_info writes to it. */
static int info_text(int options)
{
	char *grown = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&grown, &length);
	int result;

	REQUIRE(stream != NULL);
	result = malloc_info(options, stream);
	EXPECT_EQ(fclose(stream), 0);
	REQUIRE(length < sizeof text);
	memcpy(text, grown, length + 1);
	(free)(grown); /* libc's own in every build */
	return result;
}

/* The tags that a heap has, and that the whole has after its heaps. */
static void expect_totals(const struct tag *tags, int count, const char *parent)
{
	static const char *const wanted[][2] = {
		{"total", " type=\"rest\" count=\""},	  {"system", " type=\"current\" size=\""},
		{"system", " type=\"max\" size=\""},	  {"aspace", " type=\"total\" size=\""},
		{"aspace", " type=\"mprotect\" size=\""},
	};

	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		int found = 0;

		for (int j = 0; j < count; j++)
			if (is(&tags[j], wanted[i][0], parent, wanted[i][1])) {
				EXPECT(number(&tags[j], "size") >= 0);
				found++;
			}
		if (!EXPECT(found > 0))
			printf("    no <%s%s in <%s>\n", wanted[i][0], wanted[i][1], parent);
	}
}

TEST(malloc_info_prints_glibcs_schema)
{
	static const char opening[] = "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n";
	static struct tag tags[10000];
	long long system = 0, mapped = 0, mappings = 0;
	void *large = malloc(LARGE), *small[100];
	int count, heaps = 0, children = 0;

	for (size_t i = 0; i < 100; i++)
		small[i] = malloc(100 * i);
	for (int i = 0; i < 100; i += 2)
		free(small[i]);
	EXPECT_EQ(info_text(0), 0);
	for (int i = 1; i < 100; i += 2)
		free(small[i]);
	free(large);

	EXPECT_EQ(strncmp(text, opening, strlen(opening)), 0);
	count = read_tags(text, tags, 10000);
	REQUIRE(count > 0);
	for (int i = 0; i < count; i++) {
		const struct tag *tag = &tags[i];

		if (is(tag, "malloc", "", " version=\"1\"") || is(tag, "sizes", "heap", "")) {
			children++;
		} else if (is(tag, "heap", "malloc", " nr=\"")) {
			EXPECT_EQ(number(tag, "nr"), heaps);
			heaps++;
		} else if (is(tag, "size", "sizes", "") || is(tag, "unsorted", "sizes", "")) {
			EXPECT(number(tag, "from") <= number(tag, "to"));
			EXPECT(number(tag, "count") > 0);
			EXPECT(number(tag, "total") >= number(tag, "count") * number(tag, "from"));
			EXPECT(number(tag, "total") <= number(tag, "count") * number(tag, "to"));
		} else if (is(tag, "total", "malloc", " type=\"mmap\"")) {
			mappings = number(tag, "count");
			mapped = number(tag, "size");
		} else if (is(tag, "system", "malloc", " type=\"current\"")) {
			system = number(tag, "size");
		} else if (!is(tag, "total", "heap", " type=\"") &&
			   !is(tag, "total", "malloc", " type=\"") &&
			   !is(tag, "system", "heap", " type=\"") &&
			   !is(tag, "system", "malloc", " type=\"") &&
			   !is(tag, "aspace", "heap", " type=\"") &&
			   !is(tag, "aspace", "malloc", " type=\"")) {
			EXPECT(!"a tag that is not in the schema");
			printf("    <%s%s> in <%s>\n", tag->name, tag->attributes, tag->parent);
		}
	}
	EXPECT(heaps >= 1);
	EXPECT_EQ(children, heaps + 1);
	EXPECT(mappings >= 1 && mapped >= (long long)LARGE);
	EXPECT(system >= 99 * 100 * 25);
	expect_totals(tags, count, "heap");
	expect_totals(tags, count, "malloc");
}

TEST(malloc_info_knows_no_options)
{
	EXPECT_EQ(info_text(1), EINVAL);
	EXPECT_EQ(text[0], '\0');
	EXPECT_EQ(info_text(-1), EINVAL);
	EXPECT_EQ(text[0], '\0');
}

/* What `say` says on standard error, into text. */
static void error_text(void (*say)(void))
{
	int caught = memfd_create("caught", 0), kept = dup(2);
	ssize_t length;

	REQUIRE(caught >= 0 && kept >= 0);
	dup2(caught, 2);
	say();
	dup2(kept, 2);
	close(kept);
	length = pread(caught, text, sizeof text - 1, 0);
	close(caught);
	REQUIRE(length > 0);
	text[length] = '\0';
}

static void say_stats(void)
{
	malloc_stats();
}

static void stats_text(void)
{
	error_text(say_stats);
}

/* The number in the line `name     = 1234` at *at, which is moved to the next line. */
static long long line(const char **at, const char *name)
{
	size_t length = strlen(name);
	long long n;
	char *end;

	if (!EXPECT(strncmp(*at, name, length) == 0)) {
		printf("    \"%s\" expected at: %.60s\n", name, *at);
		test_stop();
	}
	n = strtoll(*at + length, &end, 10);
	EXPECT_EQ(*end, '\n');
	*at = end + 1;
	return n;
}

TEST(malloc_stats_prints_glibcs_lines)
{
	void *large = malloc(LARGE), *small = malloc(100);
	const char *at = text;
	long long system, used;
	char heading[32];

	stats_text();
	free(small);
	free(large);
	for (int arena = 0;; arena++) {
		snprintf(heading, sizeof heading, "Arena %d:\n", arena);
		if (arena > 0 && strncmp(at, "Total", 5) == 0)
			break;
		REQUIRE(strncmp(at, heading, strlen(heading)) == 0);
		at += strlen(heading);
		system = line(&at, "system bytes     = ");
		used = line(&at, "in use bytes     = ");
		EXPECT(used <= system);
	}
	REQUIRE(strncmp(at, "Total (incl. mmap):\n", 20) == 0);
	at += 20;
	system = line(&at, "system bytes     = ");
	used = line(&at, "in use bytes     = ");
	EXPECT(used <= system && used >= (long long)LARGE + 100);
	EXPECT(line(&at, "max mmap regions = ") >= 1);
	EXPECT(line(&at, "max mmap bytes   = ") >= (long long)LARGE);
	EXPECT_EQ(*at, '\0');
}

static void *allocate_in_slabs(void *mem)
{
	for (int i = 0; i < 1000; i++)
		((void **)mem)[i] = malloc(300);
	for (int i = 0; i < 1000; i += 2)
		free(((void **)mem)[i]);
	return NULL;
}

/* The sum over all tags of that kind. */
static long long sum(const struct tag *tags, int count, const char *name, const char *parent,
		     const char *attributes, const char *number_of)
{
	long long n = 0;

	for (int i = 0; i < count; i++)
		if (is(&tags[i], name, parent, attributes))
			n += number(&tags[i], number_of);
	return n;
}

TEST(the_totals_are_the_sums_over_the_heaps)
{
	static const char *const kinds[][3] = {
		{"total", " type=\"fast\"", "size"},	 {"total", " type=\"fast\"", "count"},
		{"total", " type=\"rest\"", "size"},	 {"total", " type=\"rest\"", "count"},
		{"system", " type=\"current\"", "size"},
	};
	static struct tag tags[10000];
	static void *mem[1000], *run, *large;
	struct mallinfo2 m;
	pthread_t thread;
	long long heaps, whole, held, is_free;
	int count;

	REQUIRE(pthread_create(&thread, NULL, allocate_in_slabs, mem) == 0);
	pthread_join(thread, NULL);
	run = malloc(1 << 20);
	large = malloc(64 << 20); /* in no heap */
	m = mallinfo2();
	EXPECT_EQ(info_text(0), 0);
	count = read_tags(text, tags, 10000);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		heaps = sum(tags, count, kinds[i][0], "heap", kinds[i][1], kinds[i][2]);
		whole = sum(tags, count, kinds[i][0], "malloc", kinds[i][1], kinds[i][2]);
		EXPECT_EQ(heaps, whole);
	}
	held = sum(tags, count, "system", "malloc", " type=\"current\"", "size");
	EXPECT(sum(tags, count, "system", "malloc", " type=\"max\"", "size") >= held);
#ifndef API_GLIBC /* which knows what it was at most */
	EXPECT_EQ(sum(tags, count, "system", "malloc", " type=\"max\"", "size"),
		  sum(tags, count, "system", "heap", " type=\"max\"", "size"));
#endif
	is_free = sum(tags, count, "total", "malloc", " type=\"fast\"", "size") +
		  sum(tags, count, "total", "malloc", " type=\"rest\"", "size");
	EXPECT(llabs(held - (long long)m.arena) < 64 * 1024); /* the stream has grown meanwhile */
	EXPECT(llabs(held - is_free - (long long)m.uordblks) < 64 * 1024);
#ifndef API_GLIBC /* which has no slabs; some of the 500 free objects of 300 bytes are in theirs */
	EXPECT(sum(tags, count, "size", "sizes", " from=\"320\" to=\"320\"", "count") > 0);
#endif
	free(large);
	free(run);
	for (int i = 1; i < 1000; i += 2)
		free(mem[i]);
}

#ifndef API_GLIBC /* which counts what is in a thread's cache as in use */
#define HEAPS  64
#define SHARED ((size_t)512)
#define COUNT  2000

/* What each heap has in use: what it has of the system, and is in no total of what is free.  The
   bytes of <size> that it has of SHARED bytes, in ret_free. */
static void read_heaps(long long *ret_in_use, long long *ret_free)
{
	static struct tag tags[10000];
	int count, nr = -1;

	EXPECT_EQ(info_text(0), 0);
	count = read_tags(text, tags, 10000);
	memset(ret_in_use, 0, HEAPS * sizeof *ret_in_use);
	memset(ret_free, 0, HEAPS * sizeof *ret_free);
	for (int i = 0; i < count; i++) {
		nr = is(&tags[i], "heap", "malloc", "") ? (int)number(&tags[i], "nr") : nr;
		REQUIRE(nr < HEAPS);
		if (is(&tags[i], "system", "heap", " type=\"current\""))
			ret_in_use[nr] += number(&tags[i], "size");
		else if (is(&tags[i], "total", "heap", ""))
			ret_in_use[nr] -= number(&tags[i], "size");
		else if (is(&tags[i], "size", "sizes", "") && number(&tags[i], "from") == SHARED &&
			 number(&tags[i], "to") == SHARED)
			ret_free[nr] += number(&tags[i], "total");
	}
}

static pthread_barrier_t step;

/* Holds objects of a thread that lives until others have freed them. */
static void *hold_in_slabs(void *mem)
{
	for (int i = 0; i < COUNT; i++)
		((void **)mem)[i] = malloc(SHARED);
	pthread_barrier_wait(&step);
	pthread_barrier_wait(&step);
	return NULL;
}

/* Objects that wait in another thread's magazine, or to be taken back, are free, and of the heap
   that they come from. */
TEST(what_is_freed_by_another_thread_is_free_in_its_own_heap)
{
	static void *mem[COUNT], *mine[COUNT];
	static long long before[HEAPS], after[HEAPS], free_before[HEAPS], free_after[HEAPS];
	const long long freed = COUNT / 2 * (long long)SHARED;
	pthread_t thread;
	int fell = 0;

	for (int i = 0; i < COUNT; i++)
		mine[i] = malloc(SHARED);
	pthread_barrier_init(&step, NULL, 2);
	REQUIRE(pthread_create(&thread, NULL, hold_in_slabs, mem) == 0);
	pthread_barrier_wait(&step);
	info_text(0); /* the stream has its memory, and its classes are hot */
	read_heaps(before, free_before);
	for (int i = 0; i < COUNT; i += 2)
		free(mem[i]);
	read_heaps(after, free_after);
	for (int nr = 0; nr < HEAPS; nr++)
		if (before[nr] - after[nr] > freed / 8) {
			fell++;
			EXPECT(llabs(before[nr] - after[nr] - freed) < freed / 8);
			EXPECT(free_after[nr] - free_before[nr] > 20 * (long long)SHARED);
		} else {
			EXPECT(llabs(before[nr] - after[nr]) < 65536);
			EXPECT(llabs(free_after[nr] - free_before[nr]) < 65536);
		}
	EXPECT_EQ(fell, 1);
	pthread_barrier_wait(&step);
	pthread_join(thread, NULL);
	for (int i = 0; i < COUNT; i++)
		free(mine[i]);
	for (int i = 1; i < COUNT; i += 2)
		free(mem[i]);
}

/* A run that a thread keeps for its next request is free memory, as in mallinfo2. */
TEST(runs_that_are_kept_are_free_memory)
{
	struct mallinfo2 before, after;
	void *run = malloc(300000);

	memset(run, 1, 300000);
	before = mallinfo2();
	free(run);
	after = mallinfo2();
	EXPECT(before.uordblks - after.uordblks >= 300000);
	EXPECT(after.fordblks - before.fordblks >= 300000);
	EXPECT_EQ(after.arena, before.arena);
}
#endif

TEST(malloc_stats_writes_to_the_stream_that_stderr_is_now)
{
	char *captured = NULL;
	size_t length = 0;
	FILE *real = stderr;

	stderr = open_memstream(&captured, &length);
	malloc_stats();
	fclose(stderr);
	stderr = real;
	EXPECT(length > 0 && strncmp(captured, "Arena 0:\n", 9) == 0);
	EXPECT(strstr(captured, "\nTotal (incl. mmap):\n") != NULL);
	(free)(captured);
}

static void *ask_while_cancelled(void *unused)
{
	pthread_cancel(pthread_self());
	malloc_stats();
	pthread_testcancel();
	return unused;
}

static void say_stats_while_cancelled(void)
{
	pthread_t thread;
	void *end;

	REQUIRE(pthread_create(&thread, NULL, ask_while_cancelled, NULL) == 0);
	pthread_join(thread, &end);
	EXPECT(end == PTHREAD_CANCELED);
}

/* It says all, and the thread can be cancelled behind it. */
TEST(malloc_stats_is_no_cancellation_point)
{
	error_text(say_stats_while_cancelled);
	EXPECT(strstr(text, "\nmax mmap bytes   = ") != NULL);
}
