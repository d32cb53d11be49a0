/*
 * Preloaded beside loam, into any program: the system calls that are made in the library's own
 * code, and are none of those that docs/design.md names, end the process by SIGSYS.  So do those
 * that change mappings, which libc's code has to make, where others can see them.  The program's
 * own are its own business.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field, plus)                                                                          \
	{                                                                                          \
		BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, field) + (plus)      \
	}
#define ALLOW_CALL(number)                                                                         \
	{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number},                                                 \
	{                                                                                          \
		BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW                                           \
	}
#define ALLOW_UNLESS(jump, value, holds)                                                           \
	{BPF_JMP | (jump) | BPF_K, holds, !(holds), value},                                        \
	{                                                                                          \
		BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW                                           \
	}

/* Where the library's code is, from /proc/self/maps: from its first such mapping to the end of the
   last, with its data between them. */
static int find_code(uint64_t *ret_start, uint64_t *ret_end)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4352], rights[8];
	uint64_t start, end;
	int found = 0;

	while (maps && fgets(line, sizeof line, maps))
		if (strstr(line, "/libloam.so") &&
		    sscanf(line, "%lx-%lx %7s", &start, &end, rights) == 3 && rights[2] == 'x') {
			*ret_start = found++ ? *ret_start : start;
			*ret_end = end;
		}
	if (maps)
		fclose(maps);
	return found;
}

__attribute__((constructor)) static void install(int argc, char **argv)
{
	uint64_t start, end;

	(void)argc;
	free(malloc(1)); /* loam has started */
	if (!find_code(&start, &end))
		_exit(70);
	if (start >> 32 != end >> 32) { /* once in thousands; in a new process it lies elsewhere */
		execv("/proc/self/exe", argv);
		_exit(72);
	}
	{
		struct sock_filter code[] = {
			LOAD(instruction_pointer, 4),
			ALLOW_UNLESS(BPF_JEQ, (unsigned)(start >> 32), 1),
			LOAD(instruction_pointer, 0),
			ALLOW_UNLESS(BPF_JGE, (unsigned)start, 1),
			ALLOW_UNLESS(BPF_JGE, (unsigned)end, 0),
			LOAD(nr, 0),
			ALLOW_CALL(
				SYS_mremap), /* a question, which is always answered by a refusal */
			ALLOW_CALL(SYS_futex),
			ALLOW_CALL(SYS_write),
			{BPF_JMP | BPF_JEQ | BPF_K, 0, 5, SYS_brk}, /* a question, of 0 */
			LOAD(args[0], 0),
			{BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0},
			LOAD(args[0], 4),
			ALLOW_CALL(0),
			{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS},
		};
		struct sock_fprog program = {sizeof code / sizeof *code, code};

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
			_exit(71);
	}
}
