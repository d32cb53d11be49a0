/* A library that is opened: what its constructor is called with. */
int plugin_argc;
char **plugin_argv;

__attribute__((constructor)) static void note(int argc, char **argv)
{
	plugin_argc = argc;
	plugin_argv = argv;
}
