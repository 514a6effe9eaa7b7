"""Read the final answer out of a response and compare two of them.

A final answer is a short normal text: "18" for "So she earns **$18.00** a day.", "B" for "The answer is (B) Paris". Marked
answers ("Answer: 42", a box, "#### 42") come first, then a short reply as a whole, then the result of the last calculation.
Nothing is evaluated, and all patterns are linear in the length of the text.
"""

import re
from collections.abc import Iterator
from decimal import Context, Decimal
from fractions import Fraction

from anyprefer import wording

MAX_CHARS = 100_000
"""Characters of a response that are read, from its end: that is where final answers stand."""
MAX_ANSWER_CHARS = 80
MAX_ANSWER_WORDS = 12
MAX_SENTENCE_WORDS = 5
"""A reply with a full stop counts as an answer up to this many words: "Paris." does, an explanation does not."""
_MAX_PASSES = 4
_MAX_VALUE = 300
"""Characters behind a mark that are looked at."""
TOLERANCE = Fraction(1, 10**9)

_SIGNS = str.maketrans(
    {**dict.fromkeys("−–‒﹣－", "-"), **dict.fromkeys("’‘", "'"), **dict.fromkeys("“”", '"'), "\u00a0": " ", "\u202f": " ",
     "½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3", "：": ":", "×": "*", "·": "*", "÷": "/", "∕": "/", "⁄": "/",
     "\r": "\n", "\v": "\n", "\f": "\n", "\u2028": "\n", "\u2029": "\n", "\x85": "\n"}
)  # fmt: skip
_LATEX = (
    (re.compile(r"\\(?:text(?:bf|it|rm)?|mathrm|mathbf|mathit|operatorname|mbox)\s?\{([^{}]*+)\}"), r"\1"),
    (re.compile(r"\\[dtc]?frac\s?\{\s?(-?[0-9]++)\s?\}\s?\{\s?(-?[0-9]++)\s?\}"), r" \1/\2"),
    (re.compile(r"\\[dtc]?frac\s?([0-9])\s?([0-9])"), r" \1/\2"),
    (re.compile(r"\\(?:times|cdot|ast)(?![a-zA-Z])"), "*"),
    (re.compile(r"\\div(?![a-zA-Z])"), "/"),
    (re.compile(r"\\approx(?![a-zA-Z])"), "≈"),
    (re.compile(r"\^?\{?\\circ(?![a-zA-Z])\}?|\\degree(?![a-zA-Z])"), "°"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\!"), ""),
    (re.compile(r"\\[,;: ()\[\]\\]|\\q?quad(?![a-zA-Z])|\\(?:left|right)(?![a-zA-Z])"), " "),
    (re.compile(r"\\([$%#&_{}])"), r"\1"),
    (re.compile(r"(?<![\w)])\*\*(?! )|(?<! )\*\*(?![\w(])|__|`"), ""),
)
_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)

_BOXED = re.compile(r"\\f?boxed\s?\{")
_HASHES = re.compile(r"^[ \t]*+####[ \t]*+(?=[-$€£(\\]{0,3}[0-9])", re.MULTILINE)
_TAG = re.compile(r"<answer>", re.IGNORECASE)
_FIELD = re.compile(
    r"""["'](?:final[_ ]?)?answer["']\s{0,4}:\s{0,4}"""
    r"""(?:(?P<quote>["'])(?P<quoted>[^"'\n]{0,200})(?P=quote)|(?P<bare>[^"'\s,{}\[\]]{1,80}))""",
    re.IGNORECASE,
)
_LABEL = re.compile(r"\banswer(?:[ \t]?\([^()\n]{0,40}\))?[ \t*_]{0,4}:", re.IGNORECASE)
_STATED = re.compile(
    r"\b(?:answer|correct (?:option|choice|letter)|(?:option|choice) (?:that is|which is) correct)\b"
    r"(?:[ \t]+(?:to|for|of|here|should|would|must|will|therefore|thus)\b[^.:\n]{0,80}?)?[ \t]+(?:is|be|are|was)\b[:,]?",
    re.IGNORECASE,
)
_IS_RIGHT = re.compile(
    r"\(?\b([A-J])\b[).]?(?:[*_]{0,2}) (?:is|would be|must be) (?:therefore |thus |clearly )?the (?:correct|right|best) "
)
_COMMENT = re.compile(
    r"(?:not|correct|incorrect|right|wrong|clear|clearly|reasonable|given|obtained|found|as follows|the same|rounded)\b",
    re.IGNORECASE,
)
"""What "the answer is" also goes on with."""
_SENTENCE_END = re.compile(
    r"(?<!\b(?:Dr|Mr|Ms|St|Jr|Sr|vs|Mt))(?<!\b(?:Mrs|a\.m|p\.m|[A-Z]\.[A-Z]))(?<!\bapprox)(?<![\w.] [A-Z])"
    r"[.!?](?! [A-Z]\.\s)(?=[*_)\"']*+(?:\s|$))"
)
"""Not at a title or an initial."""
_REASON = re.compile(r",? because\b|, (?:which|since|so|as)\b")
_LEAD = re.compile(r"(?:[\s*_>`]|\\[\[(]|\$\$)*+")

_OPTION = re.compile(
    r"(?:(?:option|choice|letter)\s)?(?:\(([A-Ja-j])\)|([A-J])(?:[.):](?=\s|$)|$))(?!,?\s(?:and|or|&|[A-Z]\.)\s)", re.IGNORECASE
)
_LAST_OPTION = re.compile(
    r"(?:(?<!and )(?<!or )(?<![,&] )\(([A-J])\)|(?:[Oo]ption|[Cc]hoice) ([A-J])|(?:^|\n)[ \t]*+([A-J])[.)]?)[ \t.*_]*+\Z"
)
_YES_NO = re.compile(r"(yes|no|true|false)(?:[,.;:!]|\s?[-—(]|$)", re.IGNORECASE)
_HEDGE = re.compile(r"(?:approximately|about|roughly|around|exactly|simply|just|only|nearly|[≈~=])\s?", re.IGNORECASE)

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]++)?|\.[0-9]++"
_NUMBER = re.compile(
    rf"(?P<sign>[-+]?)\s?(?:US)?[$€£¥₹]?\s?(?P<minus>-?)"
    rf"(?:(?:(?P<whole>[0-9]{{1,20}})\s)?(?P<over>[0-9]{{1,20}})\s?/\s?(?P<under>[0-9]{{1,20}})(?![0-9/.])|(?P<decimal>{_DIGITS})(?!:?[0-9]))"
    r"(?:\s?\*\s?10\s?\^\s?\{?(?P<power>-?[0-9]{1,2})\}?)?(?:\s(?P<scale>thousand|million|billion|trillion)\b)?(?P<unit>.*)"
)
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_MAX_DIGITS = 40
_EXACT = Context(prec=100)
_UNIT = re.compile(
    r"\s?[%$€£¥₹°]{0,2}(?:[CF]\b)?"
    r"(?:(?:\s|\s?/\s?|(?=[^\W\d_]{2}|[gLmWVK]\b))(?!(?:or|and|if|but|unless|than|am|pm|a\.m|p\.m|o'clock|st|nd|rd|th)\b)"
    r"(?:[a-z°µμΩ][\w°'/²³^.-]*|[A-Z]{2,}s?|(?:[ghlmsLVWJNKCF]|[kMG][A-Z][a-z]?)\b)){0,8}(?:\s?\([^()]*\))?"
)
_PROSE_NUMBER = re.compile(rf"(?<![\w.:/,])(?:(?<![)\]])-)?[$€£¥₹]?-?(?:{_DIGITS})(?:/[0-9]++)?(?!:?[0-9])")
_NO_OPERATOR = r"(?!\s?[-+*/^]\s?(?:[$(0-9]|[a-z]\b)|[abcnxyz]\b)"
_RESULT = re.compile(rf"[=≈]\s{{0,4}}(?P<number>-?\s?[$€£¥₹]?-?(?:{_DIGITS})(?:\s?/\s?[0-9]++)?){_NO_OPERATOR}")
_STATED_NUMBER = re.compile(
    r"\b(?:is|are|was|were|be|equals?|approximately|about|costs?|total of|total|made|makes|paid|pays|earns?|left)"
    r"(?: (?:about|approximately|only|exactly|equal to|a total of))?:?\s"
    rf"(?P<number>-?[$€£¥₹]?-?(?:{_DIGITS})){_NO_OPERATOR}(?!:?[0-9])"
)
"""A number that a sentence states, unlike those of its context: "he is 315 miles from home after 4 hours"."""
_OPEN_SUM = re.compile(r"[0-9)]\s?[+*^]\s?[$(0-9]|[0-9)]\s[-/]\s[$(0-9]")
_CONCLUSION = re.compile(r"\b(?:so|therefore|thus|hence|total|altogether|in all|finally|means|answer)\b", re.IGNORECASE)
_LIST_MARK = re.compile(r"^[ \t]*+(?:[0-9]{1,2}[.)]|[-*•])[ \t]++", re.MULTILINE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_MARK = re.compile(r"(?:(?<=[\s,;:?*])|^)\(?([A-Ja-j])[).:]\*{0,2}[ \t]+(?=\S)", re.MULTILINE)
_TRUTHS = {"yes": True, "true": True, "no": False, "false": False}
_MIN_PHRASE = 2
"""Letters of words that are looked for in others."""
_PLAIN_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+|/[1-9][0-9]*)?")
_ARTICLE = re.compile(r"\A(?:the|an?)\s(?=\S)")


def final_answer(text: str, *, is_complete: bool = True) -> str | None:
    """Extract the final answer of a response, or None where it states none.

    Args:
        text: The response.
        is_complete: False for a response that was cut off: its last number is not its answer, so only a marked one counts.

    Returns:
        A short text on one line, a number in its plain form. Applied to its own result it changes nothing.
    """
    answer = _extract(text[-MAX_CHARS:], is_complete=is_complete)
    for _ in range(_MAX_PASSES):
        again = None if answer is None else _extract(answer, is_complete=True)
        if again == answer:
            return answer
        answer = again
    return None


def same_answer(a: str, b: str) -> bool:
    """Whether two answers say the same: numbers by value, options and words by their letters."""
    left, right = _normalize(a), _normalize(b)
    first, second = _read_number(left), _read_number(right)
    if first is not None and second is not None:
        return abs(first - second) <= TOLERANCE
    return _fold(left) == _fold(right)


def answer_like(stated: str | None, known: str) -> str | None:
    """A stated answer in the kind of a known one, so that the two can be compared: "12" of "Ann has 12 apples" beside "21".

    Returns:
        The answer as it is, but beside a number the only number in it, and "yes" as "true" beside a truth value. None where
        that is neither right nor wrong: beside a number where it has none or several, since words are no number, and beside
        words that stand in it among others.
    """
    if stated is None:
        return None
    plain, truth = _normalize(stated), _normalize(known)
    if _read_number(truth) is not None:
        if _read_number(plain) is not None:
            return stated
        numbers = _PROSE_NUMBER.findall(stated)
        return _normalize(numbers[0]) if len(numbers) == 1 else None
    if truth in _TRUTHS and plain in _TRUTHS:
        return truth if _TRUTHS[truth] == _TRUTHS[plain] else stated
    return None if _stands_within(truth, plain) else stated


def _stands_within(phrase: str, text: str) -> bool:
    """Whether words stand in a longer text: "Paris" in "Paris, France"; a letter or a number of a text says nothing."""
    asked, said = wording.words(phrase), wording.words(text)
    if sum(map(len, asked)) < _MIN_PHRASE or any(sign.isdigit() for word in asked for sign in word):
        return False
    return len(said) > len(asked) and " ".join(asked) in wording.ngrams(said, len(asked))


def choice_of(answer: str, prompt: str) -> str | None:
    """The letter of the option that an answer names, by its letter or by its whole text; None where it names none or several."""
    options = list_options(prompt)
    letter = _normalize(answer).upper()
    if letter in options:
        return letter
    matches = [letter for letter, text in options.items() if same_answer(answer, text)]
    return matches[0] if len(matches) == 1 else None


def list_options(prompt: str) -> dict[str, str]:
    """Letter -> text of the last run of options, from A on, that a prompt lists; empty where it lists fewer than two."""
    runs: list[list[re.Match[str]]] = []
    for match in _MARK.finditer(prompt):
        letter = match[1].upper()
        if letter == "A":
            runs.append([match])
        elif runs and letter == chr(ord("A") + len(runs[-1])):
            runs[-1].append(match)
    for run in reversed(runs):
        if len(run) > 1:
            ends = [*(match.start() for match in run[1:]), len(prompt)]
            texts = [prompt[match.end() : end].split("\n", 1)[0] for match, end in zip(run, ends, strict=True)]
            return {match[1].upper(): text.strip(" \t,;.*") for match, text in zip(run, texts, strict=True)}
    return {}


def _extract(text: str, *, is_complete: bool) -> str | None:
    text = text.rpartition("</think>")[2].translate(_SIGNS).strip()
    if (marked := _find_marked(text)) is not None:
        return marked
    if not is_complete:
        return None
    plain = _plain(_CODE.sub(" ", text)).strip()
    return _read_last_words(plain) or _read_short(plain) or _read_result(_LIST_MARK.sub("", plain))


def _find_marked(text: str) -> str | None:
    """The last value behind a mark; "the answer is" comes second, since it also comments on answers."""
    for values in (_marked_values(text), _stated_values(text)):
        for _, value in sorted(values, reverse=True):
            answer = _normalize(value)
            if answer and len(answer) <= MAX_ANSWER_CHARS and len(answer.split()) <= MAX_ANSWER_WORDS:
                return answer
    return None


def _marked_values(text: str) -> Iterator[tuple[int, str]]:
    """Yield the values in boxes, tags and JSON fields, after four hashes and after "Answer:", each with its place."""
    for match in _BOXED.finditer(text):
        yield match.end(), _inside_braces(text[match.end() : match.end() + _MAX_VALUE])
    for match in _HASHES.finditer(text):
        yield match.end(), text[match.end() : match.end() + _MAX_VALUE].split("\n", 1)[0]
    for match in _TAG.finditer(text):
        yield match.end(), text[match.end() : match.end() + _MAX_VALUE].split("<", 1)[0]
    for match in _FIELD.finditer(text):
        yield match.end(), match["quoted"] or match["bare"] or ""
    for match in _LABEL.finditer(text):
        yield match.end(), _first_sentence(text[match.end() : match.end() + _MAX_VALUE])


def _stated_values(text: str) -> Iterator[tuple[int, str]]:
    """Yield what follows "the answer is" and the letter before "is the correct answer", each with its place."""
    for match in _STATED.finditer(text):
        value = _first_sentence(text[match.end() : match.end() + _MAX_VALUE])
        if not _COMMENT.match(value):
            yield match.end(), value
    for match in _IS_RIGHT.finditer(text):
        yield match.end(), match[1]


def _inside_braces(text: str) -> str:
    """The text up to the brace that closes one opened before it; empty where none does."""
    depth = 1
    for index, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if depth == 0:
            return text[:index]
    return ""


def _first_sentence(text: str) -> str:
    """The first sentence, without a reason that follows."""
    lead = _LEAD.match(text)
    line = text[lead.end() if lead else 0 :].split("\n", 1)[0]
    return _REASON.split(_SENTENCE_END.split(line, maxsplit=1)[0], maxsplit=1)[0]


def _read_short(plain: str) -> str | None:
    """A reply that is nothing but an answer."""
    words = plain.split()
    limit = MAX_SENTENCE_WORDS if plain.endswith((".", "!", "?")) else MAX_ANSWER_WORDS
    if "\n" in plain or len(words) > limit or len(plain) > MAX_ANSWER_CHARS:
        return None
    if len(words) > 2 and (stated := _STATED_NUMBER.findall(plain)) and len(_PROSE_NUMBER.findall(plain)) == 1:
        return _normalize(stated[0])
    answer = _normalize(plain)
    is_calculation = "=" in plain and sum(len(word) > 1 and word.isalpha() for word in words) > 3
    return None if is_calculation and _read_number(answer) is None else answer or None


def _read_last_words(plain: str) -> str | None:
    """An option at the end, or a yes or no at the beginning."""
    if match := _LAST_OPTION.search(plain[-_MAX_VALUE:]):
        return next(letter for letter in match.groups() if letter)
    if "=" not in plain and (match := _YES_NO.match(plain)):
        return match[1].lower()
    return None


def _read_result(plain: str) -> str | None:
    """The result of the last sentence with a number, if the text calculates."""
    sentence = next((part for part in reversed(_SENTENCE.split(plain)) if _PROSE_NUMBER.search(part)), "")
    last = max(sentence.rfind("="), sentence.rfind("≈"))
    if last >= 0:
        numbers = [found["number"]] if (found := _RESULT.match(sentence, last)) else []
    elif not _calculates(plain, sentence):
        numbers = []
    else:
        numbers = [match["number"] for match in _STATED_NUMBER.finditer(sentence)]
        if not numbers and not _OPEN_SUM.search(sentence):
            numbers = _PROSE_NUMBER.findall(sentence)
    answer = _normalize(numbers[-1]) if numbers else ""
    return answer if _read_number(answer) is not None else None


def _calculates(plain: str, sentence: str) -> bool:
    """Whether a text states a result somewhere, or draws a conclusion from several numbers."""
    is_conclusion = _CONCLUSION.search(sentence) is not None and len(_PROSE_NUMBER.findall(plain)) > 1
    return is_conclusion or _RESULT.search(plain) is not None


def _plain(text: str) -> str:
    """Text without LaTeX and Markdown signs."""
    for pattern, replacement in _LATEX:
        text = pattern.sub(replacement, text)
    return text


def _normalize(value: str) -> str:
    """The normal text of an answer: a letter, yes or no, a plain number, or words on one line without marks around them."""
    if box := _BOXED.search(value := value[:_MAX_VALUE]):
        value = _inside_braces(value[box.end() :]) or value
    value = _strip(" ".join(_plain(value.translate(_SIGNS)).split()))
    if option := _OPTION.match(value):
        return (option[1] or option[2]).upper()
    if yes_no := _YES_NO.match(value):
        return yes_no[1].lower()
    left, _, right = value.rpartition("=")
    sides = (_HEDGE.sub("", value, count=1), "" if ", " in left or " and " in left else right.strip())
    return next((shown for side in sides if (shown := _show_number(side)) is not None), value)


def _strip(value: str) -> str:
    value = value.rstrip("*_.,;:!?\"' ").lstrip("*_:>\"' ")
    if len(value) > 2 and (value[0], value[-1]) in (("$", "$"), ("(", ")")) and not set(value[1:-1]) & set("$(),"):
        return value if value[2] == ")" else value[1:-1].strip()
    return value


def _show_number(text: str) -> str | None:
    """The plain form of a number with or without a unit: digits with a point, or a reduced fraction."""
    match = _NUMBER.fullmatch(text)
    if match is None or not _UNIT.fullmatch(match["unit"]) or len(match["decimal"] or "") > _MAX_DIGITS:
        return None
    sign = "-" if "-" in match["sign"] + match["minus"] else ""
    if match["decimal"] is None:
        if int(match["under"]) == 0:
            return None
        return sign + str(int(match["whole"] or 0) + Fraction(int(match["over"]), int(match["under"])))
    power = int(match["power"] or 0) + _SCALES.get(match["scale"], 0)
    number = Decimal(match["decimal"].replace(",", "")).scaleb(power, _EXACT).normalize(_EXACT)
    return f"{sign if number else ''}{number:f}"


def _read_number(normal: str) -> Fraction | None:
    """The value of a normal text that is a number."""
    return Fraction(normal) if len(normal) <= 2 * _MAX_DIGITS and _PLAIN_NUMBER.fullmatch(normal) else None


def _fold(normal: str) -> str:
    return _ARTICLE.sub("", normal.casefold(), count=1)
