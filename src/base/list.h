/*
 * Circular list of structures that carry their own links.  A head is a link of no structure; an
 * empty list is a head that links to itself.  Forwards a list is whole after each single store, so
 * that the child of a fork can mend it by list_repair().
 */
#pragma once

#include "base/compiler.h"

struct link {
	struct link *next, *prev;
};

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Walks the links of a list; the list must not change on the way. */
#define list_for_each(l, head) for (struct link *l = (head)->next; l != (head); l = l->next)

static inline void list_init(struct link *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct link *head)
{
	return head->next == head;
}

static inline void list_push(struct link *head, struct link *l)
{
	l->next = head->next;
	l->prev = head;
	head->next->prev = l;
	KEEP_ORDER();
	head->next = l;
}

static inline void list_push_back(struct link *head, struct link *l)
{
	list_push(head->prev, l);
}

/* l may be on any list; afterwards it is on none and its links are stale. */
static inline void list_remove(struct link *l)
{
	l->next->prev = l->prev;
	l->prev->next = l->next;
}

/* Makes the links backwards those that the links forwards say. */
static inline void list_repair(struct link *head)
{
	struct link *l = head;

	do {
		l->next->prev = l;
		l = l->next;
	} while (l != head);
}

/* The first link taken off, or NULL of an empty list. */
static inline struct link *list_pop(struct link *head)
{
	struct link *l = head->next;

	if (l == head)
		return NULL;
	list_remove(l);
	return l;
}
