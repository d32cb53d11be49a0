/* A library whose destructor frees what its constructor and the program allocated, and allocates.
 */
#include "process.h"

int late_pipe = -1; /* where each late step reports its letter, when the program set it */
struct block late_block_of_program;

static struct block from_constructor;

__attribute__((constructor)) static void construct(void)
{
	from_constructor = block_new(12345);
}

__attribute__((destructor)) static void destroy(void)
{
	block_free(from_constructor);
	if (late_pipe < 0)
		return;
	block_free(late_block_of_program);
	allocate_every_size();
	MUST(write(late_pipe, "L", 1) == 1);
}
