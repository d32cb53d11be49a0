/* A walk over all floors; see objects.h. */
#include "observe/objects.h"

#include "arena/ring.h"
#include "cache/deferred.h"
#include "harden/fence.h"
#include "harden/sampled.h"
#include "os/os.h"
#include "pages/huge.h"
#include "pages/run.h"
#include "pages/zone.h"
#include "slab/slab.h"

struct visitor {
	void (*visit)(const void *mem, size_t nbytes, void *arg);
	void *arg;
};

/* One that was not freed; of one with a guard page what is before that. */
static void visit(const void *mem, const struct descriptor *tag, size_t nbytes,
		  const struct visitor *v)
{
	bool has_guard = tag->guarded && (tag->kind == KIND_RUN || tag->kind == KIND_HUGE);

	if (!fence_is_freed(mem, tag, nbytes))
		v->visit(mem, has_guard ? nbytes - os_page_size() : nbytes, v->arg);
}

/* A free object's memory is writable: the mark was written there. */
UNSYNCHRONIZED bool objects_is_free(const struct slab *s, const struct object *o)
{
	return slab_has_free(s, o) ||
	       ((s->size < PAGE_SIZE || os_is_writable(o)) && o->key == slab_mark(o));
}

static void visit_slab(const struct slab *s, const struct visitor *v)
{
	for (uint32_t i = 0; i < s->capacity; i++)
		if (!objects_is_free(s, slab_object(s, i)))
			visit(slab_object(s, i), &s->tag, s->size, v);
}

/* Whether the free of an object that is not of a slab waits. */
static bool is_deferred(const void *mem)
{
	return load_relaxed(&deferred_first) && os_is_writable(mem) && deferred_has(mem);
}

/* One that is not of a slab. What is quarantined may be unreadable but for its end. */
static void visit_other(const void *mem, const struct descriptor *tag, size_t nbytes,
			const struct visitor *v)
{
	if (fences || !is_deferred(mem))
		visit(mem, tag, nbytes, v);
}

static void visit_stretch(struct descriptor *tag, char *mem, size_t nbytes, void *visitor)
{
	const struct slab *s = (const struct slab *)tag;
	const struct run *run = (const struct run *)tag;

	(void)nbytes;
	if (tag->kind == KIND_SLAB && s->base == (uintptr_t)mem)
		visit_slab(s, visitor);
	else if (tag->kind == KIND_RUN && run_base(run) == mem && !run->kept)
		visit_other(run->mem, tag, run_usable(run), visitor);
}

static void visit_huge(const struct huge *h, bool kept, void *visitor)
{
	if (!kept)
		visit_other(h->mem, &h->tag, h->nbytes, visitor);
}

static void visit_chunk(const void *mem, size_t usable, void *visitor)
{
	visit_other(mem, pagemap_get(mem), usable, visitor);
}

/* One that another thread had locked at a fork stays as it was then. */
static void visit_heaps(struct arena *a, struct visitor *v)
{
	bool locked = ring_lock_this(a);

	heap_visit(&a->chunks, visit_chunk, v);
	if (locked)
		ring_unlock(a);
}

void objects_visit(void (*see)(const void *mem, size_t nbytes, void *arg), void *arg)
{
	struct visitor v = {see, arg};

	ring_for_each (a)
		visit_heaps(a, &v);
	zone_visit(visit_stretch, &v);
	huge_visit(visit_huge, &v);
	sampled_visit(see, arg);
}
