/* A walk over all floors; see objects.h. */
#include "observe/objects.h"

#include "arena/ring.h"
#include "cache/deferred.h"
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

/* Objects in magazines, in the depot, or whose free waits bear their mark. */
static UNSYNCHRONIZED void visit_slab(const struct slab *s, const struct visitor *v)
{
	for (uint32_t i = 0; i < s->capacity; i++)
		if (!slab_is_free(s, slab_object(s, i)))
			v->visit(slab_object(s, i), s->size, v->arg);
}

/* What is readable of an object with pages of its own. */
static size_t readable(const struct descriptor *tag, size_t nbytes)
{
	return tag->guarded ? nbytes - os_page_size() : nbytes;
}

/* One that is not of a slab. */
static void visit_other(const void *mem, size_t nbytes, void *visitor)
{
	const struct visitor *v = visitor;

	if (!deferred_has(mem))
		v->visit(mem, nbytes, v->arg);
}

static void visit_stretch(struct descriptor *tag, char *mem, size_t nbytes, void *visitor)
{
	const struct slab *s = (const struct slab *)tag;
	const struct run *run = (const struct run *)tag;

	(void)nbytes;
	if (tag->kind == KIND_SLAB && s->base == (uintptr_t)mem)
		visit_slab(s, visitor);
	else if (tag->kind == KIND_RUN && run->mem == mem && !run->kept)
		visit_other(mem, readable(tag, run_usable(run)), visitor);
}

static void visit_huge(const struct huge *h, bool kept, void *visitor)
{
	if (!kept)
		visit_other(h->mem, readable(&h->tag, h->nbytes), visitor);
}

/* One that another thread had locked at a fork stays as it was then. */
static void visit_heaps(struct arena *a, struct visitor *v)
{
	bool locked = ring_lock_this(a);

	heap_visit(&a->chunks, visit_other, v);
	if (locked)
		ring_unlock(a);
}

void objects_visit(void (*visit)(const void *mem, size_t nbytes, void *arg), void *arg)
{
	struct visitor v = {visit, arg};

	for (struct arena *a = NULL; (a = ring_next(a));)
		visit_heaps(a, &v);
	zone_visit(visit_stretch, &v);
	huge_visit(visit_huge, &v);
	sampled_visit(visit, arg);
}
