import pytest
from tiny_model import save_tiny_reward_model


@pytest.fixture(scope="session")
def reward_model_folder(tmp_path_factory):
    """A random reward model, as its authors would save it."""
    pytest.importorskip("torch", reason="the reward model runs with torch")
    pytest.importorskip("transformers", reason="the reward model is a transformers model")
    return save_tiny_reward_model(tmp_path_factory.mktemp("reward"))
