/*
 * Expressions as trees: builds random ones, takes the derivative twice, and simplifies after each.
 *
 * A step makes a new tree and frees the old one.  Nodes are of 24 bytes, with 40 bytes more for a
 * note at one in four, and variables' names of 1 to 10 bytes; trees have hundreds to tens of
 * thousands of nodes, and are freed in the order of the tree.
 *
 * Stands for: computer algebra, optimisers of compilers and queries, interpreters of languages that
 * rewrite.
 * Cares: their authors: nothing but the smallest sizes, and lives that end a whole tree at a time.
 * Source: Harold Abelson and Gerald Sussman, "Structure and interpretation of computer programs"
 * (1985), 2.3.2: symbolic differentiation.
 */
#include "workload.h"

enum { EXPRESSIONS = 5200, DEPTH = 8, VARIABLES = 10, NOTE = 40 };

enum kind { NUMBER, VARIABLE, SUM, PRODUCT };

struct node {
	uint8_t kind, has_note, variable;
	uint32_t value; /* of a number */
	union {
		struct node *left;
		char *name; /* of a variable */
	};
	union {
		struct node *right;
		char *note; /* of a leaf, if it has one */
	};
};

static struct workload_thread *self;

static struct node *node_make(enum kind kind)
{
	struct node *node = workload_alloc(self, sizeof *node);

	memset(node, 0, sizeof *node);
	node->kind = (uint8_t)kind;
	return node;
}

static bool is_leaf(const struct node *node)
{
	return node->kind <= VARIABLE;
}

static struct node *number(uint32_t value)
{
	struct node *node = node_make(NUMBER);

	node->value = value;
	if (value % 4 == 3) {
		node->has_note = 1;
		node->note = workload_alloc(self, NOTE);
		memset(node->note, (int)value, NOTE);
	}
	return node;
}

static size_t name_bytes(unsigned v)
{
	return 1 + v;
}

static struct node *variable(unsigned v)
{
	struct node *node = node_make(VARIABLE);

	node->variable = (uint8_t)v;
	node->name = workload_alloc(self, name_bytes(v));
	memset(node->name, (int)('a' + v), name_bytes(v));
	return node;
}

static struct node *pair(enum kind kind, struct node *left, struct node *right)
{
	struct node *node = node_make(kind);

	node->left = left;
	node->right = right;
	return node;
}

/* Frees a tree; the sum of what was read. */
static uint64_t tree_free(struct node *node)
{
	uint64_t sum = node->kind;

	if (node->kind == VARIABLE) {
		sum += (unsigned char)node->name[node->variable];
		workload_free(self, node->name, name_bytes(node->variable));
	} else if (node->kind == NUMBER) {
		sum += node->value;
		if (node->has_note)
			sum += (unsigned char)node->note[NOTE - 1];
		if (node->has_note)
			workload_free(self, node->note, NOTE);
	} else {
		sum += 3 * tree_free(node->left) + tree_free(node->right);
	}
	workload_free(self, node, sizeof *node);
	return sum;
}

static struct node *tree_copy(const struct node *node)
{
	if (node->kind == NUMBER)
		return number(node->value);
	if (node->kind == VARIABLE)
		return variable(node->variable);
	return pair(node->kind, tree_copy(node->left), tree_copy(node->right));
}

static struct node *random_tree(unsigned depth)
{
	uint64_t dice = random_below(&self->random, 10);

	if (depth == 0 || (depth < DEPTH / 2 && dice == 0))
		return dice < 3 ? number((uint32_t)random_below(&self->random, 100))
				: variable((unsigned)random_below(&self->random, VARIABLES));
	return pair(dice < 6 ? SUM : PRODUCT, random_tree(depth - 1), random_tree(depth - 1));
}

/* A new tree: the derivative by a variable. */
static struct node *derivative(const struct node *node, unsigned v)
{
	if (is_leaf(node))
		return number(node->kind == VARIABLE && node->variable == v);
	if (node->kind == SUM)
		return pair(SUM, derivative(node->left, v), derivative(node->right, v));
	return pair(SUM, pair(PRODUCT, tree_copy(node->left), derivative(node->right, v)),
		    pair(PRODUCT, derivative(node->left, v), tree_copy(node->right)));
}

static bool is_number(const struct node *node, uint32_t value)
{
	return node->kind == NUMBER && node->value == value;
}

static struct node *simplified_pair(enum kind kind, struct node *left, struct node *right)
{
	bool product = kind == PRODUCT;

	if (product && (is_number(left, 0) || is_number(right, 0))) {
		tree_free(left);
		tree_free(right);
		return number(0);
	}
	if (is_number(left, product)) {
		tree_free(left);
		return right;
	}
	if (is_number(right, product)) {
		tree_free(right);
		return left;
	}
	return pair(kind, left, right);
}

/* A new tree without needless zeros and ones. */
static struct node *simplified(const struct node *node)
{
	if (is_leaf(node))
		return tree_copy(node);
	return simplified_pair(node->kind, simplified(node->left), simplified(node->right));
}

int main(int argc, char **argv)
{
	uint64_t expressions, sum = 0;

	workload_start(argc, argv, "rewriting", NULL);
	self = workload_main_thread();
	expressions = workload_scaled(EXPRESSIONS);
	for (uint64_t i = 0; i < expressions; i++) {
		struct node *tree = random_tree(DEPTH);

		for (unsigned k = 0; k < 2; k++) {
			unsigned v = (unsigned)random_below(&self->random, VARIABLES);
			struct node *derived = derivative(tree, v), *simple = simplified(derived);

			sum += tree_free(tree) + tree_free(derived);
			tree = simple;
		}
		sum += tree_free(tree);
	}
	return workload_end(sum);
}
