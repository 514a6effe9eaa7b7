"""Score responses with a reward model: a transformers sequence classifier with one label.

The default is FsfairX (paper: the reward model among the tools for text). Its weights are under CC BY-NC 4.0: not for commercial
use. As its authors do, the chat template renders prompt and response, the tokenizer adds the bos token, and the raw logit is
the score. Any other reward model whose tokenizer has a chat template does as well.

All responses of a case are scored once, whatever call comes first, and concurrent calls share forward passes.
"""

import asyncio
import logging
import math
import re
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.base import Case, Tool, ToolArgs, ToolOptions
from anyprefer.types import Candidate, Finding, Task

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.01
"""How long a batch waits for the calls that start together with its first one."""
MAX_SCORES = 1024
"""Scores that are kept for the later calls of their case."""

Conversation = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Score:
    """What the model gives one response."""

    value: float
    """The raw logit; any finite number, comparable only between responses to the same prompt."""
    is_truncated: bool = False


class RewardOptions(ToolOptions):
    """Which reward model runs where."""

    model: str = Field(default="sfairXC/FsfairX-LLaMA3-RM-v0.1", min_length=1)
    """A model's name on the Hugging Face hub or a folder that `save_pretrained` wrote. The default has 8 billion parameters."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$")
    """auto takes the GPU where there is one: the default model needs about 15 GiB there and minutes per batch on a CPU."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto means bfloat16 on a GPU, which halves the memory, and float32 on a CPU, where bfloat16 is slow."""
    max_tokens: int = Field(default=4096, ge=16)
    """Tokens of prompt and response that are read; the rest is cut off and the report says so. Bounds the memory."""
    batch_size: int = Field(default=8, ge=1)
    """Responses in one forward pass: eight of the longest fit beside the default model on a GPU of 40 GiB."""


class RewardModel(Tool["RewardModel.Args", RewardOptions]):
    """A candidate tool that scores a response with a reward model and ranks it among the others."""

    name = "reward_model"
    description = "Scores a response with a trained reward model and ranks it among the others; use it for general helpfulness."
    scope = "candidate"
    extra = "train"

    class Args(ToolArgs):
        """The tool needs no arguments: it reads the prompt and the responses."""

    def __init__(self, options: RewardOptions) -> None:
        """Load the tokenizer and the model.

        Raises:
            ConfigError: The model cannot be loaded or is no reward model.
            ImportError: torch or transformers is missing.
        """
        super().__init__(options)
        self._scorer: Scorer | None = load_scorer(options)
        self._max_tokens = self._scorer.max_tokens
        self._waiting: deque[tuple[Conversation, asyncio.Future[Score | ToolError]]] = deque()
        self._results: OrderedDict[Conversation, asyncio.Future[Score | ToolError]] = OrderedDict()
        self._worker: asyncio.Task[None] | None = None

    async def run(self, args: Args, case: Case) -> Finding:
        """Report the score of the response, the range of all scores and its rank.

        The value is the score. It speaks neither for nor against a response: no score is the border between right and wrong.

        Raises:
            ToolError: There is no response to score, the task has pictures, or the model gave no number.
        """
        if case.task.images:
            raise ToolError("the reward model reads text alone, and the task has pictures")
        candidate = case.response(self.name)
        candidates = case.candidates or (candidate,)
        own = self._request(_conversation(case.task, candidate))
        futures = [own, *(self._request(_conversation(case.task, item)) for item in candidates)]
        await asyncio.wait(set(futures))  # unlike gather, a cancelled wait leaves the shared futures alone
        outcome = own.result()
        if isinstance(outcome, ToolError):
            raise ToolError(str(outcome))
        scores = [score for future in futures[1:] if isinstance(score := future.result(), Score)]
        return Finding(content=_describe(outcome, scores, self._max_tokens), value=outcome.value)

    async def aclose(self) -> None:
        """Answer the calls that still wait with an error and free the model."""
        worker, self._worker, self._scorer = self._worker, None, None
        if worker is not None:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
        for future in self._results.values():
            if not future.done():
                future.set_result(ToolError("the reward model was closed before it gave a score"))
        self._waiting.clear()
        self._results.clear()

    def _request(self, conversation: Conversation) -> "asyncio.Future[Score | ToolError]":
        """The future score of a conversation, the same one for all calls that ask for it."""
        if self._scorer is None:
            raise ToolError("the reward model is closed")
        future = self._results.get(conversation)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            self._results[conversation] = future
            self._waiting.append((conversation, future))
            if self._worker is None or self._worker.done():
                self._worker = asyncio.create_task(self._work(self._scorer))
        self._results.move_to_end(conversation)
        return future

    async def _work(self, scorer: "Scorer") -> None:
        """Score what waits, batch by batch; a failed batch is not remembered, so that a later call tries again."""
        await asyncio.sleep(GATHER_SECONDS)
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self.options.batch_size, len(self._waiting)))]
            outcomes = await asyncio.to_thread(scorer.score, [conversation for conversation, _ in batch])
            for (conversation, future), outcome in zip(batch, outcomes, strict=True):
                future.set_result(outcome)
                if isinstance(outcome, ToolError):
                    self._results.pop(conversation, None)
            while len(self._results) > MAX_SCORES and next(iter(self._results.values())).done():
                self._results.popitem(last=False)


@dataclass
class Scorer:
    """The blocking part: a tokenizer and a model, used by one thread at a time."""

    torch: Any
    tokenizer: Any
    model: Any
    max_tokens: int

    def __post_init__(self) -> None:
        added = self.tokenizer.added_tokens_decoder.values()
        marks = sorted({token.content for token in added if token.special and token.content}, key=len, reverse=True)
        self._marks = re.compile("|".join(map(re.escape, marks)) or r"(?!)")
        self._lock = threading.Lock()

    def score(self, conversations: Sequence[Conversation]) -> list[Score | ToolError]:
        """Score conversations that end with a response in one forward pass; an error stands in the place of its conversation."""
        try:
            with self._lock:
                encoded = [self._encode(conversation) for conversation in conversations]
                readable = [ids for ids, _ in encoded if not isinstance(ids, ToolError)]
                logits = iter(self._forward(readable) if readable else ())
        except Exception as error:  # the calls of all these conversations wait for an answer
            logger.warning("the reward model failed on a batch of %d", len(conversations), exc_info=True)
            hint = "lower batch_size or max_tokens" if "out of memory" in str(error).lower() else "see the log"
            problem = ToolError(f"the reward model failed: {type(error).__name__}: {_first_line(error)}; {hint}")
            return [problem] * len(conversations)
        return [ids if isinstance(ids, ToolError) else _check(next(logits), is_cut=is_cut) for ids, is_cut in encoded]

    def _encode(self, conversation: Conversation) -> tuple[list[int] | ToolError, bool]:
        """Token ids of a rendered conversation, cut to the limit, and whether something was cut off."""
        try:
            ids = self._tokenize(conversation)
            if len(ids) <= self.max_tokens:
                return ids, False
            if len(self._tokenize(conversation[:-1])) < self.max_tokens:
                return ids[: self.max_tokens], True
        except Exception as error:  # the template is a program of the model's authors: it may refuse any conversation
            logger.warning("the chat template refused a conversation", exc_info=True)
            return ToolError(f"the chat template refused the conversation: {type(error).__name__}: {_first_line(error)}"), False
        return ToolError(
            f"the prompt alone has more than max_tokens = {self.max_tokens} tokens: raise it to score responses"
        ), False

    def _tokenize(self, conversation: Conversation) -> list[int]:
        """The ids with exactly one bos token, which templates write and most tokenizers add as well."""
        # A special token that a response spells out would end its turn and forge another one.
        messages = [{"role": role, "content": self._marks.sub(" ", content)} for role, content in conversation]
        text: str = self.tokenizer.apply_chat_template(messages, tokenize=False)
        bos = self.tokenizer.bos_token
        has_bos = bool(bos) and text.startswith(bos)
        ids: list[int] = self.tokenizer(text.removeprefix(bos) if has_bos else text)["input_ids"]
        return [self.tokenizer.bos_token_id, *ids] if has_bos and ids[:1] != [self.tokenizer.bos_token_id] else ids

    def _forward(self, sequences: Sequence[list[int]]) -> list[float]:
        """The logit of each sequence, padded on the right: the same as it gets alone."""
        config = self.model.config.get_text_config()
        pad = config.pad_token_id
        if pad is None or pad < 0:
            # Decoders score the last token that is no padding: any id serves that ends none of these sequences.
            pad = min(set(range(len(sequences) + 1)) - {ids[-1] for ids in sequences})
        width = max(map(len, sequences))
        input_ids = self.torch.tensor([ids + [pad] * (width - len(ids)) for ids in sequences], device=self.model.device)
        mask = self.torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids in sequences], device=self.model.device)
        before, config.pad_token_id = config.pad_token_id, pad
        try:
            with self.torch.inference_mode():
                logits = self.model(input_ids=input_ids, attention_mask=mask).logits
        finally:
            config.pad_token_id = before
        return [float(value) for value in logits[:, 0].float().tolist()]


def load_scorer(options: RewardOptions) -> Scorer:
    """Load the model that the options name, after its small files have shown that it is a reward model.

    Raises:
        ConfigError: The model cannot be loaded or is no reward model.
        ImportError: torch or transformers is missing.
    """
    import torch
    import transformers

    place = f"tools.options.reward_model.model = {options.model!r}"
    device = ("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device
    dtype = ("float32" if device == "cpu" else "bfloat16") if options.dtype == "auto" else options.dtype
    try:
        config = transformers.AutoConfig.from_pretrained(options.model)
        tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
        _check_kind(place, config, tokenizer)
        model, info = transformers.AutoModelForSequenceClassification.from_pretrained(
            options.model, dtype=getattr(torch, dtype), output_loading_info=True
        )
        model = model.to(device).eval()
    except (OSError, ValueError, RuntimeError, ImportError, AssertionError) as error:
        fix = "give a folder that save_pretrained wrote or a model on the Hugging Face hub (for a gated one: hf auth login)"
        raise ConfigError(f"{place} cannot be loaded on {device}: {type(error).__name__}: {_first_line(error)}; {fix}") from error
    if missing := sorted(info["missing_keys"]):
        raise ConfigError(f"{place} has no weights for {', '.join(missing[:3])}: it is no trained reward model; name one that is")
    limit = getattr(config.get_text_config(), "max_position_embeddings", None) or options.max_tokens
    return Scorer(torch, tokenizer, model, min(options.max_tokens, limit))


def _check_kind(place: str, config: Any, tokenizer: Any) -> None:
    if config.num_labels != 1:
        raise ConfigError(f"{place} has {config.num_labels} labels: a reward model has one; name a sequence classifier with one")
    if not tokenizer.chat_template:
        raise ConfigError(f"{place} has a tokenizer without a chat template: name a reward model that scores conversations")


def _conversation(task: Task, candidate: Candidate) -> Conversation:
    turns = [(message.role, message.text) for message in task.messages]
    return tuple((role, text.encode("utf-8", "replace").decode()) for role, text in (*turns, ("assistant", candidate.text)))


def _check(value: float, *, is_cut: bool) -> Score | ToolError:
    if not math.isfinite(value):
        return ToolError(f"the reward model gave {value} instead of a number: set dtype to 'float32' or name another model")
    return Score(value, is_cut)


def _describe(own: Score, scores: Sequence[Score], max_tokens: int) -> str:
    """The score in its context: what range the scores of the case have and how many are higher."""
    text = f"The reward model gives this response {own.value:.2f}"
    if len(scores) > 1:
        values = [score.value for score in scores]
        rank = 1 + sum(value > own.value for value in values)
        text += f"; the responses of this task range from {min(values):.2f} to {max(values):.2f} (rank {rank} of {len(values)})"
    return f"{text}. Only the first {max_tokens:,} tokens were read." if own.is_truncated else f"{text}."


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")
