/*
 * A program started with an empty environment and not even its own name as argument.  The
 * dynamic linker, called as a program, preloads LOAM_SO without the environment's help;
 * a static program is simply executed.  The second start has no environment.
 */
#include "process.h"

#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <sys/auxv.h>

__attribute__((weak)) const char *loam_version(void);

static void *allocate(void *unused)
{
	allocate_every_size();
	return unused;
}

static int run_with_nothing(void)
{
	pthread_t thread;

	MUST(loam_version);
	allocate_every_size();
	MUST(pthread_create(&thread, NULL, allocate, NULL) == 0);
	MUST(pthread_join(thread, NULL) == 0);
	return 0;
}

/* The path of the dynamic linker that this program names; NULL in a static one. */
static char *interpreter(void)
{
	const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR), *interp = NULL;
	const char *base = NULL;

	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
		if (headers[i].p_type == PT_PHDR)
			base = (const char *)headers - headers[i].p_vaddr;
		if (headers[i].p_type == PT_INTERP)
			interp = &headers[i];
	}
	return base && interp ? (char *)base + interp->p_vaddr : NULL;
}

int main(int argc, char **argv)
{
	char *library = getenv("LOAM_SO"), *nothing[] = {NULL};
	char *by_linker[] = {"ld.so", "--preload", library, argv[0], NULL};
	pid_t child;

	if (!environ || !environ[0])
		return run_with_nothing();
	MUST(argc == 1 && (library || !interpreter()));
	child = fork();
	if (child == 0) {
		if (interpreter())
			execve(interpreter(), by_linker, nothing);
		else
			execve("/proc/self/exe", nothing, nothing);
		_exit(127);
	}
	return child_wait(child) == 0 ? 0 : 1;
}
