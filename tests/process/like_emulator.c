/*
 * like-emulator PROGRAM ARGS...: runs a program under a filter that answers as emulators of the
 * kernel do (qemu-user): there are no lists of robust mutexes, and all advice about memory is
 * followed, it is said, and nothing done.
 */
#include "filtered.h"

int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		LOAD(nr),
		ANSWER(SYS_set_robust_list, ENOSYS),
		ANSWER(SYS_get_robust_list, ENOSYS),
		ANSWER(SYS_madvise, 0),
		ALLOW,
	};

	return run_filtered(code, sizeof code / sizeof *code, argc, argv);
}
