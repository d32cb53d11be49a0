/* Lines on standard error; see line.h. */
#include "os/line.h"

#include "os/os.h"

void line_begin(struct line *line)
{
	line->text = (struct text){.buffer = line->buffer, .capacity = LINE_MOST - 1};
	text_put(&line->text, "loam: ");
}

void line_end(struct line *line)
{
	line->buffer[line->text.length++] = '\n';
	os_write(2, line->buffer, line->text.length);
}

void line_say(const char *format, ...)
{
	struct line line;
	va_list arguments;

	line_begin(&line);
	va_start(arguments, format);
	text_format(&line.text, format, arguments);
	va_end(arguments);
	line_end(&line);
}
