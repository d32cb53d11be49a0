/* Texts of the kernel on memory cgroups; see cgroup.h. */
#include "base/cgroup.h"

#include "base/text.h"

/* Version 1 says "no limit" as the largest number of whole pages. */
#define UNLIMITED ((size_t)1 << 60)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Whether a word stands in a list, which ends at `end`, between commas. */
static bool is_listed(const char *list, char end, const char *word)
{
	while (*list && *list != end) {
		const char *rest = text_after(list, word);

		if (rest && (*rest == ',' || *rest == end || !*rest))
			return true;
		while (*list && *list != ',' && *list != end)
			list++;
		list += *list == ',';
	}
	return false;
}

enum cgroup_version cgroup_group(const char *line, const char **ret_path)
{
	const char *controllers = line, *path;

	while (is_digit(*controllers))
		controllers++;
	if (controllers == line || *controllers++ != ':')
		return CGROUP_NONE;
	for (path = controllers; *path && *path != ':'; path++)
		;
	if (*path++ != ':' || *path != '/')
		return CGROUP_NONE;
	*ret_path = path;
	if (*controllers == ':')
		return *line == '0' ? CGROUP_V2 : CGROUP_NONE;
	return is_listed(controllers, ':', "memory") ? CGROUP_V1 : CGROUP_NONE;
}

/* Ends the word that begins here; where the next one begins. */
static char *end_word(char *c)
{
	while (*c && *c != ' ')
		c++;
	if (*c)
		*c++ = '\0';
	return c;
}

/* Blanks, tabs, ends of lines and backslashes are written as \ooo. */
static void decode(char *c)
{
	char *to = c;

	for (; *c; c++) {
		if (c[0] == '\\' && is_digit(c[1]) && is_digit(c[2]) && is_digit(c[3])) {
			*to++ = (char)((c[1] - '0') << 6 | (c[2] - '0') << 3 | (c[3] - '0'));
			c += 3;
		} else {
			*to++ = *c;
		}
	}
	*to = '\0';
}

/* number parent device ROOT POINT options [tags ...] - TYPE source OPTIONS */
enum cgroup_version cgroup_mount(char *line, const char **ret_root, const char **ret_point)
{
	char *root = end_word(end_word(end_word(line))), *point = end_word(root), *rest, *type;

	rest = end_word(end_word(point));
	while (*rest && !(rest[0] == '-' && rest[1] == ' '))
		rest = end_word(rest);
	type = end_word(rest);
	if (*root != '/' || *point != '/')
		return CGROUP_NONE;
	rest = end_word(end_word(type));
	decode(root);
	decode(point);
	*ret_root = root;
	*ret_point = point;
	if (text_equal(type, "cgroup2"))
		return CGROUP_V2;
	return text_equal(type, "cgroup") && is_listed(rest, '\0', "memory") ? CGROUP_V1
									     : CGROUP_NONE;
}

/* Whether a path leads out of what the process may see: "/../elsewhere". */
static bool leads_out(const char *path)
{
	return text_after(path, "/..") && (!path[3] || path[3] == '/');
}

bool cgroup_folder(char *folder, size_t size, const char *point, const char *root, const char *path)
{
	const char *below = text_equal(root, "/") ? path : text_after(path, root);
	struct text to = {.buffer = folder, .capacity = size};

	if (!below || (*below && *below != '/') || leads_out(path) || !below[*below == '/'])
		below = "";
	text_put(&to, point);
	text_put(&to, below);
	if (to.length == size)
		return false;
	folder[to.length] = '\0';
	return true;
}

bool cgroup_go_up(char *folder, size_t point_bytes)
{
	size_t end = text_length(folder);

	if (end <= point_bytes)
		return false;
	while (end > point_bytes && folder[end] != '/')
		end--;
	folder[end] = '\0';
	return true;
}

bool cgroup_bytes(const char *text, size_t *ret_nbytes)
{
	const char *rest = text_after(text, "max");

	*ret_nbytes = SIZE_MAX;
	if (rest)
		return !*rest || *rest == '\n';
	if (!is_digit(*text) || !text_number(&text, ret_nbytes) || (*text && *text != '\n'))
		return false;
	if (*ret_nbytes >= UNLIMITED)
		*ret_nbytes = SIZE_MAX;
	return true;
}

size_t cgroup_reclaimable(enum cgroup_version version, const char *line)
{
	static const char words[][24] = {"inactive_file ", "active_file ", "slab_reclaimable "};
	const char *number = NULL;
	size_t nbytes;

	if (version == CGROUP_V1) /* there, what groups below have counts in lines of its own */
		line = text_after(line, "total_");
	for (size_t i = 0; line && !number && i < sizeof words / sizeof words[0]; i++)
		number = text_after(line, words[i]);
	return number && text_number(&number, &nbytes) ? nbytes : 0;
}

unsigned cgroup_pressure(const char *line)
{
	const char *number = text_after(line, "some avg10=");
	size_t percent;

	return number && text_number(&number, &percent) && percent <= 100 ? (unsigned)percent : 0;
}
