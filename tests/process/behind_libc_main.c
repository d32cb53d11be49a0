/* See behind_libc.c. */
int use_loam(void);

int main(void)
{
	return use_loam();
}
