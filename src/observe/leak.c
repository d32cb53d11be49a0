/* What is lost, by stack; see leak.h. */
#include "observe/leak.h"

#include "cache/cache.h"
#include "observe/contents.h"
#include "observe/marking.h"
#include "observe/objects.h"
#include "observe/profile.h"
#include "observe/roots.h"
#include "os/line.h"
#include "report/stack.h"

#define STACKS_SHOWN 20

struct total {
	size_t blocks, bytes;
};

/* Lost blocks of one stack. */
struct group {
	const struct site *site;  /* NULL: of those whose stack is not known */
	struct total of[REACHED]; /* by state */
};

/* Those that lost most, the largest first; and how many others there are. */
struct ranking {
	struct group groups[STACKS_SHOWN];
	size_t count, others;
	struct total of_others;
};

struct leak {
	struct marking marking;
	bool complete;
};

static struct total sum(struct total a, struct total b)
{
	return (struct total){a.blocks + b.blocks, a.bytes + b.bytes};
}

static size_t lost_bytes(const struct group *g)
{
	return g->of[LOST].bytes + g->of[INDIRECT].bytes;
}

/* --- looking --------------------------------------------------------------------------------- */

static void add_block(const void *mem, size_t nbytes, void *leak)
{
	struct leak *l = leak;

	l->complete &= marking_add(&l->marking, mem, nbytes);
}

/* What was not asked for holds nothing of the program's. */
static void set_sizes(struct marking *m)
{
	lock_acquire(&profile_lock);
	for (size_t i = 0; profiling && i < m->count; i++) {
		const struct sample *s = samples_find((const void *)m->blocks[i].start);

		if (s && s->asked < m->blocks[i].nbytes)
			m->blocks[i].nbytes = s->asked;
	}
	lock_release(&profile_lock);
}

/* False, and said, where it cannot be done. */
static bool look(struct leak *l)
{
	if (!contents_open()) {
		line_say("leak: there is no memory for it, or /proc/self/mem cannot be read;"
			 " nothing was looked at");
		return false;
	}
	objects_visit(add_block, l);
	marking_sort(&l->marking);
	set_sizes(&l->marking);
	l->complete = l->complete && roots_mark(&l->marking, stack_pointer);
	if (l->complete)
		marking_finish(&l->marking);
	else
		line_say("leak: there is no memory for it, or /proc/self/maps cannot be read;"
			 " nothing was looked at");
	contents_close();
	return l->complete;
}

/* --- saying ---------------------------------------------------------------------------------- */

/* Puts a group where it belongs among the largest; the one that falls out is one of the others. */
static void rank(struct ranking *r, const struct group *g)
{
	struct group out = *g;
	size_t i = r->count;

	if (i == STACKS_SHOWN) {
		if (lost_bytes(&r->groups[i - 1]) < lost_bytes(g))
			out = r->groups[--i];
		r->others++;
		r->of_others = sum(r->of_others, sum(out.of[LOST], out.of[INDIRECT]));
		if (i == STACKS_SHOWN)
			return;
	} else {
		r->count++;
	}
	for (; i && lost_bytes(&r->groups[i - 1]) < lost_bytes(g); i--)
		r->groups[i] = r->groups[i - 1];
	r->groups[i] = *g;
}

/* Keeps the lost blocks alone, each with its site for its address; adds up by state. */
static void keep_lost(struct marking *m, struct total totals[REACHED + 1])
{
	size_t kept = 0;

	lock_acquire(&profile_lock);
	for (size_t i = 0; i < m->count; i++) {
		struct marking_block b = m->blocks[i];
		const struct sample *s = profiling ? samples_find((const void *)b.start) : NULL;

		totals[b.state] = sum(totals[b.state], (struct total){1, b.nbytes});
		b.start = s ? (uintptr_t)s->site : 0;
		if (b.state != REACHED)
			m->blocks[kept++] = b;
	}
	lock_release(&profile_lock);
	m->count = kept;
}

static void rank_groups(struct marking *m, struct ranking *r)
{
	struct group g;

	marking_sort_blocks(m->blocks, m->count);
	for (size_t i = 0, next; i < m->count; i = next) {
		g = (struct group){.site = (const struct site *)m->blocks[i].start};
		for (next = i; next < m->count && m->blocks[next].start == m->blocks[i].start;
		     next++) {
			struct total *t = &g.of[m->blocks[next].state];

			*t = sum(*t, (struct total){1, m->blocks[next].nbytes});
		}
		rank(r, &g);
	}
}

static void say_group(const struct group *g)
{
	const struct total *definite = &g->of[LOST], *indirect = &g->of[INDIRECT];
	bool known = g->site && g->site->trail.depth;
	struct line line;

	line_begin(&line);
	text_put(&line.text, "leak: ");
	if (definite->blocks)
		text_printf(&line.text, "%zu bytes in %zu blocks definitely lost, ",
			    definite->bytes, definite->blocks);
	if (indirect->blocks)
		text_printf(&line.text, "%zu bytes in %zu blocks indirectly lost, ",
			    indirect->bytes, indirect->blocks);
	text_put(&line.text, known ? "allocated here:" : "allocated by stacks that were not noted");
	line_end(&line);
	if (known)
		stack_say_frames(g->site->trail.frames, g->site->trail.depth);
}

static void say(struct marking *m)
{
	struct ranking r = {.count = 0};
	struct total totals[REACHED + 1] = {{0, 0}};

	keep_lost(m, totals);
	rank_groups(m, &r);
	line_say("leak: definitely lost: %zu bytes in %zu blocks; indirectly lost: %zu bytes in "
		 "%zu blocks; still reachable: %zu bytes in %zu blocks",
		 totals[LOST].bytes, totals[LOST].blocks, totals[INDIRECT].bytes,
		 totals[INDIRECT].blocks, totals[REACHED].bytes, totals[REACHED].blocks);
	for (size_t i = 0; i < r.count; i++)
		say_group(&r.groups[i]);
	if (r.others)
		line_say("leak: %zu bytes in %zu blocks more, of %zu other stacks",
			 r.of_others.bytes, r.of_others.blocks, r.others);
}

void leak_report(void)
{
	struct leak l = {.marking = {.contents = contents_visit}, .complete = true};

	if (!cache_begin()) {
		line_say("leak: the process ends inside a call of malloc; nothing was looked at");
		return;
	}
	if (look(&l))
		say(&l.marking);
	marking_end(&l.marking);
	cache_end();
}
