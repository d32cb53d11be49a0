/*
 * A program that writes where nothing is its own: to what it has freed, and to the headers before
 * its objects. Whatever it hits, loam ends it with a report, or goes on without harm: no two
 * objects in use overlap, none lies outside the heap, and nothing faults.
 *
 * Each input runs in a child, since a report is its end.
 */
#include "fuzz.h"

#include "pages/run.h"

#include <errno.h>
#include <fcntl.h>
#include <loam/loam.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OBJECTS = 128, FREED = 128, HEADER = 16 };

struct object {
	unsigned char *mem;
	size_t size;
	bool written; /* its header; when it was freed, a byte of it */
};

static struct object live[OBJECTS], freed[FREED];
static uint32_t freed_count;

static void check_alone(const struct object *o)
{
	const struct descriptor *tag = pagemap_get(o->mem);

	MUST(tag && (tag->kind == KIND_SLAB || tag->kind == KIND_HEAP || tag->kind == KIND_RUN ||
		     tag->kind == KIND_HUGE));
	for (int i = 0; i < OBJECTS; i++)
		if (live[i].mem && &live[i] != o)
			MUST(o->mem + o->size <= live[i].mem ||
			     live[i].mem + live[i].size <= o->mem);
}

static void take(struct object *o, size_t size)
{
	*o = (struct object){loam_malloc(size), size, false};
	if (o->mem)
		check_alone(o);
}

static void drop(struct object *o)
{
	freed[freed_count++ % FREED] = (struct object){o->mem, o->size, false};
	loam_free(o->mem);
	o->mem = NULL;
}

/* In what was freed, unless it is in use again, or is a header, see write_to_header(). */
static void write_to_freed(struct choices *c)
{
	struct object *o = &freed[choose(c, FREED)];
	size_t offset = choose(c, o->size < 256 ? (uint32_t)o->size + 1 : 256);
	unsigned char *byte = o->mem + offset;

	if (!o->mem || offset >= o->size || o->written)
		return;
	for (int i = 0; i < OBJECTS; i++)
		if (live[i].mem && byte >= live[i].mem - HEADER &&
		    byte < live[i].mem + live[i].size)
			return;
	*byte ^= (unsigned char)(1 + choose(c, 255));
	o->written = true;
}

static bool has_words_before(const void *mem)
{
	const struct descriptor *tag = pagemap_get(mem);

	return tag->kind == KIND_HEAP ||
	       (tag->kind == KIND_RUN && ((const struct run *)tag)->usable);
}

/* Before an object in use, where a chunk has its header or a run its fence; elsewhere that is
   another object.  Once
   each: of several changes to a header one in 2^16 has the right checksum by chance, of one byte
   none has. */
static void write_to_header(struct choices *c)
{
	struct object *o = &live[choose(c, OBJECTS)];
	size_t offset = choose(c, HEADER);

	if (!o->mem || o->written || !has_words_before(o->mem))
		return;
	o->mem[(ptrdiff_t)offset - HEADER] ^= (unsigned char)(1 + choose(c, 255));
	o->written = true;
}

static void play(struct choices c)
{
	static const size_t sizes[] = {16, 40, 100, 600, 1500, 3000, 40000, 100000};

	while (any_left(&c)) {
		struct object *o = &live[choose(&c, OBJECTS)];
		size_t size = sizes[choose(&c, 8)];

		switch (choose(&c, 8)) {
		case 0 ... 2:
			if (!o->mem)
				take(o, size + choose(&c, 64));
			break;
		case 3 ... 4:
			if (o->mem)
				drop(o);
			break;
		case 5: /* until the class is hot */
			for (int i = 0; i < 40; i++)
				loam_free(loam_malloc(size));
			break;
		case 6:
			write_to_freed(&c);
			break;
		default:
			write_to_header(&c);
		}
	}
	for (int i = 0; i < OBJECTS; i++)
		if (live[i].mem)
			drop(&live[i]);
}

/* MUST ends a child by SIGABRT, as a report does: so it says which by its first words. */
static bool says_report(int fd)
{
	char word[6] = {0};
	ssize_t n = TEMP_FAILURE_RETRY(read(fd, word, 5)); /* a fuzzer has alarms */

	return n == 5 && word[0] == 'l' && word[1] == 'o' && word[4] == ':';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[2], status;
	pid_t child;
	bool reported;

	MUST(pipe(fds) == 0);
	child = fork();
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		dup2(fds[1], 2);
		play((struct choices){data, data + size});
		_exit(0);
	}
	close(fds[1]);
	reported = says_report(fds[0]);
	close(fds[0]);
	MUST(TEMP_FAILURE_RETRY(waitpid(child, &status, 0)) == child);
	MUST((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
	     (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && reported));
	return 0;
}
