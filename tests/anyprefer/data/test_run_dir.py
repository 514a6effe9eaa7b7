"""A run folder from outside: names and lock."""

from pathlib import Path

import pytest
from loopback import recipe_data

from anyprefer.data.run_dir import FORMAT, RunDir
from anyprefer.errors import ConfigError, RunFolderError
from anyprefer.recipes import parse_recipe

RECIPE = parse_recipe(recipe_data("http://127.0.0.1:1/v1", judge={"principles": ["Be brief."]}))


def write_lock(folder: Path) -> RunDir:
    folder.mkdir(parents=True, exist_ok=True)
    files = RunDir(folder)
    files.lock.write_text(files.lock_of(RECIPE, "5a" * 32, {"score": "11" * 32}).text)
    return files


def test_lock_comes_back_as_it_was_written(tmp_path: Path) -> None:
    lock = write_lock(tmp_path).read_lock()
    assert (lock.digest, lock.prompts, lock.format, lock.recipe) == ("5a" * 32, {"score": "11" * 32}, FORMAT, RECIPE)
    assert RunDir(str(tmp_path)).read_recipe() == RECIPE


def test_lock_without_a_number_is_of_format_1(tmp_path: Path) -> None:
    files = write_lock(tmp_path)
    files.lock.write_text(files.lock.read_text().replace(f"format = {FORMAT}\n", ""))
    assert files.read_lock().format == 1


def test_folder_that_is_none_is_named_with_the_ones_inside_it(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"is no run folder .*give the --out of `anyprefer run`"):
        RunDir(tmp_path).read_lock()
    write_lock(tmp_path / "round-1" / "run")
    with pytest.raises(RunFolderError, match=r"give one of its run folders, such as '.*round-1/run'"):
        RunDir(tmp_path).read_lock()
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="is no run folder"):
        RunDir(tmp_path / "file").read_lock()


@pytest.mark.parametrize("damage", [b"name = ", b"\xff\xfe", b'lock = "x"\n', b"[lock]\nprompts = 3\n"])
def test_lock_that_cannot_be_read_is_named(tmp_path: Path, damage: bytes) -> None:
    RunDir(tmp_path).lock.write_bytes(damage)
    with pytest.raises(RunFolderError, match=r"cannot read .*recipe\.lock\.toml"):
        RunDir(tmp_path).read_lock()


def test_recipe_with_a_setting_that_is_gone_names_the_lock(tmp_path: Path) -> None:
    files = write_lock(tmp_path)
    files.lock.write_text(files.lock.read_text().replace('field = "general knowledge"', "charm = 3"))
    with pytest.raises(ConfigError, match=r"recipe\.lock\.toml has .*\n  unknown key charm = 3"):
        files.read_recipe()
