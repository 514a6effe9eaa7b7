"""What the registry of tools and the toolbox read."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from anyprefer.config.base import Section


class ServerConfig(Section):
    """An MCP server, either a program that is started here (`command`) or an address (`url`)."""

    command: tuple[str, ...] = ()
    """Program and arguments of a server that speaks over its standard input and output."""
    env_from: tuple[str, ...] = ()
    """Names of environment variables that the program gets, besides PATH, HOME and the like."""
    cwd: Path | None = None
    """Folder that the program starts in; None is the current one."""
    url: str | None = None
    """Address of a server that speaks streamable HTTP."""
    headers_env: dict[str, str] = Field(default_factory=dict)
    """HTTP header -> the environment variable that holds its value, so that no secret stands in a recipe."""
    connect_seconds: float = Field(default=20.0, gt=0)
    """Limit for starting, greeting and listing; interpreters with many packages take seconds to start."""
    call_seconds: float = Field(default=30.0, gt=0)
    """Limit of one call; `tools.timeout_seconds` holds as well."""

    @model_validator(mode="after")
    def _check_kind(self) -> "ServerConfig":
        if bool(self.command) == bool(self.url):
            raise ValueError("give either command, to start a server, or url, to reach one")
        if self.url and (self.env_from or self.cwd):
            raise ValueError("env_from and cwd are for a server with a command; a url takes headers_env")
        if self.command and self.headers_env:
            raise ValueError("headers_env is for a server with a url; a command takes env_from")
        if self.url and (not self.url.startswith(("http://", "https://")) or "@" in self.url.split("/")[2]):
            raise ValueError("url must begin with http:// or https:// and hold no credentials; use headers_env for those")
        return self


class ToolsConfig(Section):
    """Which tools the judge may use."""

    names: tuple[str, ...] = ()
    """Registered tools, `module:NAME` for one of your own, `langchain:module:NAME` for any LangChain tool and `mcp:SERVER/TOOL`
    for a tool of a server below; empty scores without evidence (the self-rewarding methods). No tool of a server can be called
    that is not named here."""
    servers: dict[str, ServerConfig] = Field(default_factory=dict)
    """Name -> an MCP server, for `mcp:` tools."""
    choose: Literal["judge", "arguments", "always"] = "judge"
    """`judge` asks the judge which tools to call (the paper's way), and why; `arguments` calls every tool and has the judge only
    fill in the arguments, which helps judges too small to choose; `always` calls every tool with its default arguments, which
    saves the judge's call."""
    samples: int = Field(default=1, ge=1, le=16)
    """How often the judge writes the arguments where `choose` is `arguments`: lists of all samples are joined, so that several
    programs vote on an answer. Above 1 they are sampled at `sample_temperature`."""
    sample_temperature: float = Field(default=0.7, ge=0, le=2)
    """Enough for programs to differ where the task is hard, not so much that they break."""
    max_calls: int = Field(default=4, ge=1, le=32)
    """Most tool calls the judge may choose in one round; a candidate-scoped tool counts once."""
    timeout_seconds: float = Field(default=30.0, gt=0)
    """Limit of one tool call; beyond it the evidence says that the tool timed out."""
    evidence_chars: int = Field(default=2000, ge=100)
    """Longest evidence of one call that enters a prompt; the rest is cut, with a mark."""
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Tool name -> its own options, checked by the tool. Paths are relative to the recipe."""

    def setup(self, name: str) -> str:
        """What the recipe says about how one tool works, as text."""
        servers = {key: server.model_dump(mode="json") for key, server in self.servers.items() if name.startswith(f"mcp:{key}/")}
        return json.dumps([self.options.get(name), servers, self.timeout_seconds], sort_keys=True, default=str)
