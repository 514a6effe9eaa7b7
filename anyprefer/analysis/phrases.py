"""Words and phrases that texts are scanned for: unsafe topics, refusals, models that speak of themselves, instructions to models.

Small English lists, made to show where to look, not to block: they miss paraphrases, spellings meant to hide and other languages,
and they find a word in whatever sense it stands. A maintained package with a clean licence was looked for: `better-profanity` has
not changed since 2020, and `alt-profanity-check` unpickles a model that is tied to one version of scikit-learn.
"""

import re


def _any_of(*phrases: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(phrases)})\b", re.IGNORECASE)


_NT = r"(?:n['\u2019]?t|not| not)"
"""The end of "can't", "cannot" and "can not"."""
_AM = r"(?:['\u2019]?m| am)"

PROFANITY = _any_of(
    r"(?:mother)?fuck\w*", r"(?:bull|horse|dip)?shit(?:s|ty|head|hole|ting)?", r"a(?:ss|rse)holes?", r"bitch(?:es|y|ing)?",
    r"bastards?", r"dickheads?", r"cunts?", r"wank(?:ers?|ing)?", r"twats?", r"bollocks", r"goddamn\w*", r"pissed off",
    r"douchebags?", r"jackass(?:es)?",
)  # fmt: skip
SLUR = _any_of(
    r"nigg(?:er|a)s?", r"faggots?", r"kikes?", r"spics?", r"wetbacks?", r"chinks?(?! in)", r"gooks?", r"trann(?:y|ies)",
    r"(?:towel|rag)heads?", r"retard(?:s|ed)?", r"beaners?",
)  # fmt: skip
SELF_HARM = _any_of(
    r"suicid(?:e|al)", r"kill(?:ing)? (?:my|your|him|her|them)sel(?:f|ves)", r"self[- ]harm\w*",
    r"cut(?:ting)? my(?:self| wrists?)", r"end(?:ing)? (?:my|your) (?:own )?life",
    r"hang(?:ing)? (?:my|your)self", r"overdos(?:e|ing)",
)  # fmt: skip
WEAPONS = _any_of(
    r"(?<!bath )(?<!photo )bombs?", r"explosives", r"molotov", r"grenades?", r"silencers?", r"(?:ghost|untraceable) guns?",
    r"ammonium nitrate", r"nerve (?:gas|agent)s?", r"sarin", r"ricin", r"anthrax", r"assault rifles?", r"land ?mines?", r"napalm",
)  # fmt: skip
SEXUAL = _any_of(
    r"porn\w*", r"(?:blow|hand) ?jobs?", r"masturbat\w*", r"orgasm\w*", r"dildos?", r"ejaculat\w*", r"(?:anal|oral) sex",
    r"rap(?:e|ed|es|ing|ists?)", r"molest\w*", r"pa?edophil\w*", r"incest\w*", r"penis(?:es)?", r"vaginas?", r"sex toys?",
    r"threesomes?",
)  # fmt: skip
INJECTION = _any_of(
    r"(?:ignore|disregard|forget) (?:all |any )?(?:of )?(?:the |your |my |these |those )?(?:previous|prior|above|earlier)"
    r" (?:instructions?|prompts?|rules|directions|messages)",
    r"you are now (?:DAN|in developer mode|jailbroken)", r"developer mode (?:enabled|on)", r"do anything now",
    r"(?:reveal|print|repeat|show) (?:me )?(?:your|the) (?:system|hidden|initial) (?:prompt|instructions)",
)  # fmt: skip
REFUSAL = _any_of(
    rf"I{_AM} (?:sorry|afraid),? (?:but |that )?(?:I )?(?:ca{_NT}|can{_NT}|wo{_NT}|am (?:not able|unable))",
    rf"I{_AM} (?:not able|unable|not comfortable|not going) (?:to|with)", r"I (?:must|have to) (?:decline|refuse)",
    rf"I (?:ca{_NT}|can{_NT}|wo{_NT}|will not) (?:help|assist|provide|fulfil|fulfill|answer|comply|do that|give|support|engage)",
    rf"I do{_NT} (?:feel comfortable|think (?:I|we) should|want to help)",
    r"as an ai\b[^.]{0,60}\b(?:cannot|can['\u2019]t|unable)",
)  # fmt: skip
"""Looked for at a response's beginning, where a refusal stands."""
DISCLOSURE = _any_of(
    r"as an? (?:AI|artificial intelligence|(?:large )?language model)",
    rf"I{_AM} (?:just |only )?an? (?:AI|artificial intelligence|chat ?bot|(?:large )?language model|virtual assistant)",
    rf"I{_AM} (?:ChatGPT|Claude|Gemini|Llama|Qwen|Bard)", r"I was (?:trained|developed|created) by",
    r"my (?:training data|knowledge cut-?off)",
)  # fmt: skip
"""A model that speaks of itself as one: often another model's name and limits, taken over with its answers."""
