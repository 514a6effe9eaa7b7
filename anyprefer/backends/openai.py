"""`openai:NAME`: a model of OpenAI, or of any endpoint that speaks its protocol."""

import os

from anyprefer.backends.chat import NO_KEY, check_base_url, check_key, open_chat
from anyprefer.backends.provider import Connection, Provider
from anyprefer.backends.served import OPENAI, needs_key
from anyprefer.config import RoleConfig
from anyprefer.errors import ConfigError


class OpenAIProvider(Provider):
    """Connects to `base_url`, or to OpenAI itself."""

    @classmethod
    def check_access(cls, role: str, config: RoleConfig) -> None:
        """Refuse what is no URL or no key, and an endpoint elsewhere without a key.

        Raises:
            ConfigError: Names the role and the fix.
        """
        check_base_url(role, config)
        check_key(role, config)
        if needs_key(config.base_url or OPENAI) and not os.environ.get(config.api_key_env):
            raise ConfigError(
                f"{role}.model = {config.model!r} needs a key: set the environment variable {config.api_key_env}, "
                f"or name another one in {role}.api_key_env"
            )

    async def open(self, config: RoleConfig) -> Connection:
        """Make the chat model; nothing is sent yet."""
        key = os.environ.get(config.api_key_env) or NO_KEY
        return Connection(open_chat(config, config.name_at_provider, config.base_url, key, self.host.http()))
