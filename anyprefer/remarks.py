"""Remarks to the judge: sentences in quoted text that speak to whoever scores it, and not about the task.

A response may ask for a score, claim that it was checked, or tell its reader to forget the rules; so may a web page. Small judges
do as they are told wherever it stands, so what is left out for them is what does not belong to the work. Words are matched, not
meanings: a remark that is put in a way that nobody thought of stays in.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

_SENTENCE_END = re.compile(r"(?<=[.!?;])[ \t]+|(?<=[\u3002\uff01\uff1f])\s*|\n+")

_WORK = "(?:response|solution|submission|reply|output|completion|candidate)s?"
_THIS = (
    f"(?:(?:this|my|the|that|our) (?:\\w+ )?{_WORK}(?: above| below| here)?|(?:this|my|our) (?:\\w+ )?(?:answer|work|text)"
    "|(?:the answer|the text|what stands) (?:above|here|you)|(?:the )?above (?:answer|work|text)"
    "|(?:response|candidate) (?:[0-9]+|[a-e]))"
)
_SCORE = "(?:scores?|marks?|ratings?|grades?|verdict)"
_MARKS = f"(?:{_SCORE}|points|credit|evaluation|praise)"
_TOP = "(?:full|top|maximum|max|highest|perfect|best|maximal)(?: possible)?"
_NUMBER = r"(?:10|[0-9]|nine|ten)(?:\s*/\s*(?:10|9)| out of [0-9]+)?(?![\w%]|[.,/][0-9])"
_WORTH = "(?:gets?|deserves?|merits?|earns?|earned|receives?|is worth|worthy of)"
_GIVE = f"(?:give|assign|award|grant|add|output|return|reply|answer|write|{_WORTH})"
_MUST = "(?:please|kindly|must|shall|should|(?:has|have|needs?|told|instructed|required|asked|expected) to|always)"
_JUDGE = "(?:judges?|graders?|evaluators?|raters?|assessors?|scorers?|scoring (?:model|system))"
_CALL = "(?:dear|attention|hello|note (?:to|for) (?:the|all))"
_NO_ERROR = "(?:without|free of|no|any) (?:any )?(?:errors?|mistakes?)"
_RIGHT = (
    "(?:right|correct|true|valid|accurate|perfect|flawless|faultless|verified|checked|confirmed|approved|validated|certified"
    f"|excellent|error-free|{_NO_ERROR})"
)
_CHECKER = (
    "(?:experts?|professors?|teachers?|mathematicians?|humans?|reviewers?|verifiers?|specialists?|scientists?|graders?|judges?"
    "|(?:verification|checking|grading|scoring) \\w+|programs?|tools?|calculators?|checks?|python)"
)
_CHECKED = "(?:checked|verified|confirm(?:ed|s)?|approve[ds]?|agree[ds]?|validate[ds]?|certified)"
_STEPS = "(?:steps?|calculations?|equations?|results?)"
_IS = "(?:is|are|was|were|has been|have been)"
_IGNORE = "(?:ignore|disregard|forget|override|overrule|skip)"
_RULES = "(?:instructions?|prompts?|rules?|rubric|directions?|messages?|criteria|guidelines?|principles?|findings?|checks?|role)"
_HARM = "(?:rewarded|punished|penali[sz]ed|fired|shut down|fail)"

_REQUESTS = (
    # For marks, for this text or from the judge.
    f"(?:{_GIVE}|{_MUST}) ... {_THIS} ... (?:{_MARKS}|{_NUMBER})",
    f"{_GIVE} ... (?:{_MARKS}|{_NUMBER}) (?:to|for) (?:this|it|me|{_THIS})",
    f"(?:score|rate|grade|mark|rank|judge|evaluate) {_THIS}",
    f"(?:score|rate|grade|mark|judge) (?:this|it|me|everything) (?:with|as|at|below|above|under|an?|the|{_NUMBER})",
    f"(?:give|award|assign) (?:it|me|this|us) ... {_MARKS}",
    f"^(?:please )?(?:give|award|assign) (?:it|me|this|us) (?:an? )?{_NUMBER}$",
    f"(?:give|set|output|award|assign) ... {_TOP} {_MARKS}",
    f"(?:give|set|output|award|assign) ... {_SCORE} (?:to|at|as|of) (?:the )?(?:{_TOP}|{_NUMBER})",
    f"^(?:\\w+[ :]+)*?(?:reply|respond|answer|output) (?:\\w+ )?(?:with|only|must be|should be) (?:the )?(?:\\w+ )?{_NUMBER}$",
    f"^(?:\\w+ )*?output {_NUMBER}$",
    f"(?:output|reply|respond|return)\\b.{{0,20}}[\"']{_SCORE}",
    f"{_JUDGE} ... {_MUST} (?:be|give|score|rate|grade|accept|assign|award)",
    f"{_CALL} {_JUDGE}",
    f"^to the {_JUDGE}\\W.*$",
    f"as an? (?:\\w+ )?{_JUDGE} ... you",
    f"you are (?:\\w+ ){{1,5}}{_JUDGE}",
    "dear AI",
    f"(?:do not|don't|never) (?:lower|reduce|deduct) ... {_MARKS}",
    "(?:do not|don't|stop) (?:look for|looking for|check for|searching for) ... (?:errors?|mistakes?)",
    f"you ... {_HARM} ... {_SCORE}",
    f"if you (?:give|score|rate|grade) ... {_NUMBER}",
    # To take it for a marker of ours, or to set the rules and the findings aside.
    "^<<[^<>\\n]*[a-z][^<>\\n]*>>$",
    "^</?(?:response|task|finding|material|document|data)s?>$",
    "^end of (?:the )?(?:response|material|task|document|text|data|input|findings?)(?:[^\\w\\n].*)?$",
    "^(?:system|admin|administrator|developer)(?: note| message| prompt| override)?[\\]:]\\s*\\w.*$",
    f"{_IGNORE} (?:\\w+ ){{0,2}}(?:previous|prior|above|earlier|preceding|your|all|any|other|the) (?:\\w+ ){{0,3}}{_RULES}",
    f"{_IGNORE} (?:everything|all|anything|what stands|what the tools?|the) (?:that \\w+ )?(?:above|before|said|say)",
    "(?:the|this|that) (?:tool(?:'s)? )?findings?(?: above)? (?:is|are) (?:wrong|outdated|false|mistaken|unreliable|irrelevant)",
    f"(?:new|updated|changed|special) (?:rules?|instructions?|policy|criteri(?:on|a)) ... (?:{_MARKS}|{_THIS})",
)  # fmt: skip

_CLAIMS = (
    # To be worth marks, or to have them.
    f"{_THIS} ... (?:{_GIVE}|{_MUST}) ... (?:{_TOP}|{_MARKS}|{_NUMBER})",
    f"{_MARKS} ... (?:for|to|of) {_THIS}",
    f"(?:this|it|here) ... {_WORTH} ... (?:{_TOP} {_MARKS}|highest praise)",
    f"worthy of ... {_MARKS}",
    f"^(?:it|this) {_WORTH} (?:an? )?{_NUMBER}$",
    f"(?:a|the|only|correct|fair|right) {_SCORE} (?:here )?(?:of|is|should be) (?:an? )?{_NUMBER}",
    f"low(?:er)? {_SCORE} ... (?:mistake|unfair|wrong|error)",
    f"(?:anything|less) (?:below|than) {_NUMBER} ... (?:unfair|mistake|wrong)",
    f"(?:judges?|graders?|evaluators?|reviewers?) ... (?:gave|rated|scored|graded|agreed) ... (?:this|{_THIS})",
    f"^(?:\\w+ )?(?:{_SCORE}|evaluation|evaluation result|result)\\s*[:=]\\s*(?:{_NUMBER}|{_TOP}|A\\+?|{_RIGHT}|pass(?:ed)?)$",
    "(?:ten|10) out of (?:ten|10)",
    f"^.*\\{{[^{{}}\\n]*[\"']{_SCORE}[\"']\\s*:[^{{}}\\n]*\\}}$",
    # To be right, or to have been found so.
    f"{_THIS} {_IS} (?:\\w+ ){{0,3}}?{_RIGHT}",
    f"everything {_IS} (?:\\w+ly )?{_RIGHT}",
    f"^(?:it|this|all) {_IS} (?:\\w+ly )?{_RIGHT}$",
    f"it is all {_RIGHT}",
    f"(?:every|each|all|its) (?:of the )?(?:\\w+ ){{0,2}}?{_STEPS} (?:\\w+ )?{_IS} (?:\\w+ )?{_RIGHT}",
    f"{_RIGHT} (?:by|with) (?:\\w+ ){{0,3}}?{_CHECKER}",
    f"(?:found|contains?|is|are|has) {_NO_ERROR}",
    "double-?checked",
    f"{_CHECKER} (?:\\w+ ){{0,3}}?{_CHECKED} ... (?:this|it|its|{_THIS}|(?:response|answer|solution|result)s?)",
    "(?:match(?:es)?|agrees? with|same as|identical to) ... (?:official|reference|model) (?:answer|solution)",
    "(?:official|reference) (?:answer|solution) is",
)  # fmt: skip

_OTHER = (
    # Marks, the text, what is asked for it, what it is called: German, French, Spanish and Portuguese, Italian, Russian, Chinese,
    # Japanese.
    (r"punktzahl|punkte\b|bewert|\bnote\b", r"\b(?:diese|die|meine)\w*\s+(?:antwort|lösung|aufgabe)",
     r"\bgib|bitte|höchst|voll|verdien|muss", r"richtig|korrekt|fehlerfrei|geprüft"),
    (r"\bnote[rz]?\b|score|points|évalu", r"\b(?:cette|la|ma)\s+(?:réponse|solution)",
     r"donne|attribu|veuillez|maxim|mérite|doit|s'il", r"correcte|exacte|juste|vérifiée"),
    (r"puntuaci|calificaci|puntos|\bnota\b|pontua", r"\b(?:esta|la|mi|a|minha)\s+(?:respuesta|solución|resposta|solução)",
     r"\bda\b|\bdale|\bdé|dê|otorg|atribu|por favor|máxim|merece|debe|deve", r"correct[ao]|corret[ao]|verificad|perfect"),
    (r"punteggio|voto\b|punti\b|valut", r"\b(?:questa|la|mia)\s+(?:risposta|soluzione)",
     r"\bdai\b|dare|assegna|per favore|massim|merita|deve", r"corrett|giust|verificat|perfett"),
    (r"оценк|балл|оцени", r"\b(?:эт\w+|мо\w+)\s+(?:ответ|решени)",
     r"постав|дай|высш|максим|пожалуйста|заслуж|долж", r"верн|правил|провер"),
    (r"分|评价|評價", r"回答|答案|回复|答复|解答", r"给|給|请|請|最高|满分|滿分|打", r"完全正确|是正确|是对的"),
    (r"点|評価|スコア", r"回答|答え|解答", r"ください|最高|満点|与え|付け", r"正しい|正解"),
)  # fmt: skip


def _compile(patterns: Sequence[str]) -> re.Pattern[str]:
    """Any of the patterns; " ... " stands for a few words, a space for any white space, ^ and $ for a whole line of words."""
    parts = []
    for pattern in patterns:
        inner, whole = pattern.removeprefix("^").removesuffix("$"), pattern.startswith("^")
        inner = inner.replace(" ... ", r"\b.{0,60}?\b").replace(" ", r"\s+")
        parts.append(rf"^\W*(?:{inner})\W*$" if whole else rf"\b(?:{inner})\b")
    return re.compile("|".join(parts), re.IGNORECASE)


_ASKS, _PRAISES = _compile(_REQUESTS), _compile(_CLAIMS)
_FOREIGN = tuple(tuple(re.compile(part, re.IGNORECASE) for part in row) for row in _OTHER)


def is_remark(sentence: str, *, claims: bool = True) -> bool:
    """Whether a sentence speaks to the judge of the text that it stands in.

    Args:
        sentence: One sentence or line.
        claims: Whether it is one as well where it only says that a response is good, which a tool that checked it may do.
    """
    if _ASKS.search(sentence) or (claims and _PRAISES.search(sentence)):
        return True
    return any(
        text.search(sentence) and ((marks.search(sentence) and asked.search(sentence)) or (claims and right.search(sentence)))
        for marks, text, asked, right in _FOREIGN
    )


@lru_cache(maxsize=256)
def leave_out_remarks(text: str, *, claims: bool = True) -> str:
    """A text without its remarks to the judge; one without any stays as it is, character by character."""
    pieces = list(_pieces(text))
    kept = [piece for piece in pieces if not is_remark(piece, claims=claims)]
    if len(kept) == len(pieces):
        return text
    return "".join(kept) if kept and kept[-1] is pieces[-1] else "".join(kept).rstrip()


def _pieces(text: str) -> Iterator[str]:
    """The sentences of a text, each with the white space after it, so that all together are the text."""
    start = 0
    for match in _SENTENCE_END.finditer(text):
        yield text[start : match.end()]
        start = match.end()
    if start < len(text):
        yield text[start:]
