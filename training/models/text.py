"""The family of language models: text in, text out, with a chat template around conversations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anyprefer.errors import ConfigError, DataError
from anyprefer.training.packages import import_training


class LanguageModels:
    """Causal language models of transformers."""

    def load(self, folder: Path, **options: Any) -> Any:
        """The model with its weights, see `ModelFamily.load`."""
        return import_training("transformers").AutoModelForCausalLM.from_pretrained(folder, **options)

    def count_weights(self, folder: Path) -> int:
        """Weights of a model, from its configuration, without loading it."""
        transformers, torch = import_training("transformers"), import_training("torch")
        config = transformers.AutoConfig.from_pretrained(folder)
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(config)
        return sum(parameter.numel() for parameter in model.parameters())

    def load_processor(self, folder: Path, name: str, **options: Any) -> Any:
        """The tokenizer.

        Raises:
            ConfigError: It has no chat template and cannot tell who speaks.
        """
        tokenizer = import_training("transformers").AutoTokenizer.from_pretrained(folder, **options)
        if not getattr(tokenizer, "chat_template", None):
            raise ConfigError(
                f"the tokenizer of {name!r} has no chat template, so conversations cannot be trained on: use an "
                "instruction-tuned model, or add chat_template.jinja to its folder"
            )
        return tokenizer

    def encode(self, processor: Any, conversation: str | Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Tokens of a text, or of a conversation under the chat template.

        Raises:
            DataError: The template refuses the conversation.
        """
        if isinstance(conversation, str):
            return list(processor(conversation)["input_ids"])
        from jinja2 import TemplateError

        try:
            return list(processor.apply_chat_template(conversation, tokenize=True, return_dict=True)["input_ids"])
        except TemplateError as error:
            roles = ", ".join(str(message.get("role")) for message in conversation)
            raise DataError(
                f"the model's chat template refuses a conversation of {roles} ({error}): change the row, or train a model whose "
                "template takes it"
            ) from error

    def make_collator(self, processor: Any, max_length: int) -> Any:
        """Pads batches of tokenised pairs; a pair's weight comes along as `pair_weight` [B] where it has one."""
        from anyprefer.training.models.collators import WeightedCollator

        if processor.pad_token is None:
            processor.pad_token = processor.eos_token
        return WeightedCollator(pad_token_id=processor.pad_token_id, max_length=max_length)


LANGUAGE_MODELS = LanguageModels()
"""The family where nobody names another."""
