/* A program that runs under a filter of its system calls. */
#pragma once

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Answers where that value is loaded, as the number of a call is, with the error; 0: as done. */
#define ANSWER(number, error)                                                                      \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),                                         \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

/* Loads a field of the call; of an argument its low half. */
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))

#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* Becomes argv[1] under the filter; the exit status where that cannot be. */
static inline int run_filtered(struct sock_filter *code, unsigned short n, int argc, char **argv)
{
	struct sock_fprog program = {n, code};

	if (argc < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 2;
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 2;
}
