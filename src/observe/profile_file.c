/* A heap profile as a file; see profile_file.h. */
#include "observe/profile_file.h"

#include "config.h"
#include "observe/error_words.h"
#include "observe/pinned.h"
#include "observe/poisson.h"
#include "observe/samples.h"
#include "observe/writer.h"
#include "os/files.h"
#include "os/line.h"
#include "os/os.h"
#include "os/process.h"

#include <errno.h>

#define NAME_MOST 1100
#define TRIES	  100 /* names for one process, which may have become several programs */

static size_t whole(uint64_t objects)
{
	return (objects + POISSON_ONE / 2) / POISSON_ONE;
}

static void put_sums(struct text *t, const struct sum *live, const struct sum *allocated)
{
	text_printf(t, "%zu: %zu [%zu: %zu] @", whole(live->objects), live->asked,
		    whole(allocated->objects), allocated->asked);
}

static void put_pinned(struct text *t, const struct pinned *pinned, const struct site *site)
{
	uint64_t objects, nbytes;

	if (!pinned->rows)
		return;
	pinned_of(pinned, site, &objects, &nbytes);
	text_printf(t, " pinned %zu: %zu", whole(objects), nbytes);
}

static void put_site(struct writer *w, const struct site *site, const struct pinned *pinned)
{
	const struct sum *peak = site_peak(site);
	struct text *t = writer_room(w);

	put_sums(t, &site->live, &site->allocated);
	for (uint64_t i = 0; i < site->trail.depth; i++)
		text_printf(writer_room(w), " %p", site->trail.frames[i]);
	text_printf(writer_room(w), "\n# peak %zu: %zu given %zu %zu %zu lives",
		    whole(peak->objects), peak->asked, site->live.given, peak->given,
		    site->allocated.given);
	for (unsigned i = 0; i < LIVES; i++)
		text_printf(t, " %zu", whole(site->lives[i]));
	put_pinned(t, pinned, site);
	text_put(t, "\n");
}

static size_t seconds(void)
{
	return ((samples.stopped ? samples.stopped : os_clock()) - samples.started) / OS_SECOND;
}

static void put_head(struct writer *w)
{
	struct text *t = writer_room(w);
	struct sum allocated = {0};

	for (const struct site *site = load_acquire(&samples.sites); site; site = site->next_all) {
		allocated.objects += site->allocated.objects;
		allocated.asked += site->allocated.asked;
	}
	text_put(t, "heap profile: ");
	put_sums(t, &samples.live, &allocated);
	text_printf(t,
		    " heapprofile\n# loam " CONFIG_VERSION
		    " prof=%zu samples %zu lost %zu after %zu"
		    " seconds\n",
		    samples.rate, samples.taken, samples.lost, seconds());
}

/* As the kernel says it: names in it may have any length. */
static void put_maps(struct writer *w)
{
	int fd = os_open("/proc/self/maps");
	long n;

	text_put(writer_room(w), "\nMAPPED_LIBRARIES:\n");
	writer_flush(w);
	if (fd < 0)
		return;
	while (!w->error && (n = os_read(fd, w->buffer, sizeof w->buffer)) > 0)
		w->error = os_write(w->fd, w->buffer, (size_t)n);
	os_close(fd);
}

/* The nth name to try. */
static void name_file(char name[NAME_MOST], const char *path, unsigned n)
{
	struct text t = {.buffer = name, .capacity = NAME_MOST - 1};

	text_printf(&t, "%s.%zu", path, (size_t)os_process());
	if (n)
		text_printf(&t, ".%zu", (size_t)n + 1);
	text_put(&t, ".heap");
	name[t.length] = '\0';
}

/* A descriptor of a new file, and its name; else said, and negative. */
static int make_file(char name[NAME_MOST], const char *path)
{
	char words[ERROR_WORDS_MOST];
	int fd = -EEXIST;

	for (unsigned n = 0; fd == -EEXIST && n < TRIES; n++) {
		name_file(name, path, n);
		fd = os_create_high(name, OS_NEW);
	}
	if (fd < 0)
		line_say("prof: %s cannot be made: %s; name a file that can by prof_file", name,
			 error_words(-fd, words));
	return fd;
}

/* 0, or the number of an error. */
static int put_all(int fd)
{
	struct pinned pinned;
	struct writer w;

	pinned_look(&pinned);
	writer_begin(&w, fd);
	put_head(&w);
	for (const struct site *site = load_acquire(&samples.sites); site; site = site->next_all)
		if (site_counts(site))
			put_site(&w, site, &pinned);
	put_maps(&w);
	pinned_end(&pinned);
	return w.error;
}

void profile_write(const char *path)
{
	char name[NAME_MOST], words[ERROR_WORDS_MOST];
	int fd, error;

	if (!samples.taken)
		return;
	fd = make_file(name, path);
	if (fd < 0)
		return;
	error = put_all(fd);
	os_close(fd);
	if (error)
		line_say("prof: %s is cut off: %s", name, error_words(error, words));
}
