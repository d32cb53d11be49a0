/* Reserved huge pages; see hugetlb.h. */
#include "pages/hugetlb.h"

#include "os/line.h"
#include "os/os.h"
#include "pages/pagemap.h"

SEALED bool hugetlb_wanted;

void hugetlb_start(void)
{
	void *mem = os_map_reserved(HUGETLB_PAGE);

	hugetlb_wanted = true;
	if (mem)
		os_unmap(mem, HUGETLB_PAGE);
	else
		line_say("hugetlb=on: no reserved huge page of 2 MiB can be had (sysctl "
			 "vm.nr_hugepages); memory is ordinary");
}

void *hugetlb_map(size_t nbytes)
{
	char *mem = os_map_reserved(nbytes);

	if (!mem || pagemap_reserve(mem, PAGE_SIZE))
		return mem;
	os_unmap(mem, nbytes);
	return NULL;
}
