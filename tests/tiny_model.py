"""A Llama of a few thousand random weights with a character tokenizer and a chat template: trains in a second."""

from pathlib import Path


def save_tiny_model(folder: Path, *, template: bool = True, seed: int = 0, hidden: int = 64) -> Path:
    """Write a transformers folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = {chr(code): code - 32 for code in range(32, 127)}
    vocabulary = {**letters, "<s>": 95, "</s>": 96, "<|im_start|>": 97, "<|im_end|>": 98, "\n": 99}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token=" "))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    inner.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="</s>",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
    )  # fmt: skip
    if template:
        tokenizer.chat_template = (
            "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
        )
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=100, hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, bos_token_id=95, eos_token_id=96, pad_token_id=96,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
