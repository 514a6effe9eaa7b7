"""Run a response's code and then its tests: a program for the sandbox, never imported by the package.

The verdict is one line that begins with a marker, which the code cannot guess: the marker's file and the tests are read and
removed before the code runs, and the standard streams then lead nowhere. Everything that the verdict needs is bound to local
names and compiled beforehand, so that replacing a builtin or a module's function changes nothing.
"""

import ast
import builtins
import os
from pathlib import Path
from types import CodeType
from typing import Any, NoReturn


def main() -> None:
    """Run the code, then test after test; a failing test does not keep the next ones from running."""
    execute, write, leave, original = exec, os.write, os._exit, dict(vars(builtins))
    marker, tests, code = take("marker.txt"), take("tests.py"), take("response.py")
    output = os.dup(1)
    silence = os.open("/dev/null", os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)

    def report(kind: str, *details: object) -> NoReturn:
        write(output, ("\t".join([marker, kind, *(" ".join(str(part).split()) for part in details)]) + "\n").encode())
        leave(0)

    try:
        steps = list(compile_steps(tests))
    except (SyntaxError, ValueError) as error:
        report("bad tests", error)
    try:
        program = compile(code, "response.py", "exec")
    except (SyntaxError, ValueError) as error:
        report("no code", describe(error))
    names: dict[str, Any] = {"__name__": "response"}
    try:
        execute(program, names)
    except BaseException as error:  # noqa: BLE001 - SystemExit too: code that leaves early has not been tested
        report("broken", describe(error))
    names["__builtins__"] = original
    num_tests, failed = 0, []
    for step, text, is_test in steps:
        num_tests += is_test
        try:
            execute(step, names)
        except BaseException as error:  # noqa: BLE001 - likewise
            failed += [(text, describe(error))]
            if not is_test:
                break
    report("failed" if failed else "passed", num_tests, len(failed), *(failed[0] if failed else ()))


def take(name: str) -> str:
    """Read a file and remove it."""
    text = Path(name).read_text()
    Path(name).unlink()
    return text


def compile_steps(tests: str) -> list[tuple[CodeType, str, bool]]:
    """Each statement of the tests with its text, and whether it tests something: an assertion or a call."""
    return [
        (
            compile(ast.Module([node], []), "tests.py", "exec"),
            ast.get_source_segment(tests, node) or "",
            isinstance(node, ast.Assert | ast.Expr),
        )
        for node in ast.parse(tests).body
    ]


def describe(error: BaseException) -> str:
    """The last line of a traceback."""
    kind, text = type(error).__name__, str(error)
    return f"{kind}: {text}" if text else kind


if __name__ == "__main__":
    main()
