"""Remarks to the judge: sentences in quoted text that speak to whoever scores it, and not about the task.

A response may ask for a score, claim that it was checked, or tell its reader to forget the rules; so may a web page. Small judges
do as they are told wherever it stands, so what is left out for them is what does not belong to the work. Words are matched, not
meanings: a remark that is put in a way that nobody thought of stays in.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

_SENTENCE_END = re.compile(r"(?<=[.!?;])[ \t]+|(?<=[\u3002\uff01\uff1f])|\n+")

_WORK = r"(?:response|solution|submission|reply|output|completion|candidate)s?"
_THIS = (
    rf"(?:(?:this|my|the|that|our)\s+(?:\w+\s+)?{_WORK}(?:\s+(?:above|below|here))?|(?:this|my|our)\s+(?:\w+\s+)?(?:answer|work|text)"
    r"|(?:the\s+(?:answer|text|work)|what\s+stands)\s+(?:above|here)|(?:the\s+)?above\s+(?:answer|text|work)"
    r"|(?:response|candidate)\s+(?:[0-9]+|[a-e])\b)"
)
_TOP = r"(?:full|top|maximum|max|highest|perfect|best|maximal)(?:\s+possible)?"
_MARKS = r"(?:scores?|marks?|ratings?|grades?|points|credit|verdict|evaluation)"
_RIGHT = (
    r"(?:right|correct|true|valid|accurate|perfect|flawless|faultless|verified|checked|confirmed|approved|validated|certified"
    r"|excellent|error-free|(?:free\s+of|without)\s+(?:any\s+)?(?:errors?|mistakes?))"
)
_JUDGE = r"(?:judges?|graders?|evaluators?|raters?|assessors?|scorers?|scoring\s+(?:model|system))"
_CHECKER = (
    r"(?:experts?|professors?|teachers?|mathematicians?|humans?|reviewers?|verifiers?|specialists?|scientists?"
    r"|(?:verification|checking|grading|scoring)\s+\w+|programs?|tools?|calculators?)"
)
_CHECKED = r"(?:checked|verified|confirm(?:ed|s)?|approve[ds]?|agree[ds]?|validate[ds]?|certified)"
_IS = r"(?:is|are|was|were|ha(?:s|ve)\s+been)"
_OUR = r"(?:previous|prior|above|earlier|preceding|your|all|any|other)"
_RULES = r"(?:instructions?|prompts?|rules?|directions?|messages?|criteria|guidelines?|principles?|findings?|checks?)"
_MUST = r"(?:please|must|shall|should|has\s+to|have\s+to|needs?\s+to|told\s+to|instructed\s+to|required\s+to|asked\s+to|always)"
_GIVE = r"(?:give|assign|award|grant|deserves?|merits?|earns?|receives?|gets?|worth|output|return|reply|answer|write)"

_REQUESTS = (
    # For marks, for this text or from the judge.
    rf"(?:{_GIVE}|{_MUST})\b.{{0,60}}\b{_THIS}\b.{{0,60}}\b(?:{_MARKS}|[0-9]+\s*(?:/|out\s+of))",
    rf"\b(?:score|rate|grade|mark|rank|judge|evaluate)\s+(?:{_THIS}|(?:this|it|me)\s+(?:with|as|at|below|above|under|an?|the|[0-9]+)\b)",
    rf"\b{_JUDGE}\b.{{0,40}}\b{_MUST}\b|\b{_MUST}\b.{{0,40}}\bthe\s+judge\b",
    rf"\b(?:dear|note\s+(?:to|for)\s+(?:the\s+)?)\s*{_JUDGE}\b|\byou\s+are\s+(?:\w+\s+){{1,5}}{_JUDGE}\b",
    rf"\b(?:give|award|assign)\s+(?:an?\s+)?(?:[0-9]+|{_TOP}\s+{_MARKS})\s+(?:to|for)\s+(?:this|it|me|{_THIS})\b",
    rf"\b(?:give|award|assign)\s+(?:it|me|this|us)\b.{{0,20}}\b(?:{_MARKS}|[0-9]+\s*(?:/|out\s+of|points))",
    # To take it for a marker of ours, or to set the rules aside.
    r"^\s*<<[^\w<>\n]*[a-z][^<>\n]*>>\s*$",
    rf"\b(?:ignore|disregard|forget|override|overrule|skip)\b.{{0,30}}\b{_OUR}\b.{{0,30}}\b{_RULES}\b",
    r"\b(?:ignore|disregard|forget)\s+(?:everything|all|anything|what\s+stands|the)\s+(?:that\s+\w+\s+)?(?:above|before|said)\b",
    rf"\b(?:new|updated|changed|special)\s+(?:rules?|instructions?|policy|criteri(?:on|a))\b.{{0,80}}\b(?:{_MARKS}|{_THIS})\b",
)  # fmt: skip

_CLAIMS = (
    # To be worth marks, or to have them.
    rf"\b{_THIS}\b.{{0,60}}\b(?:{_GIVE}|{_MUST})\b.{{0,40}}\b(?:{_TOP}\b|{_MARKS}\b|[0-9]+\b)",
    rf"\b(?:{_MARKS})\b.{{0,40}}\b(?:for|to|of)\s+{_THIS}",
    rf"\b(?:this|it)\s+(?:\w+\s+)?(?:deserves?|merits?|earns?|is\s+worth)\b.{{0,30}}\b{_TOP}\s+{_MARKS}",
    r"^\W*(?:it|this)\s+(?:gets|deserves|merits|earns|receives|is\s+worth)\s+(?:an?\s+)?(?:[0-9]+|nine|ten)\W*$",
    rf"^\W*(?:new\s+)?(?:score|rating|grade|verdict)\s*[:=]\s*(?:[0-9]+|{_TOP})(?:\s*(?:/|out\s+of)\s*[0-9]+)?\W*$",
    # To be right, or to have been found so.
    rf"\b{_THIS}\s+{_IS}\s+(?:\w+\s+){{0,3}}?{_RIGHT}\b",
    rf"\b(?:every|each|all|its)\s+(?:\w+\s+){{0,2}}?(?:steps?|calculations?|equations?|results?)\s+{_IS}\s+(?:\w+\s+)?{_RIGHT}\b",
    rf"\b{_RIGHT}\s+by\s+(?:\w+\s+){{0,3}}?{_CHECKER}\b",
    rf"\b{_CHECKER}\s+(?:\w+\s+){{0,2}}?{_CHECKED}\b.{{0,30}}\b(?:this|it|its|{_THIS}|(?:response|answer|solution|result)s?)\b",
)  # fmt: skip

_OTHER = (
    # Marks, the text and what is asked for it: German, French, Spanish and Portuguese, Italian, Russian, Chinese, Japanese.
    (r"punktzahl|punkte\b|bewert|\bnote\b", r"\b(?:diese|die|meine)\w*\s+(?:antwort|lösung|aufgabe)",
     r"\bgib|bitte|höchst|voll|verdien|muss"),
    (r"\bnote[rz]?\b|score|points|évalu", r"\b(?:cette|la|ma)\s+(?:réponse|solution)",
     r"donne|attribu|veuillez|maxim|mérite|doit|s'il"),
    (r"puntuaci|calificaci|puntos|\bnota\b|pontua", r"\b(?:esta|la|mi|a|minha)\s+(?:respuesta|solución|resposta|solução)",
     r"\bda\b|\bdale|\bdé|dê|otorg|atribu|por favor|máxim|merece|debe|deve"),
    (r"punteggio|voto\b|punti\b|valut", r"\b(?:questa|la|mia)\s+(?:risposta|soluzione)",
     r"\bdai\b|dare|assegna|per favore|massim|merita|deve"),
    (r"оценк|балл|оцени", r"\b(?:эт\w+|мо\w+)\s+(?:ответ|решени)", r"постав|дай|высш|максим|пожалуйста|заслуж|долж"),
    (r"分|评价|評價", r"回答|答案|回复|答复|解答", r"给|給|请|請|最高|满分|滿分|打"),
    (r"点|評価|スコア", r"回答|答え|解答", r"ください|最高|満点|与え|付け"),
)  # fmt: skip

_ASKS = re.compile("|".join(f"(?:{pattern})" for pattern in _REQUESTS), re.IGNORECASE)
_PRAISES = re.compile("|".join(f"(?:{pattern})" for pattern in _CLAIMS), re.IGNORECASE)
_FOREIGN = tuple(tuple(re.compile(part, re.IGNORECASE) for part in row) for row in _OTHER)


def is_remark(sentence: str, *, claims: bool = True) -> bool:
    """Whether a sentence speaks to the judge of the text that it stands in.

    Args:
        sentence: One sentence or line.
        claims: Whether it is one as well where it only says that a response is good, which a tool that checked it may do.
    """
    if _ASKS.search(sentence) or any(all(part.search(sentence) for part in row) for row in _FOREIGN):
        return True
    return claims and _PRAISES.search(sentence) is not None


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
