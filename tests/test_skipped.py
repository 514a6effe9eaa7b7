"""A run of the tests says what it left out and why."""

import shutil
import subprocess
import sys
from pathlib import Path

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_of_a_fixture(number):
    pytest.skip("no bubblewrap\\n  here")

def test_of_a_package():
    pytest.importorskip("no_such_package", reason="needs the extra train")

@pytest.mark.skipif(True, reason="needs /dev/full")
def test_of_a_mark(): ...

def test_that_runs(): ...
"""


def run_tests(folder, text):
    (folder / "test_it.py").write_text(text)
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_every_reason_for_a_skipped_test_is_named_once_with_its_count(tmp_path):
    said = run_tests(tmp_path, TESTS).splitlines()
    start = next(place for place, line in enumerate(said) if "skipped, by reason" in line)
    assert said[start + 1 : start + 4] == ["    3  no bubblewrap here", "    1  needs the extra train", "    1  needs /dev/full"]


def test_nothing_is_said_where_nothing_was_skipped(tmp_path):
    assert "by reason" not in run_tests(tmp_path, "def test_that_runs(): ...\n")
