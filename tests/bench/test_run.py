"""bench/run: what it says of parts that fail, and of wrong use.  No part is run."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from commands import BENCH, loaded  # noqa: E402

command = loaded('run')
PARTS = {part.name: part for part in command.PARTS}


class Parts(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.given = mock.Mock(output=self.folder, quick=True)

    def run_part(self, name, status, report=''):
        """What is said of a part whose command writes a report and ends with a status."""
        def run(_):
            (self.folder / name / 'report.md').write_text(report)
            return status

        with mock.patch.object(command, 'wait', run):
            return command.run_part(PARTS[name], self.given, [])

    def merged(self, name, failed):
        """The report and the results of all, which are one part."""
        command.write({name: (PARTS[name].title, 1, failed)}, self.given, [])
        return ((self.folder / 'report.md').read_text(),
                json.loads((self.folder / 'results.json').read_text()))

    def test_results_of_an_earlier_run_are_not_taken_for_new_ones(self):
        (self.folder / 'macro').mkdir()
        (self.folder / 'macro/results.json').write_text('{"old": "figures"}')
        failed = self.run_part('macro', 2)
        self.assertIn('ended with status 2: run ', failed)
        text, results = self.merged('macro', failed)
        self.assertIn('No report: ended with status 2: run ', text)
        self.assertEqual(results, {'parts': {'macro': {'seconds': 1, 'failed': failed}}})

    def test_why_there_are_no_traces_is_in_the_report(self):
        why = 'redis could not be recorded: no such package'
        with mock.patch.object(command, 'record', side_effect=command.Failure(why)):
            failed = self.run_part('replay', 0)
        self.assertEqual(failed, why)
        self.assertIn(f'No report: {why}', self.merged('replay', failed)[0])

    def test_what_a_section_says_is_not_said_again(self):
        self.assertEqual(self.run_part('macro', 0, '# Macro\n'), '')
        self.assertIn('its section says what', self.run_part('macro', 1, '# Macro\n'))
        self.assertIn('ended with status 1: run ', self.run_part('macro', 1))    # a traceback

    def test_a_temporary_folder_that_is_not_there_is_not_taken(self):
        with mock.patch.dict(os.environ, TMPDIR='/no/such'):
            self.assertEqual(self.run_part('macro', 0, '# Macro\n'), '')

    def test_which_program_could_not_be_recorded(self):
        workload = mock.Mock(measure=mock.Mock(side_effect=command.Failure('its load failed: oh')))
        workload.name = 'redis'
        with self.assertRaisesRegex(command.Failure,
                                    '^redis could not be recorded: its load failed: oh$'):
            command.trace_of(workload, command.allocators.Allocator('loam'), self.folder, True)


class Use(unittest.TestCase):
    def test_wrong_use_is_found_before_any_part_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, 'file').touch()
            for argv, word in ((('--allocators', 'glibc,nosuch'), 'there is no allocator nosuch'),
                               (('--allocators', 'glibc', '--with', 'x=/no/such.so'),
                                'there is no allocator /no/such.so'),
                               (('--with', 'x'), 'NAME=FILE'),
                               (('--only', 'nosuch'), 'there is no part nosuch'),
                               (('--output', f'{folder}/file'), 'cannot write to')):
                with self.subTest(argv):
                    done = subprocess.run([BENCH / 'run', '--output', f'{folder}/out', *argv],
                                          capture_output=True, text=True, timeout=120)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertRegex(done.stderr, r'\Arun: .*\n\Z')
                    self.assertIn(word, done.stderr)
                    self.assertFalse(any(path.is_dir() for path in Path(folder, 'out').glob('*')))


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # of meson, where time is up: folders are removed
    unittest.main()
