/* Runs a target on files, or on all files of folders: the corpus as a test.  With --random N also
   on so many inputs of chance; LOAM_TEST_SEED repeats them. */
#include "fuzz.h"

#include "test.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static uint8_t bytes[1 << 20];
static int files;

static void run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	size_t n;

	if (!file) {
		perror(path);
		exit(2);
	}
	n = fread(bytes, 1, sizeof bytes, file);
	fclose(file);
	fprintf(stderr, "%s\n", path); /* the last one is the one that failed */
	LLVMFuzzerTestOneInput(bytes, n);
	files++;
}

static void run_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char name[4096];

	while (folder && (entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		run_file(name);
	}
	if (folder)
		closedir(folder);
}

static uint64_t seed_of_this_run(void)
{
	const char *given = getenv("LOAM_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761 | 1;

	fprintf(stderr, "LOAM_TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static void run_random(long n)
{
	uint64_t seed = seed_of_this_run();

	for (; n > 0; n--, files++) {
		size_t size = test_random(&seed) % 1024;

		for (size_t i = 0; i < size; i++)
			bytes[i] = (uint8_t)test_random(&seed);
		LLVMFuzzerTestOneInput(bytes, size);
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat about;

		if (!strcmp(argv[i], "--random") && i + 1 < argc)
			run_random(atol(argv[++i]));
		else if (stat(argv[i], &about) == 0 && S_ISDIR(about.st_mode))
			run_folder(argv[i]);
		else
			run_file(argv[i]);
	}
	printf("%d inputs\n", files);
	return files ? 0 : 2;
}
