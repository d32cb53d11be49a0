/* Nodes of threads; see nodes.h. */
#include "pages/nodes.h"

#include "base/options.h"
#include "os/os.h"

bool nodes_many;

unsigned nodes_look(void)
{
	unsigned cpu, node;

	os_where(&cpu, &node);
	return options.zones ? cpu % (unsigned)options.zones : node % NODES_MOST;
}

void nodes_note(void)
{
	if (options.zones == 1 || load_relaxed(&nodes_many))
		return;
	if (options.zones || nodes_look() != 0)
		store_relaxed(&nodes_many, true);
}
