"""Blobs are what their names say, or an error."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyprefer.data.blobs import BlobStore, picture_type
from anyprefer.errors import DataError, RunFolderError


def test_what_was_put_comes_back_under_the_hash_of_its_bytes(tmp_path):
    store = BlobStore(tmp_path / "blobs")

    @given(st.binary(max_size=200))
    def check(data):
        name = store.put(data)
        assert name == hashlib.sha256(data).hexdigest() == store.put(data)
        assert store.get(name) == data
        assert (tmp_path / "blobs" / name[:2] / name[2:]).read_bytes() == data

    check()


def test_damaged_and_missing_blobs_are_no_content(tmp_path):
    store = BlobStore(tmp_path)
    name = store.put(b"a picture")
    store.place(name).write_bytes(b"another picture")
    with pytest.raises(DataError, match="damaged"):
        store.get(name)
    with pytest.raises(DataError, match="no blob"):
        store.get("0" * 64)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "0" * 63, "/" + "0" * 63])
def test_only_a_hash_names_a_blob(tmp_path, name):
    with pytest.raises(ValueError, match="no SHA-256"):
        BlobStore(tmp_path).get(name)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "blobs").write_text("a file")
    with pytest.raises(RunFolderError, match="cannot write"):
        BlobStore(tmp_path / "blobs").put(b"x")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n...", "image/png"), (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"), (b"<svg onload=alert(1)>", None), (b"", None), (b"%PDF-1.7", None),
    ],
)  # fmt: skip
def test_a_picture_is_known_by_its_bytes(data, kind):
    assert picture_type(data) == kind
