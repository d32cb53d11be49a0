"""Interpreters and virtual machines: python3, perl, ruby, lua, php, node, java."""
import xml.etree.ElementTree as xml

from harness import program


def regression_tests(run, *modules, env=None):
    """Python's own tests: each test case's name and how it ended."""
    run('/usr/bin/python3', '-m', 'test', '-q', '-j6', '--junit-xml', run.dir / 'report.xml',
        *modules, env=env, timeout=240)
    cases = xml.parse(run.dir / 'report.xml').iter('testcase')
    return sorted((case.get('name'), sorted(child.tag for child in case)) for case in cases)


@program('/usr/bin/python3')
def python(run):
    return regression_tests(run, 'test_gc', 'test_dict', 'test_json', 'test_threading',
                            'test_subprocess', 'test_multiprocessing_fork')


@program('/usr/bin/python3')
def python_malloc(run):
    """Without python's own small-object allocator: every object is a malloc."""
    return regression_tests(run, 'test_gc', 'test_dict', 'test_json', 'test_threading', 'test_re',
                            'test_set', 'test_unicode', 'test_weakref', 'test_fork1',
                            env={'PYTHONMALLOC': 'malloc'})


@program('/usr/bin/perl')
def perl(run):
    return run('perl', run.sources / 'words.pl')


@program('/usr/bin/ruby')
def ruby(run):
    return run('ruby', run.sources / 'words.rb')


@program('/usr/bin/lua5.4')
def lua(run):
    return run('lua5.4', run.sources / 'words.lua')


@program('/usr/bin/php')
def php(run):
    """php opens its extensions with RTLD_DEEPBIND: they bind to libc's free past the preload."""
    return [run('php', run.sources / 'extensions.php'),
            run('php', run.sources / 'extensions.php', env={'USE_ZEND_ALLOC': '0'})]


@program('/usr/bin/node')
def node(run):
    return run('node', run.sources / 'workers.js')


@program('/usr/bin/java')
def java(run):
    run('javac', '-d', run.dir, run.sources / 'Buffers.java')
    return run('java', '-Xmx512m', '-cp', run.dir, 'Buffers')
