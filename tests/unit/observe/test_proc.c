/* What the kernel says of this process. */
#include "observe/proc.h"

#include "test.h"

#include <string.h>
#include <unistd.h>

TEST(the_program_has_a_name_and_a_number)
{
	char name[256], cut[5];

	proc_program(name, sizeof name);
	EXPECT_STR(name, "proc");
	proc_program(cut, sizeof cut);
	EXPECT_EQ(strlen(cut), 4);
	EXPECT_EQ(proc_number(), getpid());
}

TEST(what_is_touched_is_resident)
{
	/* or nothing would be written to what nobody reads */
	static volatile char touched[8 * MIB];
	size_t before, now, most;

	proc_resident(&before, &most);
	for (size_t i = 0; i < sizeof touched; i += 4096)
		touched[i] = 1;
	proc_resident(&now, &most);
	EXPECT(now >= before + 7 * MIB);
	EXPECT(most >= now);
}
