/*
 * like-older-kernel PROGRAM ARGS...: runs a program under a filter that answers as Linux 3.10 does
 * (CentOS 7): system calls and advice about memory that are newer do not exist.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NO_CALL(number)                                                                            \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),                                         \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)

/* The value of the argument that is loaded. */
#define NO_VALUE(value)                                                                            \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),                                          \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL)

/* Loads a field; the low half of an argument. */
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))

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
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};

	if (argc < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 2;
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 2;
}
