"""What the calculator finds in real responses, and how many of the responses it speaks against are wrong.

    python benchmarks/calculator_findings.py [RESPONSES.jsonl]

Rows have `answer` (the reference) and `responses`, as in data/gsm8k_responses.jsonl. Prints one JSON object; with --lines also
each finding against a response, to be read.
"""

import json
import sys
import time
from pathlib import Path

from anyprefer.tools.answers import final_answer, same_answer
from anyprefer.tools.arithmetic.calculator import check_arithmetic

DATA = Path(__file__).parent / "data/gsm8k_responses.jsonl"


def is_right(response: str, reference: str) -> bool:
    """Whether a response's final answer is the reference's."""
    stated, truth = final_answer(response), final_answer(reference)
    return stated is not None and truth is not None and same_answer(stated, truth)


def main(path: Path, *, show_lines: bool) -> None:
    """Check every response and print the counts."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    counts = {"responses": 0, "right": 0, "spoken_against": 0, "of_these_right": 0, "wrong_equations": 0}
    start = time.perf_counter()
    for row in rows:
        for response in row["responses"]:
            finding, right = check_arithmetic(response), is_right(response, row["answer"])
            against = finding.supports is False
            wrong = [line for line in finding.text.splitlines() if " is wrong: " in line or " does not satisfy " in line]
            for name, amount in zip(counts, (1, right, against, against and right, len(wrong)), strict=True):
                counts[name] += amount
            if show_lines:
                print(*(f"{row['id']}: {line}" for line in wrong), sep="\n", end="\n" if wrong else "")
    print(json.dumps({**counts, "seconds": round(time.perf_counter() - start, 2)}))


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--lines"]
    main(Path(arguments[0]) if arguments else DATA, show_lines="--lines" in sys.argv)
