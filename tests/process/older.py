"""What loam promises of files and memory, where the kernel is Linux 3.10.

usage: older.py LIKE_OLDER_KERNEL PROGRAM, with the library in LOAM_SO.  The program is modest.c.
"""
import os
import stat
import subprocess
import sys
import tempfile
import unittest

OLDER, PROGRAM = map(os.path.abspath, sys.argv[1:3])


def run(command, options, folder):
    preload = ['/usr/bin/env', f'LD_PRELOAD={os.environ["LOAM_SO"]}', f'LOAM_OPTIONS={options}']
    return subprocess.run([OLDER, *preload, *command], cwd=folder, capture_output=True, text=True, timeout=60)


class Older(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_each_option_serves_without_a_line(self):
        for options in ('', 'harden=2', 'harden=3', 'guard=10', 'background=1', 'thp=always', 'limit=auto', 'limit=1G',
                        'report_file=reports', 'record=trace', 'metrics=metrics'):
            with self.subTest(options):
                done = run([PROGRAM, '4'], options, self.folder)
                self.assertEqual((done.returncode, done.stderr), (0, ''))

    def test_metrics_are_written_and_replaced(self):
        files = set()
        for _ in range(2):
            done = run([PROGRAM, '4'], 'metrics=metrics', self.folder)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            with open(f'{self.folder}/metrics') as file:
                self.assertTrue(file.read().endswith('# EOF\n'))
                files.add((os.fstat(file.fileno()).st_ino, os.fstat(file.fileno()).st_mtime_ns))
        self.assertEqual(len(files), 2)
        self.assertEqual(os.listdir(self.folder), ['metrics'])

    def test_metrics_that_cannot_be_written_are_said_so(self):
        done = run([PROGRAM, '4'], 'metrics=nowhere/metrics', self.folder)
        self.assertEqual(done.stderr, 'loam: metrics: nowhere/metrics cannot be written: No such file or directory\n')

    def test_a_pipe_is_not_replaced(self):
        os.mkfifo(f'{self.folder}/pipe')
        done = run([PROGRAM, '4'], 'metrics=pipe', self.folder)
        self.assertIn('is a link, device or pipe, and is not replaced', done.stderr)
        self.assertTrue(stat.S_ISFIFO(os.stat(f'{self.folder}/pipe').st_mode))


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
