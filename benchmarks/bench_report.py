"""How large a run's page gets, and how quickly its browser of records answers, with made-up records of realistic size.

Writes a run folder (the same one for the same arguments), its page in a process of its own so that the peak of memory is the
writer's, and uses the page in a headless Chromium from its file. Fails if the page logs anything or asks for anything else.

    python benchmarks/bench_report.py --records 20000
"""

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from anyprefer.data.run_dir import RunDir
from anyprefer.recipes import load_recipe
from anyprefer.types import (
    Attempt,
    Candidate,
    Critique,
    Evidence,
    Failure,
    Finding,
    Knowledge,
    Origin,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Reply,
    RoleUsage,
    Side,
    Task,
    ToolCall,
    Verdict,
)

ROLES = ("target", "judge", "aggregator", "critic", "rewriter")
RARE_WORD = "zyzzogeton"
"""Stands in one prompt of a thousand."""

SEARCH = """(value) => {
  const input = document.getElementById("pairs-q");
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}"""
SELECT = """([id, value]) => {
  const select = document.getElementById(id);
  select.value = value;
  select.dispatchEvent(new Event("input", { bubbles: true }));
}"""
UNTIL = """([argument, id]) => new Promise((done, fail) => {
  const start = performance.now();
  setTimeout(() => fail(new Error(`nothing changed in #${id} for a minute`)), 60000);
  new MutationObserver((changes, observer) => {
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
  }).observe(document.getElementById(id), { childList: true, subtree: true });
  (ACTION)(argument);
})"""
"""Both lists and titles are drawn anew when they change, in one go."""


class Writer:
    """Texts of made-up words, in the frequencies in which words come."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        syllables = [a + b for a in "bcdfghlmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "is")]
        words = ["".join(self.random.choices(syllables, k=self.random.choice((1, 2, 2, 3, 3, 4)))) for _ in range(12_000)]
        weights = [1 / (rank + 2) for rank in range(len(words))]
        self._sentences = [
            " ".join(self.random.choices(words, weights, k=self.random.randint(6, 22))).capitalize() + "." for _ in range(30_000)
        ]

    def text(self, least: int, most: int) -> str:
        """Some sentences; now and then a paragraph ends."""
        chosen = self.random.choices(self._sentences, k=self.random.randint(least, most))
        return "".join(sentence + ("\n\n" if self.random.random() < 0.15 else " ") for sentence in chosen).strip()

    def record(self, number: int) -> PreferenceRecord:
        """One record: a few have failed, some found no pair, most were accepted after one to three rounds."""
        luck = self.random.random()
        prompt = f"{self.text(1, 4)}{f' {RARE_WORD}' if number % 1000 == 7 else ''} ({number})"
        task = Task(prompt=prompt, reference=Reply.of(self.text(1, 3)), metadata={"source": f"part {number % 12}"})
        rounds = self.random.choice((1, 1, 1, 2, 2, 3)) if luck > 0.02 else 0
        attempts = tuple(self._attempt(place, has_pair=luck > 0.1) for place in range(rounds))
        status = "failed" if not rounds else "accepted" if luck > 0.3 else "exhausted"
        usage = {
            role: RoleUsage(
                calls=3, prompt_tokens=self.random.randint(500, 9000), completion_tokens=self.random.randint(50, 2000),
                seconds=self.random.uniform(1, 60), cost_usd=self.random.uniform(0, 0.01),
            )
            for role in ROLES
        }  # fmt: skip
        return PreferenceRecord(
            task=task, status=status, attempts=attempts, best_attempt=rounds - 1 if rounds and luck > 0.1 else None,
            error=None if rounds else Failure(kind=self.random.choice(("ModelCallError", "MalformedReplyError")),
                                              message=self.text(1, 2), node="judge"),
            models=dict.fromkeys(ROLES, "openai:some-model@https://api.example.org/v1"),
            prompt_hashes={f"prompt_{place}": f"{place:064x}" for place in range(11)},
            usage=usage, cost_usd=0.02, seed=number, recipe_digest="5a" * 32,
        )  # fmt: skip

    def _attempt(self, place: int, *, has_pair: bool) -> Attempt:
        candidates = tuple(
            Candidate(index=index, output=Reply.of(self.text(3, 9)), model="openai:some-model") for index in range(5)
        )
        tool = self.random.choice(("calculator", "python", "corpus_search", "web_search"))
        scores = sorted((self.random.randint(2, 20) / 2 for _ in candidates), reverse=True)
        verdicts = tuple(Verdict(candidate=index, analysis=self.text(1, 3), score=scores[index]) for index in range(5))
        differs = has_pair and scores[0] > scores[-1]
        best, worst = (
            Side(origin=Origin(kind="candidate", candidate=one.index, round=place), output=one.output, score=scores[one.index])
            for one in (candidates[0], candidates[-1])
        )
        pair = PreferencePair(chosen=best, rejected=worst) if differs else None
        calls = tuple(
            ToolCall(tool=tool, args={"query": self.text(1, 1)}, candidate=index, why=self.text(1, 1)) for index in range(3)
        )
        return Attempt(
            round=place, prompts=Prompts(target=self.text(1, 2), judge=self.text(1, 2), version=place), candidates=candidates,
            tool_calls=calls, evidence=tuple(self._evidence(call, ok=call.candidate != 1) for call in calls),
            knowledge=Knowledge(text=self.text(2, 4)), verdicts=verdicts, pair=pair,
            critique=Critique(analysis=self.text(2, 4), score=self.random.randint(3, 10) if differs else None),
        )  # fmt: skip

    def _evidence(self, call: ToolCall, *, ok: bool) -> Evidence:
        supports = self.random.choice((True, False, None)) if ok else None
        return Evidence(call=call, finding=Finding(content=self.text(1, 4), supports=supports), ok=ok, seconds=1.5)


def write_run(folder: Path, num_records: int, seed: int) -> float:
    """A run folder with that many records; gives the mean size of one in bytes."""
    run = RunDir(folder)
    folder.mkdir(parents=True, exist_ok=True)
    recipe = load_recipe(Path(__file__).parents[1] / "recipes" / "text" / "quickstart.toml")
    run.lock.write_text(run.lock_of(recipe, "5a" * 32, {}).text)
    writer = Writer(seed)
    with run.records.open("w", encoding="utf-8") as file:
        for number in range(num_records):
            record = writer.record(number)
            if record.best_attempt is not None and record.attempts[record.best_attempt].pair is None:
                record = record.model_copy(update={"best_attempt": None, "status": "exhausted"})
            file.write(record.model_dump_json() + "\n")
    return run.records.stat().st_size / num_records


def write_page(folder: Path, page: Path) -> dict[str, float]:
    """Write the page in this process; seconds and peak memory."""
    from anyprefer.report.page import write_report

    start = time.perf_counter()
    write_report(folder, page)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds to write": time.perf_counter() - start, "peak MiB of the writer": peak}


class Reader:
    """A person at the page, and what they wait for."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.problems: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.problems.append(message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        start = time.perf_counter()
        page.goto(address, wait_until="commit", timeout=300_000)
        page.wait_for_selector("#pairs:not([aria-busy])", state="attached", timeout=300_000)
        self.opened = 1000 * (time.perf_counter() - start)

    def wait_for(self, action: str, argument: object, watched: str = "pairs-rows") -> float:
        """Milliseconds from an action until the page has drawn its answer."""
        return float(self.page.evaluate(UNTIL.replace("ACTION", action), [argument, watched]))

    def heap(self) -> float:
        """MiB that the script holds on to."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("HeapProfiler.collectGarbage")
        session.send("Performance.enable")
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "JSHeapUsedSize")) / 2**20


def use_page(path: Path, middle: str) -> dict[str, float]:
    """Search, filter, sort and open, as a person would; milliseconds."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        reader = Reader(browser.new_page(), path.as_uri())
        times = {"ms until the list is there": reader.opened, "MiB of script heap then": reader.heap()}
        times["ms of the first search*"] = reader.wait_for(SEARCH, RARE_WORD)
        found = reader.page.inner_text("#pairs-count")
        times["ms of a later search*"] = reader.wait_for(SEARCH, "a e i")
        times["ms of searching for nothing*"] = reader.wait_for(SEARCH, "")
        times["ms to filter by status"] = reader.wait_for(SELECT, ["pairs-status", "exhausted"])
        times["ms to show all again"] = reader.wait_for(SELECT, ["pairs-status", ""])
        times["ms to sort by reward"] = reader.wait_for(SELECT, ["pairs-sort", "-reward"])
        times["ms to open a record"] = reader.wait_for(
            "(id) => { location.hash = `record=${id}`; }", middle, "pairs-record-title"
        )
        times["ms to open the next"] = reader.wait_for(
            "() => document.getElementById('pairs-next').click()", None, "pairs-record-title"
        )
        times["MiB of script heap at the end"] = reader.heap()
        browser.close()
    assert not reader.problems, reader.problems
    assert {url.partition("#")[0] for url in reader.requests} == {path.as_uri()}, reader.requests
    print(f"search for {RARE_WORD!r}: {found}")
    return times


def middle_id(folder: Path) -> str:
    """The id of the record in the middle."""
    with RunDir(folder).records.open(encoding="utf-8") as lines:
        ids = [json.loads(line)["task"]["id"] for line in lines]
    return str(ids[len(ids) // 2])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to keep the run and its page; a temporary folder by default")
    parser.add_argument("--write", type=Path, nargs=2, metavar=("RUN", "PAGE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        print(json.dumps(write_page(*options.write)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        size = write_run(folder, options.records, options.seed)
        page = RunDir(folder).report
        command = [sys.executable, __file__, "--write", str(folder), str(page)]
        written = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        in_page = page.stat().st_size
        figures = {
            "records": options.records, "bytes of a record": size, "MiB of the page": in_page / 2**20,
            "bytes of the page for a record": in_page / options.records, **written, **use_page(page, middle_id(folder)),
        }  # fmt: skip
    for name, value in figures.items():
        print(f"{name:36}{value:12,.1f}")
    print("* with the pause of 200 ms that typing is waited for")


if __name__ == "__main__":
    main()
