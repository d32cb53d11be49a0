/* What the system lets the process have; see memory_limits.h. */
#include "os/memory_limits.h"

#include "base/bits.h"
#include "base/cgroup.h"
#include "os/file_reader.h"
#include "os/line.h"
#include "os/os.h"
#include "os/process.h"

#define PATH_MOST 1024 /* of longer ones nothing is known */

/* Of a cgroup's limit a 64th stays free, in these bounds: for the kernel's pages, and page
   tables of what is touched after it was handed out. */
#define MARGIN_SHARE 64
#define MARGIN_LEAST (512 * KIB)
#define MARGIN_MOST  (64 * MIB)

/* And as much at most for what processors hold in advance, 256 KiB each: where they are busy they
   give it back too late. */
#define MARGIN_AHEAD (1 * MIB)

struct lock memory_limits_lock = LOCK_INIT(LOCK_LIMITS);

/* The process's folder of one version. */
struct place {
	char folder[PATH_MOST]; /* "": none; until its mount is found, the group's path */
	size_t point_bytes;	/* of the mount point's name; 0: not found yet */
};

/* What is in /proc/self/statm. */
struct sizes {
	size_t mapped, anonymous, data;
};

static struct {
	bool found;		   /* places[] are set */
	bool complained;	   /* of a number that is none, or of groups that are not mounted */
	size_t files;		   /* limits that could be read so far, at most */
	struct place places[2];	   /* version 1, version 2 */
	char path[PATH_MOST + 32]; /* of the file that is read */
	char line[2 * PATH_MOST];
	char folder[PATH_MOST];
	struct file_reader file;
} state;

/* --- lines ---------------------------------------------------------------------------------- */

static bool open_lines(const char *path)
{
	return file_reader_open(&state.file, path);
}

/* The next line without its end, in state.line, and what does not fit is left out; false at the
   end, where the file is closed. */
static bool next_line(void)
{
	size_t length = 0;
	int c = file_reader_next(&state.file);

	if (c < 0) {
		os_close(state.file.fd);
		return false;
	}
	for (; c >= 0 && c != '\n'; c = file_reader_next(&state.file))
		if (length < sizeof state.line - 1)
			state.line[length++] = (char)c;
	state.line[length] = '\0';
	return true;
}

/* False where it was cut off. */
static bool copy(char *to, const char *from, size_t size)
{
	struct text text = {.buffer = to, .capacity = size - 1};

	text_put(&text, from);
	to[text.length] = '\0';
	return !from[text.length];
}

/* Opens a file of a group. */
static bool open_file(const char *folder, const char *name)
{
	struct text path = {.buffer = state.path, .capacity = sizeof state.path - 1};

	text_printf(&path, "%s%s", folder, name);
	state.path[path.length] = '\0';
	return open_lines(state.path);
}

/* --- places --------------------------------------------------------------------------------- */

static struct place *place_of(enum cgroup_version version)
{
	return &state.places[version - CGROUP_V1];
}

static void find_groups(void)
{
	const char *path;

	if (!open_lines("/proc/self/cgroup"))
		return;
	while (next_line()) {
		enum cgroup_version version = cgroup_group(state.line, &path);

		if (version && !copy(place_of(version)->folder, path, PATH_MOST))
			*place_of(version)->folder = '\0';
	}
}

static void enter_mount(struct place *place, const char *root, const char *point)
{
	if (!cgroup_folder(state.folder, PATH_MOST, point, root, place->folder))
		*state.folder = '\0';
	copy(place->folder, state.folder, PATH_MOST);
	place->point_bytes = text_length(point);
}

/* Of several mounts the first. */
static void find_mounts(void)
{
	const char *root, *point;

	if (!open_lines("/proc/self/mountinfo"))
		return;
	while (next_line()) {
		enum cgroup_version version = cgroup_mount(state.line, &root, &point);

		if (version && *place_of(version)->folder && !place_of(version)->point_bytes)
			enter_mount(place_of(version), root, point);
	}
}

static bool has_group(void)
{
	return *state.places[0].folder || *state.places[1].folder;
}

static bool has_mount(void)
{
	return (*state.places[0].folder && state.places[0].point_bytes) ||
	       (*state.places[1].folder && state.places[1].point_bytes);
}

/* Finds the process's groups and their mounts. Prints a line where it has a group and none is
   mounted. */
static void find_places(void)
{
	bool in_group;

	find_groups();
	in_group = has_group();
	find_mounts();
	if (in_group && !has_mount() && !state.complained) {
		line_say(
			"limit=auto: the process's memory cgroup is not mounted here; its limit is "
			"unknown, and only ulimit -v and -d are obeyed");
		state.complained = true;
	}
}

/* --- groups --------------------------------------------------------------------------------- */

static void complain(void)
{
	if (!state.complained)
		line_say("limit=auto: %s says '%s', which is no size; it is ignored", state.path,
			 state.line);
	state.complained = true;
}

/* The one number in a file of a group; false where it cannot be read, or is none. */
static bool read_bytes(const char *folder, const char *name, size_t *ret_nbytes)
{
	if (!open_file(folder, name) || !next_line())
		return false;
	os_close(state.file.fd);
	if (cgroup_bytes(state.line, ret_nbytes))
		return true;
	complain();
	return false;
}

/* A limit of a group; SIZE_MAX where there is no such file. */
static size_t read_limit(const char *folder, const char *name, size_t *files)
{
	size_t nbytes;

	if (!read_bytes(folder, name, &nbytes))
		return SIZE_MAX;
	++*files;
	return nbytes;
}

/* What the kernel can take back of a group's memory. */
static size_t reclaimable(const char *folder, enum cgroup_version version)
{
	size_t sum = 0;

	if (!open_file(folder, "/memory.stat"))
		return 0;
	while (next_line())
		sum += cgroup_reclaimable(version, state.line);
	return sum;
}

static size_t margin(size_t limit)
{
	size_t share = limit / MARGIN_SHARE;

	return smaller(larger(share, MARGIN_LEAST), MARGIN_MOST) + smaller(share, MARGIN_AHEAD);
}

/* What a group lets the caller hold, who has so much of it. */
static size_t allowed_by(const char *folder, enum cgroup_version version, size_t held,
			 size_t *files)
{
	bool v2 = version == CGROUP_V2;
	size_t limit, usage = held;

	if (v2)
		limit = smaller(read_limit(folder, "/memory.max", files),
				read_limit(folder, "/memory.high", files));
	else
		limit = read_limit(folder, "/memory.limit_in_bytes", files);
	if (limit == SIZE_MAX)
		return SIZE_MAX;
	if (read_bytes(folder, v2 ? "/memory.current" : "/memory.usage_in_bytes", &usage))
		usage = minus(usage, reclaimable(folder, version));
	return minus(minus(limit, margin(limit)), minus(usage, held));
}

/* The least that a group and those above it let the caller hold. */
static size_t allowed_by_groups(enum cgroup_version version, size_t held, size_t *files)
{
	const struct place *place = place_of(version);
	size_t allowed = SIZE_MAX;

	if (!place->point_bytes || !*place->folder)
		return SIZE_MAX;
	copy(state.folder, place->folder, PATH_MOST);
	do
		allowed = smaller(allowed, allowed_by(state.folder, version, held, files));
	while (cgroup_go_up(state.folder, place->point_bytes));
	return allowed;
}

/* --- the process ---------------------------------------------------------------------------- */

/* size resident shared text lib data dt, in pages; false where that cannot be read. */
static bool read_sizes(struct sizes *ret_sizes)
{
	size_t numbers[7] = {0};
	const char *c = state.line;

	if (!open_lines("/proc/self/statm") || !next_line())
		return false;
	os_close(state.file.fd);
	for (unsigned i = 0; i < 7 && text_number(&c, &numbers[i]); i++)
		c += *c == ' ';
	ret_sizes->mapped = numbers[0] * os_page_size();
	ret_sizes->anonymous = minus(numbers[1], numbers[2]) * os_page_size();
	ret_sizes->data = numbers[5] * os_page_size();
	return true;
}

/* What a limit of addresses lets the caller hold, of `mapped` that count. */
static size_t allowed_by_addresses(size_t limit, size_t mapped, size_t held_and_spare)
{
	return limit == SIZE_MAX ? SIZE_MAX : minus(limit, minus(mapped, held_and_spare));
}

/* All of memory_limits_read(), by the thread that has the lock. */
static bool read_all(size_t held, size_t spare, size_t *ret_allowed)
{
	size_t files = 0, allowed, space, data, resident;
	struct sizes sizes;

	if (!state.found)
		find_places();
	state.found = true;
	if (!read_sizes(&sizes) || !os_address_limits(&space, &data))
		return false;
	resident = smaller(held, sizes.anonymous);
	allowed = smaller(allowed_by_groups(CGROUP_V1, resident, &files),
			  allowed_by_groups(CGROUP_V2, resident, &files));
	if (files < state.files)
		return false;
	state.files = files;
	allowed = smaller(allowed, allowed_by_addresses(space, sizes.mapped, held + spare));
	*ret_allowed = smaller(allowed, allowed_by_addresses(data, sizes.data, held + spare));
	return true;
}

bool memory_limits_read(size_t held, size_t spare, size_t *ret_allowed)
{
	bool done;

	if (!lock_try(&memory_limits_lock))
		return false;
	done = read_all(held, spare, ret_allowed);
	lock_release(&memory_limits_lock);
	return done;
}

/* Opens what the kernel says of waiting for memory (PSI): in the process's own group of version 2,
   or in the whole system where a group says nothing. */
static bool open_pressure(void)
{
	const struct place *place = place_of(CGROUP_V2);

	return (place->point_bytes && *place->folder &&
		open_file(place->folder, "/memory.pressure")) ||
	       open_lines("/proc/pressure/memory");
}

unsigned memory_limits_pressure(void)
{
	unsigned percent = 0;

	if (!lock_try(&memory_limits_lock))
		return 0;
	if (state.found && open_pressure())
		while (next_line())
			percent += cgroup_pressure(state.line);
	lock_release(&memory_limits_lock);
	return percent;
}

void memory_limits_recover(void)
{
	state.found = false;
	state.files = 0;
	for (int i = 0; i < 2; i++)
		state.places[i] = (struct place){.point_bytes = 0};
}
