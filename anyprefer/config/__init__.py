"""Recipes: every knob of a run, its unit, its default and the reason for it.

A recipe is one TOML file. Values come from the defaults here, then the recipe, then `--set a.b=c`. Secrets never stand in a
recipe: it names the environment variable that holds them. Each section is a file named after what reads it.
`anyprefer.recipes` reads and locks recipe files.
"""

from anyprefer.config.aggregator import AggregatorConfig
from anyprefer.config.base import Section, Untracked
from anyprefer.config.cluster import ClusterOptions
from anyprefer.config.columns import ColumnsConfig
from anyprefer.config.critic import CriticConfig
from anyprefer.config.judge import JudgeConfig
from anyprefer.config.loop import Feedback, LoopConfig
from anyprefer.config.models import (
    EmbeddedConfig,
    LengthField,
    ModelName,
    OptionalField,
    Price,
    ReplyFormat,
    RoleConfig,
    VllmConfig,
    split_model,
)
from anyprefer.config.pairing import PairConfig
from anyprefer.config.paths import FileOrHub
from anyprefer.config.recipe import ROLES, Recipe
from anyprefer.config.review import ReviewConfig
from anyprefer.config.rounds import RoundsConfig
from anyprefer.config.run import RunConfig
from anyprefer.config.sampler import SamplingConfig, TargetConfig
from anyprefer.config.tools import ServerConfig, ToolsConfig
from anyprefer.config.training import OWN_LOSSES, TRL_LOSSES, LoraConfig, TrainingConfig

__all__ = [
    "OWN_LOSSES", "ROLES", "TRL_LOSSES", "AggregatorConfig", "ClusterOptions", "ColumnsConfig", "CriticConfig", "EmbeddedConfig",
    "Feedback", "FileOrHub", "JudgeConfig", "LengthField", "LoopConfig", "LoraConfig", "ModelName", "OptionalField", "PairConfig",
    "Price", "Recipe", "ReplyFormat", "ReviewConfig", "RoleConfig", "RoundsConfig", "RunConfig", "SamplingConfig", "Section",
    "ServerConfig", "TargetConfig", "ToolsConfig", "TrainingConfig", "Untracked", "VllmConfig", "split_model",
]  # fmt: skip
