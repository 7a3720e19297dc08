"""The documents hold: links resolve; cited requirements and codes exist, and so does what README and guides name."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.main import get_command

from salus.cli.app import app
from salus.codec import Record
from salus.fhir.outcomes import issue_type
from salus.ledger.tx import Action

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "spec/**/*.md", "docs/**/*.md", "bench/**/*.md", "vectors/**/*.md", "examples/**/*.md", "src/**/*.md")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
)
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))

_FENCE = re.compile(r"^```.*?^```\s*$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`((?:codec|crypto|ledger|warrants|charts|fhir|node|agent|cli|demo)/[a-z][a-z-]*)`")
_REGISTERED = re.compile(r"^\| `([a-z]+/[a-z-]+)` \|", re.MULTILINE)
_DEFINED = re.compile(r"^- ([A-Z]{2,8}-\d+):", re.MULTILINE)
_FORMATS = (
    "consensus",
    "governance",
    "prescriptions",
    "hours",
    "scheduling",
    "orders",
    "encoding",
    "transactions",
    "state",
    "sections",
    "entries",
    "warrants",
    "grants",
    "guests",
    "proofs",
    "members",
    "directory",
    "exports",
)
_SHARED = ("salus.crypto", "salus.ledger", "salus.warrants", "salus.exchange", "salus.charts")
_API = "salus.exchange.api"  # has a page of its own
for room in ("salus.bootstrap", "salus.own_node"):
    importlib.import_module(room)  # so that every shape is known
_PREFIXES = ("ENC", "TX", "STATE", "SEC", "ENT", "WAR", "GRA", "GUE", "WAL", "PRF", "DIR", "ERR", "EXP")
_CITED = re.compile(rf"\b((?:{'|'.join(_PREFIXES)})-\d+)\b")


def prose(path: Path) -> str:
    """The document without its code: fenced blocks, and what stands in backticks on a line."""
    return re.sub(r"`[^`\n]+`", "", _FENCE.sub("", path.read_text("utf-8")))


def anchors(path: Path) -> set[str]:
    """The fragments by which a document's headings are linked."""
    heads = re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_resolves(document: Path) -> None:
    broken = []
    for target in _LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        file = (document.parent / name).resolve() if name else document
        if not file.exists() or (fragment and file.suffix == ".md" and fragment not in anchors(file)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_no_path_of_one_machine(document: Path) -> None:
    assert re.search(r"(?<![\w.])/(?:work|tmp|home|root)/", document.read_text("utf-8")) is None


def test_every_requirement_is_defined_once() -> None:
    defined = [number for path in (ROOT / "spec").glob("*.md") for number in _DEFINED.findall(path.read_text("utf-8"))]
    assert sorted(defined) == sorted(set(defined))
    assert {number.partition("-")[0] for number in defined} >= set(_PREFIXES)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_cited_requirement_exists(document: Path) -> None:
    text = document.read_text("utf-8")
    defined = {number for path in (ROOT / "spec").glob("*.md") for number in _DEFINED.findall(path.read_text("utf-8"))}
    assert set(_CITED.findall(text)) - defined == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_cited_error_code_is_registered(document: Path) -> None:
    registered = set(_REGISTERED.findall((ROOT / "spec" / "errors.md").read_text("utf-8")))
    assert set(_CODE.findall(document.read_text("utf-8"))) - registered == set()


def layouts() -> str:
    """Everything that the pages on formats say, without line breaks."""
    return " ".join((ROOT / "spec" / f"{page}.md").read_text("utf-8") for page in _FORMATS).replace("\n", " ")


def shapes(kind: type[Record] = Record) -> Iterator[type[Record]]:
    """Every record that two parties must agree on: those of the floors that both wings stand on."""
    for shape in kind.__subclasses__():
        if shape.__module__.startswith(_SHARED) and shape.__module__ != _API:
            yield shape
        yield from shapes(shape)


def fields(layout: str) -> list[str]:
    """The names of the fields of a layout that begins behind its tag: up to where its bracket or its cell closes."""
    names, item, depth = [], "", 0
    for char in layout:
        depth += (char in "[({") - (char in "])}")
        if depth < 0 or char == "|" or (char == "," and depth == 0):
            names.append(item.partition(":")[0].split()[0])
            item = ""
            if char != ",":
                return names
        else:
            item += char
    return names


@pytest.mark.parametrize("shape", sorted(shapes(), key=lambda shape: shape.__name__), ids=lambda shape: shape.__name__)
def test_every_layout_stands_in_the_specification_with_its_fields_in_order(shape: type[Record]) -> None:
    text, tag = layouts(), re.escape(str(shape.__struct_config__.tag))
    begins = rf"\| `{tag}` \| " if shape in get_args(Action) else rf'\["{tag}", '
    found = [fields(text[match.end() :]) for match in re.finditer(begins, text)]
    assert found
    assert all(names == list(shape.__struct_fields__) for names in found)


def table_rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table under ``heading``, without its head."""
    section = re.split(rf"^#+ {re.escape(heading)}\s*$", text, maxsplit=1, flags=re.MULTILINE | re.IGNORECASE)[1]
    section = re.split(r"^#+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line.strip() for line in section.splitlines() if line.lstrip().startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def named(cell: str) -> list[str]:
    """What a cell names: what stands in backticks, otherwise its words; links count by their text."""
    plain = _LINK.sub(lambda match: match.group(0)[1:].partition("]")[0], cell)
    found = re.findall(r"`([^`]+)`", plain) or plain.replace(",", " ").split()
    return [name.removesuffix("()") for name in found if name not in ("-", "–", "—")]


def symbols(path: Path) -> set[str]:
    """Every name that a Python file defines at its top, and ``Class.member`` of its classes."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        names = _names(node)
        found.update(names)
        if isinstance(node, ast.ClassDef):
            found.update(f"{node.name}.{member}" for inner in node.body for member in _names(inner))
    return found


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def defines(path: Path, symbol: str) -> bool:
    """Whether the file, or a Python file in the folder, has the symbol; in other files, whether the word stands there."""
    if path.is_dir():
        return any(symbol in symbols(file) for file in path.rglob("*.py"))
    if path.suffix == ".py":
        return symbol in symbols(path)
    return re.search(rf"(?<!\w){re.escape(symbol)}(?!\w)", path.read_text("utf-8")) is not None


def attacks() -> list[tuple[str, str]]:
    """(test, what remains possible) of each row of the threat model's tables of attacks."""
    text = (ROOT / "docs" / "threat-model.md").read_text("utf-8").partition("## Attacks tried")[2]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")]
    return [(row[1].strip("`"), row[2]) for row in rows if row[0] != "Attack"]


@pytest.mark.parametrize(("test", "remains"), attacks())
def test_every_attack_names_a_test_that_there_is_and_what_remains_possible(test: str, remains: str) -> None:
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / "tests" / path).read_text("utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert remains


def hazards() -> list[str]:
    """Every test that the hazard log names."""
    return re.findall(r"`(test_\w+)`", (ROOT / "docs" / "hazards.md").read_text("utf-8"))


@pytest.mark.parametrize("test", hazards())
def test_every_control_of_a_hazard_names_a_test_that_there_is(test: str) -> None:
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests" / "unit").rglob("test_*.py"))
    assert f"def {test}(" in tests


def refusals() -> list[tuple[str, str, str]]:
    """(code, IssueType, test) of each row of what care services refuse."""
    text = (ROOT / "spec" / "refusals.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")]
    return [(code.strip("`"), kind, test.strip("`")) for _, code, kind, test in rows if kind != "FHIR"]


@pytest.mark.parametrize(("code", "kind", "test"), refusals())
def test_every_refusal_names_a_test_that_says_its_code_and_fhirs_type_of_it(code: str, kind: str, test: str) -> None:
    assert issue_type(code) == kind
    assert f"| `{code}` |" in (ROOT / "spec" / "errors.md").read_text("utf-8")
    path, _, name = test.partition("::")
    source = (ROOT / "tests" / path).read_text("utf-8")
    (found,) = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == name]
    whole = "".join(ast.get_source_segment(source, one) or "" for one in (*found.decorator_list, found))
    assert code.partition("/")[2] in whole


def test_the_readme_names_files_and_symbols_that_exist() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    if not re.search(r"^#+ Where to find\s*$", text, re.MULTILINE | re.IGNORECASE):
        pytest.skip("the README has no table of where to find things")
    rows = table_rows(text, "Where to find")
    assert rows
    wrong = []
    for what, path_cell, *rest in rows:
        paths = [ROOT / name for name in named(path_cell)]
        wrong += [f"{what}: {path.relative_to(ROOT)}" for path in paths if not path.exists()]
        there = [path for path in paths if path.exists()]
        for symbol in named(rest[0]) if rest else []:
            if not any(defines(path, symbol) for path in there):
                wrong.append(f"{what}: {symbol}")
    assert not wrong


def commands(path: Path) -> Iterator[list[str]]:
    """The words of every `salus` command in a document's fenced blocks, from its first argument on."""
    for block in re.findall(r"^```(?:sh|bash|console|shell)\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            for part in _parts(shlex.split(line.removeprefix("$ "), comments=True)):
                if part and part[0] == "salus":
                    yield part[1:]


def _parts(words: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in words:
        if word in ("|", "&&", ";", ">", "<", "&"):
            yield part
            part = []
        else:
            part.append(word)
    yield part


def require_command(words: list[str]) -> None:
    """Raise unless the words are a command of the command line, with options that it has."""
    command: Any = get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        known = {name: option for option in command.params for name in option.opts}
        while rest and rest[0] in known:
            rest = rest[2:]
        if not rest and command.invoke_without_command and command.name:  # a command that has others below it
            return
        assert rest, f"{words} names no command"
        assert rest[0] in command.commands, f"there is no command {rest[0]!r} in {words}"
        command = command.commands[rest.pop(0)]
    options = {name for option in command.params for name in option.opts}
    given = [word.partition("=")[0] for word in rest if word.startswith("--")]
    assert set(given) <= options, f"{words} names an option that it does not have"


@pytest.mark.parametrize("guide", [*GUIDES, ROOT / "README.md"], ids=lambda path: path.name)
def test_every_command_that_is_shown_exists(guide: Path) -> None:
    shown = list(commands(guide))
    assert shown or guide.name == "README.md"
    for words in shown:
        if words != ["--version"]:
            require_command(words)


@pytest.mark.parametrize(
    "words", [["fly"], ["person", "delete"], ["chart", "--colour", "red"], ["--nothing"]], ids=lambda words: " ".join(words)
)
def test_a_command_that_does_not_exist_is_noticed(words: list[str]) -> None:
    with pytest.raises(AssertionError):
        require_command(words)
