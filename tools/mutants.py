"""Change the four inner rooms' code a little, many times, and demand that their tests notice.

``python tools/mutants.py [N] [SEED]``: N mutants (300 unless said; 0: all) of `ledger`, `crypto`, `warrants` and `charts`, drawn
by chance from all that mutmut makes, each against the unit tests that run its function, and the vectors. The checkout is
copied; nothing in it changes. Ends with a report that names the survivors; exit 1 below 85 % killed.

Texts of errors are for people, and no test reads them: mutants of nothing but such a text are not drawn, and counted apart.
"""

from __future__ import annotations

import ast
import difflib
import json
import math
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import report

ROOMS = ("ledger", "crypto", "warrants", "charts")
COPIED = ("src", "tests", "vectors", "pyproject.toml")
MARK = 0.85
#: The exit codes that mutmut keeps of a mutant's tests; everything else is a test that failed.
SURVIVED, UNTESTED, TIMED_OUT = (0,), (5, 33), (24, 36, 152, 255, -24)
ERRORS = ("Refused", "Malformed", "Misused")  # how the names of errors end


def main() -> int:
    """Copy, mutate, draw, run, report."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    began, made_of = time.monotonic(), report.commit()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name in COPIED:
            path = report.ROOT / name
            shutil.copytree(path, place / name) if path.is_dir() else shutil.copy(path, place / name)
        print("making mutants, and finding out which tests run what", flush=True)
        mutmut(place, "salus.crypto.hashing.x_sha256*")
        texts, names = drawn_from(place)
        chosen = sorted(random.Random(seed).sample(names, min(count or len(names), len(names))))
        print(f"{len(names):,} mutants besides {texts:,} of texts alone; running {len(chosen):,}", flush=True)
        mutmut(place, *chosen)
        results = {name: code for name, code in codes(place).items() if name in set(chosen)}
        survivors = {name: change(place, name) for name, code in results.items() if code in (*SURVIVED, *UNTESTED)}
    rows = [row(room, results) for room in (*ROOMS, "")]
    killed = 1 - len(survivors) / len(results)
    lines = summary(seed, len(names), texts, rows, survivors, time.monotonic() - began)
    kept = report.write("mutants", "Mutants", made_of, lines)
    print(f"{len(results):,} mutants, {killed:.1%} killed; {kept.name}")
    return 0 if killed >= MARK else 1


def mutmut(place: Path, *names: str) -> None:
    """Run the mutants of these names; the first run makes all of them."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "2", *names]
    log = place / "mutmut.log"
    with log.open("wb") as out:
        done = subprocess.run(command, cwd=place, stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.exit(f"mutmut ended with {done.returncode}:\n{log.read_text('utf-8', 'replace')[-3000:]}")


def codes(place: Path) -> dict[str, int | None]:
    """{mutant: exit code of its tests}; None where it was not run."""
    found: dict[str, int | None] = {}
    for path in sorted((place / "mutants" / "src").rglob("*.py.meta")):
        found.update(json.loads(path.read_text("utf-8"))["exit_code_by_key"])
    return found


def drawn_from(place: Path) -> tuple[int, list[str]]:
    """How many mutants change nothing but a text for people; and the others."""
    names = list(codes(place))
    functions = {name: node for path in sources(place) for name, node in every_function(path)}
    texts = 0
    chosen = []
    for name in sorted(names):
        mutant, original = functions[name], functions[f"{name.rpartition('__mutmut_')[0]}__mutmut_orig"]
        if without_texts(mutant) == without_texts(original):
            texts += 1
        else:
            chosen.append(name)
    return texts, chosen


def sources(place: Path) -> list[Path]:
    """The rooms' files as mutmut wrote them."""
    folder = place / "mutants" / "src" / "salus"
    return [path for room in ROOMS for path in sorted((folder / room).rglob("*.py"))]


def every_function(path: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """(name as mutmut has it, its tree) of each function in a mutated file, originals included."""
    parts = path.with_suffix("").parts
    module = ".".join(parts[parts.index("salus") :]).removesuffix(".__init__")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and "__mutmut_" in node.name:
            yield f"{module}.{node.name}", node


def without_texts(function: ast.FunctionDef) -> str:
    """What the function is but for its name and the texts of the errors that it raises."""
    copy = ast.parse(ast.unparse(function)).body[0]
    assert isinstance(copy, ast.FunctionDef)
    copy.name = "f"
    for node in ast.walk(copy):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith(ERRORS):
            node.args = node.args[:1]
    return ast.dump(copy)


def change(place: Path, name: str) -> str:
    """What a mutant changes: the lines before and after."""
    module = name.rpartition(".")[0]
    path = place / "mutants" / "src" / Path(*module.split("."))
    file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    found = dict(every_function(file))
    before, after = found[f"{name.rpartition('__mutmut_')[0]}__mutmut_orig"], found[name]
    after.name = before.name
    lines = difflib.unified_diff(ast.unparse(before).splitlines(), ast.unparse(after).splitlines(), n=0, lineterm="")
    return " ".join(line[0] + " " + line[1:].strip() for line in lines if line[:2] not in ("--", "++", "@@"))


def row(room: str, results: dict[str, int | None]) -> str:
    """A room's row of the report, or that of all."""
    outcome = Counter(kind(code) for name, code in results.items() if name.startswith(f"salus.{room}" if room else "salus"))
    total = outcome.total()
    killed = outcome["killed"] + outcome["timed out"]
    low, high = interval(killed, total)
    rate = f"{killed / total:.1%} ({low:.1%} to {high:.1%})" if total else "-"
    figures = (total, killed, outcome["timed out"], outcome["survived"], outcome["untested"])
    return f"| {room or 'all'} | {' | '.join(map(str, figures))} | {rate} |"


def kind(code: int | None) -> str:
    """What became of a mutant whose tests ended like that."""
    if code in SURVIVED:
        return "survived"
    if code in UNTESTED:
        return "untested"
    return "timed out" if code in TIMED_OUT else "killed"


def interval(killed: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if not total:
        return 0.0, 1.0
    z, share = 1.96, killed / total
    middle = share + z * z / (2 * total)
    wide = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (middle - wide) / (1 + z * z / total), (middle + wide) / (1 + z * z / total)


def summary(seed: int, names: int, texts: int, rows: list[str], survivors: dict[str, str], seconds: float) -> list[str]:
    """The report's lines."""
    return [
        f"mutmut makes {names + texts:,} mutants of the four rooms; {texts:,} change a text for people alone and were left out.",
        f"Those that were run were drawn by chance from seed {seed}; the interval is Wilson's at 95 %. {seconds:,.0f} seconds.",
        "",
        "| Room | Run | Killed | of them by time | Survived | Untested | Killed, share |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        "| Survivor | Change |",
        "|---|---|",
        *(
            f"| `{name.removeprefix('salus.')}` | `{text.replace('|', '¦').replace('`', chr(39))}` |"
            for name, text in survivors.items()
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
