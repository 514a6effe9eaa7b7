"""Guidance says how to answer, never what: find a task's answers, its numbers and copied wording in it.

Guidance that states an answer makes every response right or, where it is a wrong one, every response wrong; one that repeats the
task tells the target nothing. Numbers are compared by value, however they are written; a number that is none of the task's, as in
"in two sentences", passes.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from anyprefer.tools.answers import choice_of, final_answer, list_options, same_answer
from anyprefer.types import Candidate, Evidence, Task
from anyprefer.wording import ngrams, words

Leak = Literal["answer", "number", "copy"]
"""An answer to the task, a number of it, or its wording."""

LEAKS: dict[Leak, str] = {
    "answer": "an answer to the task",
    "number": "a number of the task, of an answer or of a finding",
    "copy": "words copied from the task or from a response",
}

COPIED_WORDS = 8
"""Words in a row that are no coincidence."""

MIN_LETTERS = 4
"""Of an answer in words: a shorter one is part of ordinary sentences. A Chinese or Japanese sign counts as two."""

_PLAIN_WORDS = frozenset({"true", "false", "none", "both", "neither"})
"""Answers that advice needs as words; stated as the answer they are found all the same."""

_MAX_DIGITS = 300

_JOINED_SIGN = re.compile("([\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u2089\u2150-\u215f])")
_SEPARATOR = re.compile(r"[.,'_]")
_DIGITS = re.compile(
    r"(?P<digits>[0-9]+(?:[.,'_][0-9]+| (?=[0-9]{3}(?![0-9]))[0-9]{3})*|(?<![0-9.])\.[0-9]+)"
    r"(?:\s?(?P<percent>%|per ?cent\b)|[\s-]?(?P<scale>hundred|dozen|thousand|million|billion|trillion|k)\b)?",
    re.IGNORECASE,
)
_FRACTION = re.compile(r"(?:(?P<whole>[0-9]{1,20})\s+)?(?P<over>[0-9]{1,20})\s?/\s?(?P<under>[0-9]{1,20})")
_SMALL = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = {"hundred": 100, "dozen": 12, "k": 1000, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_GAP = "[\\s\u2010-\u2015-]+"
_WORDED = re.compile(
    rf"\b(?:(?P<tens>{'|'.join(_TENS)})(?:{_GAP}(?P<unit>{'|'.join(_SMALL[:9])})\b)?|(?P<small>{'|'.join(_SMALL)})"
    rf"|(?P<whole>hundred|dozen))\b(?=(?:{_GAP}(?P<scale>{'|'.join(_SCALES)})\b)?)",
    re.IGNORECASE,
)
_LIST_MARK = re.compile(r"(?:^|(?<=\s))\(?([0-9]{1,2})[.)](?=\s)")
_SENTENCE = re.compile(r"(?<=[.!?:;])\s+|\n+")
_LETTER = re.compile(r"\(([A-J])\)|\b(?i:option|choice|letter|answer|choose|pick|select)\s+([A-J])\b")


@dataclass(frozen=True)
class Withheld:
    """What guidance for a task may not state."""

    values: frozenset[Fraction]
    """Numbers of the task and of the answers to it, which may not stand there in digits or in words."""
    further: frozenset[Fraction]
    """Numbers of the reference and of findings, which may not stand there in digits."""
    answers: tuple[str, ...]
    """Final answers, and the letters of options."""
    phrases: frozenset[str]
    """Answers and options in words, folded."""
    runs: frozenset[str]
    """Every run of `COPIED_WORDS` words of the task, the reference and the responses, folded."""


def withhold(task: Task, responses: Iterable[Candidate], evidence: Iterable[Evidence] = ()) -> Withheld:
    """Gather what guidance for a task may not state.

    Args:
        task: Its text, its options and its reference.
        responses: Their final answers count, and their wording.
        evidence: What tools found, such as the results of programs; the counts of votes are no values.
    """
    prompt, reference, shown = task.text, task.answer, tuple(responses)
    options = list_options(prompt)
    found = [final_answer(one.text, is_complete=one.ending != "cut") for one in shown]
    stated = [answer for answer in (*found, final_answer(reference)) if answer]
    letters = [letter for answer in stated if (letter := choice_of(answer, prompt))]
    values = _read_digits(_drop_list_marks(_plain(prompt))) | _read_words(prompt, skip="one")
    for answer in stated:
        values |= _read_digits(_plain(answer)) | _read_words(answer)
    return Withheld(
        values=frozenset(values),
        further=frozenset(_read_digits(_plain(reference)) | _read_findings(list(evidence))),
        answers=tuple(dict.fromkeys((*stated, *letters))),
        phrases=frozenset(phrase for text in (*stated, *options.values()) if (phrase := _phrase(text))),
        runs=frozenset(
            run for text in (prompt, reference, *(one.text for one in shown)) for run in ngrams(words(text), COPIED_WORDS)
        ),
    )


def find_leak(guidance: str, withheld: Withheld) -> Leak | None:
    """What a guidance states that it may not; None where it is advice."""
    found, plain = words(guidance), _drop_list_marks(_plain(guidance))
    line = f" {' '.join(found)} "
    if any(f" {phrase} " in line for phrase in withheld.phrases) or _states_answer(plain, withheld.answers):
        return "answer"
    digits = _read_digits(plain)
    is_answer = any(same_answer("1", answer) for answer in withheld.answers)
    spelt = _read_words(plain, skip="" if is_answer else "one")
    if digits & (withheld.values | withheld.further) or spelt & withheld.values:
        return "number"
    return None if withheld.runs.isdisjoint(ngrams(found, COPIED_WORDS)) else "copy"


def _phrase(answer: str) -> str:
    """An answer in words as it is looked for; empty where it is a number, too short, or an ordinary word."""
    folded = " ".join(words(answer))
    letters = sum(1 + (sign >= "\u3040") for sign in folded if sign.isalpha())
    return folded if letters >= MIN_LETTERS and folded not in _PLAIN_WORDS else ""


def _states_answer(plain: str, answers: Sequence[str]) -> bool:
    """Whether a sentence says what the answer is, as a response would."""
    letters = {letter for match in _LETTER.finditer(plain) for letter in match.groups() if letter}
    if letters.intersection(answers):
        return True
    stated = [answer for sentence in _SENTENCE.split(plain) if (answer := final_answer(sentence))]
    return any(same_answer(one, answer) for one in stated for answer in answers)


def _plain(text: str) -> str:
    """The text with every sign for a number as ASCII digits: "2½" as "2 1/2"."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", _JOINED_SIGN.sub(r" \1", text)).replace("\u2044", "/").replace("\u2019", "'")
    return "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)


def _drop_list_marks(plain: str) -> str:
    """The text without the numbers of its list: at least two that count on from 1."""
    marks: list[re.Match[str]] = []
    for match in _LIST_MARK.finditer(plain):
        if int(match[1]) == len(marks) + 1:
            marks.append(match)
    if len(marks) < 2:
        return plain
    edges = [0, *(edge for match in marks for edge in match.span()), len(plain)]
    return " ".join(plain[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _read_findings(evidence: Sequence[Evidence]) -> set[Fraction]:
    """The numbers in findings, but for those that may be counts of votes."""
    found = {value for item in evidence if item.ok for value in _read_digits(_plain(item.text))}
    most = max((item.finding.votes[1] for item in evidence if item.finding.votes), default=-1)
    return {value for value in found if value.denominator > 1 or value > most}


def _read_digits(plain: str) -> set[Fraction]:
    """The values of all numbers in digits; one that can be read in several ways has several."""
    found: set[Fraction] = set()
    for match in _DIGITS.finditer(plain):
        values = set(_readings(match["digits"]))
        found |= values
        if match["percent"]:
            found |= {value / 100 for value in values}
        if match["scale"]:
            found |= {value * _SCALES[match["scale"].lower()] for value in values}
    for match in _FRACTION.finditer(plain):
        if under := int(match["under"]):
            part = Fraction(int(match["over"]), under)
            found |= {part, part + int(match["whole"] or 0)}
    return found


def _readings(digits: str) -> Iterator[Fraction]:
    """What a number may mean: "1,234" is mostly 1234, somewhere 1.234, and "12 300" is one number or two."""
    if len(digits) > _MAX_DIGITS:
        return
    if digits.startswith("."):
        yield Fraction(f"0{digits}")
        return
    parts = digits.split(" ")
    if len(parts) > 1:
        yield from _read_groups("'".join(parts))
    for part in parts:
        yield from _read_groups(part)


def _read_groups(part: str) -> Iterator[Fraction]:
    """The readings of digits with separators: as thousands, as a decimal, else as a list."""
    groups, signs = _SEPARATOR.split(part), _SEPARATOR.findall(part)
    if not signs:
        yield Fraction(int(part))
        return
    heads, is_grouped = groups[:-1], _is_grouped(groups)
    if is_grouped:
        yield Fraction(int("".join(groups)))
    is_decimal = signs[-1] in ".," and (len(heads) == 1 or _is_grouped(heads))
    if is_decimal:
        yield Fraction(f"{''.join(heads)}.{groups[-1]}")
    if not is_grouped and (not is_decimal or "," in signs):
        yield from (Fraction(int(group)) for group in groups)


def _is_grouped(groups: Sequence[str]) -> bool:
    return len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])


def _read_words(text: str, skip: str = "") -> set[Fraction]:
    """The values of all numbers in words, from one to a hundred, alone and with what they count ("two hundred").

    Args:
        text: Any text.
        skip: A word that is none: "one" mostly says "a".
    """
    found: set[Fraction] = set()
    for match in _WORDED.finditer(text):
        if match[0].lower() == skip:
            continue
        value = _value_of(match)
        found |= {Fraction(value), Fraction(value * _SCALES[match["scale"].lower()] if match["scale"] else value)}
    return found


def _value_of(match: re.Match[str]) -> int:
    if match["whole"]:
        return _SCALES[match["whole"].lower()]
    if match["small"]:
        return 1 + _SMALL.index(match["small"].lower())
    unit = 1 + _SMALL.index(match["unit"].lower()) if match["unit"] else 0
    return 20 + 10 * _TENS.index(match["tens"].lower()) + unit
