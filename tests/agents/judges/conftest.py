"""A scripted model for every judge."""

from collections.abc import Iterator

import pytest
from loopback import LoopbackModel


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server
