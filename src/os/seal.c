/* Read-only from the start of the process on; see seal.h. */
#include "os/seal.h"

#include "base/bits.h"
#include "base/options.h"
#include "os/os.h"

#include "os/syscall.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef SYS_mseal
#define SYS_mseal 462 /* Linux 6.10 */
#endif

__asm__(".section loam_sealed, \"aw\"\n"
	".balign 4096\n"
	".section loam_options, \"aw\"\n"
	".balign 4096\n"
	".section loam_sealed_end, \"aw\"\n"
	".balign 4096\n"
	".quad 0\n"
	".previous\n");

extern HIDDEN char __start_loam_sealed[], __stop_loam_sealed[];
extern HIDDEN char __start_loam_options[], __stop_loam_options[];

static bool open = true; /* the options */

struct pages {
	char *mem;
	size_t nbytes;
};

/* What follows stop up to the end of its page is nobody's, where pages are of 4 KiB. */
static struct pages pages_of(char *start, char *stop)
{
	return (struct pages){start, align_up((size_t)(stop - start), os_page_size())};
}

static bool protect(struct pages pages)
{
	return !syscall_failed(
		syscall6(SYS_mprotect, (long)pages.mem, (long)pages.nbytes, PROT_READ, 0, 0, 0));
}

void seal(bool for_good)
{
	struct pages sealed = pages_of(__start_loam_sealed, __stop_loam_sealed);

	if (os_page_size() != 4096)
		return;
	open = !protect(pages_of(__start_loam_options, __stop_loam_options));
	if (protect(sealed) && for_good)
		syscall6(SYS_mseal, (long)sealed.mem, (long)sealed.nbytes, 0, 0, 0, 0);
}

/* By a copy that is moved there: a program may run under a filter that knows no mprotect. */
bool seal_open_options(void)
{
	struct pages sealed = pages_of(__start_loam_options, __stop_loam_options);
	char *copy;

	if (open)
		return true;
	copy = os_map(sealed.nbytes, OS_METADATA);
	if (!copy)
		return false;
	memcpy(copy, sealed.mem, sealed.nbytes);
	open = os_remap_onto(copy, sealed.nbytes, sealed.mem, sealed.nbytes);
	if (!open)
		os_unmap(copy, sealed.nbytes);
	return open;
}
