"""Check a response by running Python: a program that works out the answer, or tests of the response's own code.

Both run in the sandbox of `sandbox`. A program is written by the judge and says what the answer is; it runs once, however many
responses are compared with it. Tests run in one process with the response's code, which gets neither the tests nor the marker
of the verdict before it is done; ending early, printing the verdict and replacing builtins do not pass. What remains forgeable
is what shares a process: code that searches the interpreter's frames or memory for the marker, objects that claim to equal
everything, a top-level name of the response that shadows a builtin which the tests call, and code that recognises test inputs.
"""

import ast
import asyncio
import re
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from anyprefer.errors import ToolError
from anyprefer.tools.answers import final_answer
from anyprefer.tools.base import Case, Example, Tool, ToolArgs, ToolOptions
from anyprefer.tools.python.sandbox import Sandbox
from anyprefer.tools.python.sandbox_process import Limits, Outcome
from anyprefer.tools.python.verdicts import compare_results, describe_failure, join_findings, judge_run, judge_tests
from anyprefer.types import Candidate, Finding, Task

MAX_CHARS = 100_000
"""Characters of a response that are read, from its end; far beyond any reply's token limit."""
MAX_PROGRAMS = 256
"""Results of programs that are kept for other responses."""
MAX_VOTES = 16
"""Programs of one call; those of three rounds at five a round fit."""

_HARNESS = Path(__file__).with_name("harness.py")
_CODE_SIGN = re.compile(r"^(?:async def|def|class|import|from|for|while|print|assert)\b", re.MULTILINE)

_Source = Annotated[str, Field(max_length=20_000)]


class PythonTool(Tool["PythonTool.Args", "PythonTool.Options"]):
    """A candidate tool that runs a program of the judge, or the response's code with tests."""

    name = "python"
    description = (
        "Runs a program that works out the answer and compares it with the response's, or tests the response's Python code; "
        "use it when the answer can be computed or is code."
    )
    scope = "candidate"
    verifies = True
    examples = (
        Example(
            "A shop sells pens at $3 each. Tom buys 4 pens and pays with a $20 note. How much change does he get?",
            {
                "programs": ["price = 3\nnum_pens = 4\npaid = 20\ncost = price * num_pens\nchange = paid - cost\nprint(change)"],
                "tests": "",
            },
        ),
        Example(
            "A baker has 60 loaves. He sells half of them in the morning and 12 in the afternoon. Each loaf costs $2.50. "
            "How much money would the remaining loaves bring?",
            {
                "programs": [
                    "loaves = 60\nearly = loaves / 2\nlate = 12\nleft = loaves - early - late\nprice = 2.5\nprint(left * price)"
                ],
                "tests": "",
            },
        ),
    )

    class Args(ToolArgs):
        """What to run; with neither, the response's own code runs as it is."""

        programs: tuple[_Source, ...] = Field(default=(), max_length=MAX_VOTES)
        """Python programs that each work out the task's answer: a program puts the task's numbers into variables with telling
        names, computes step by step, one statement per line, and prints only the answer."""
        tests: _Source = ""
        """Assertions to run against the Python code in the response, one per line."""

    class Options(ToolOptions):
        """What a program may use before it is stopped."""

        cpu_seconds: int = Field(default=5, ge=1, le=600)
        """Processor seconds of one process; an answer that takes longer is searched for by brute force."""
        wall_seconds: float = Field(default=10.0, gt=0, le=600)
        """Seconds a run may take; below `tools.timeout_seconds`, so that the evidence names this limit."""
        memory_mb: int = Field(default=512, ge=64, le=65_536)
        """Memory of one process in MB; numpy and sympy fit in the default, torch does not."""
        max_output_chars: int = Field(default=10_000, ge=100, le=1_000_000)
        """Characters a program may print before it is stopped; an answer is short."""
        max_concurrent: int = Field(default=2, ge=1, le=64)
        """Programs that run at the same time; each may keep a core busy, and the models need the others."""

    def __init__(self, options: Options) -> None:
        """Find an isolation that holds, which takes a tenth of a second.

        Raises:
            ConfigError: This machine offers none; names the fix.
        """
        super().__init__(options)
        self._limits = Limits(
            cpu_seconds=options.cpu_seconds,
            wall_seconds=options.wall_seconds,
            memory_mb=options.memory_mb,
            output_bytes=4 * options.max_output_chars,
        )
        self._sandbox = Sandbox(options.max_concurrent)
        self._programs: OrderedDict[str, asyncio.Task[Outcome]] = OrderedDict()

    @classmethod
    def check_task(cls, task: Task) -> None:
        """Refuse tests that are not Python."""
        try:
            ast.parse(_tests_of(task))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ToolError(
                f"metadata.tests is not valid Python ({error}): give assertions in a text or a list of texts, or rename it"
            ) from error

    async def run(self, args: Args, case: Case) -> Finding:
        """Run what is to be run and report on it.

        Tests that the task brings decide alone: whoever wrote the task knows them to be right, and a judge's programs and tests
        only may be.

        Raises:
            ToolError: There is nothing to run, or the program or the tests are at fault, not the response.
        """
        candidate = case.response(self.name)
        if own := _tests_of(case.task):
            return await self._check_code(candidate.text[-MAX_CHARS:], own)
        tests, findings = args.tests.strip(), []
        if programs := [program for program in args.programs if program.strip()]:
            findings.append(await self._compare(programs, case.task, candidate))
        text = candidate.text[-MAX_CHARS:]
        if not findings or (tests and extract_code(text)):
            findings.append(await self._check_code(text, tests))
        return join_findings(findings)

    async def aclose(self) -> None:
        """Stop the programs that still run."""
        running = list(self._programs.values())
        self._programs.clear()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._sandbox.close()

    async def _compare(self, programs: Sequence[str], task: Task, candidate: Candidate) -> Finding:
        """Compare what the programs print with the response's final answer."""
        outcomes = await asyncio.gather(*(self._run_once(print_result(extract_code(text) or text)) for text in programs))
        printed = [result for outcome in outcomes if (result := self._result(outcome)) is not None]
        if not printed:
            failure = describe_failure(outcomes[0], self._limits)
            raise ToolError(
                f"the program written for this task fails: {failure.text}"
                if failure
                else "the program written for this task prints nothing: it must print the answer"
            )
        is_complete = candidate.ending != "cut"
        stated = await asyncio.to_thread(final_answer, candidate.text[-MAX_CHARS:], is_complete=is_complete)
        return compare_results(printed, stated, len(programs), task.text)

    def _result(self, outcome: Outcome) -> str | None:
        """What a program printed last; None where it failed or printed nothing."""
        lines = [line.strip() for line in outcome.stdout.splitlines() if line.strip()]
        return None if describe_failure(outcome, self._limits) or not lines else lines[-1]

    async def _run_once(self, program: str) -> Outcome:
        """Run a program, or share the run of the same text; one caller's end does not end it for the others."""
        if program not in self._programs:
            self._programs[program] = asyncio.create_task(self._sandbox.run_program(program, self._limits))
            if len(self._programs) > MAX_PROGRAMS:
                self._programs.popitem(last=False)
        task = self._programs[program]
        try:
            return await asyncio.shield(task)
        except ToolError:  # the sandbox failed, not the program: another try may succeed
            self._programs.pop(program, None)
            raise

    async def _check_code(self, text: str, tests: str) -> Finding:
        """Run the response's code, with tests or as it is."""
        fenced = extract_code(text)
        code = fenced if fenced is not None else text if _CODE_SIGN.search(text) else ""
        if not code.strip():
            if tests:
                return Finding(content="This response contains no Python code to test.")
            raise ToolError("nothing to run: no program, no tests and no Python code in the response")
        if tests:
            return await self._test_code(code, tests)
        outcome = await self._sandbox.run_program(code, self._limits)
        failure = describe_failure(outcome, self._limits)
        if fenced is None and failure and failure.text.startswith(("SyntaxError", "IndentationError")):
            raise ToolError("nothing to run: no program, no tests and no Python code in the response")
        return judge_run(outcome, self._limits, is_python=not fenced or bool(_fenced_blocks(text)["python"]))

    async def _test_code(self, code: str, tests: str) -> Finding:
        """Run tests against code; the verdict stands behind this run's marker."""
        marker = secrets.token_hex(16)
        files = {"marker.txt": marker, "tests.py": tests, "response.py": code}
        outcome = await self._sandbox.run_program(_HARNESS.read_text(encoding="utf-8"), self._limits, files)
        return judge_tests(outcome, self._limits, marker)


def print_result(program: str) -> str:
    """Let a program that prints nothing print its last value, as a notebook does: models forget the last line."""
    try:
        body = ast.parse(program).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return program
    if any(isinstance(node, ast.Name) and node.id == "print" for part in body for node in ast.walk(part)):
        return program
    last = body[-1] if body else None
    if isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name):
        return f"{program}\nprint({last.targets[0].id})"
    if isinstance(last, ast.Expr):
        return f"{program}\nprint({ast.unparse(last.value)})"
    return program


def extract_code(text: str) -> str | None:
    """The fenced Python blocks of a text, joined; those without a language where none says Python; None where there are none."""
    blocks = _fenced_blocks(text)
    found = blocks["python"] or blocks[""]
    return "\n".join(found) if found else None


def _fenced_blocks(text: str) -> dict[str, list[str]]:
    """The lines of fenced blocks, by whether they say that they are Python, nothing or something else."""
    blocks: dict[str, list[str]] = {"python": [], "": [], "other": []}
    kind: str | None = None
    for line in text.split("\n"):
        mark = line.strip()
        if not mark.startswith("```"):
            if kind is not None:
                blocks[kind].append(line)
        elif kind is not None:
            kind = None
        else:
            language = mark.strip("`").strip().lower()
            kind = "python" if language in ("python", "python3", "py") else "other" if language else ""
    return blocks


def _tests_of(task: Task) -> str:
    """The assertions that the task brings along."""
    found = task.metadata.get("tests", "")
    tests = "\n".join(found) if isinstance(found, list | tuple) and all(isinstance(item, str) for item in found) else found
    if not isinstance(tests, str):
        raise ToolError(f"metadata.tests of the task is a {type(found).__name__}: make it a string or a list of strings")
    return tests.strip()
