/*
 * like-older-kernel PROGRAM ARGS...: runs a program under a filter that answers as Linux 3.10 does
 * (CentOS 7): system calls and advice about memory that are newer do not exist.
 */
#include "filtered.h"

#define NO_CALL(number) ANSWER(number, ENOSYS)

/* Refuses a call whose argument, which is loaded, has that value. */
#define NO_VALUE(value) ANSWER(value, EINVAL)

int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		LOAD(nr),
		NO_CALL(SYS_renameat2),
		NO_CALL(SYS_statx),
		NO_CALL(SYS_membarrier),
		NO_CALL(SYS_getrandom),
		NO_CALL(SYS_rseq),
		NO_CALL(SYS_clone3),
		NO_CALL(SYS_memfd_create),
		NO_CALL(462), /* mseal */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 10),
		LOAD(args[2]),
		NO_VALUE(8),  /* FREE */
		NO_VALUE(18), /* WIPEONFORK */
		NO_VALUE(23), /* POPULATE_WRITE */
		NO_VALUE(24), /* DONTNEED_LOCKED */
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
		LOAD(args[0]),
		NO_VALUE(0x53564d41), /* SET_VMA */
		ALLOW,
	};

	return run_filtered(code, sizeof code / sizeof *code, argc, argv);
}
