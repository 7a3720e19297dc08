"""What the house promises of itself, read from its source; and each rule is seen to find a breach."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path

import msgspec
import pytest

from salus.codec import Record
from salus.errors import SalusError
from salus.ledger.header import RefusalCode

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "salus"
FILES = sorted(SOURCE.rglob("*.py"))
BANNED = (r"#\s*type:\s*ignore", r"pragma:\s*no cover", r"#\s*noqa", r"\bTODO\b", r"\bFIXME\b", "TYPE_CHECKING")
VAGUE = {"utils", "helpers", "common", "misc", "core", "manager", "base"}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
LAZY = {SOURCE / "bootstrap.py", SOURCE / "exchange" / "client.py", *(SOURCE / "cli").rglob("*.py")}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def free_text(shape: object, seen: set[object]) -> list[str]:
    """Fields of ``shape``, or of shapes inside it, that could hold any text."""
    if shape == RefusalCode:  # one of the registered codes, which the ledger itself writes
        return []
    if shape is str:
        return ["text"]
    if isinstance(shape, type) and issubclass(shape, Record):
        if shape in seen:
            return []
        seen.add(shape)
        hints = typing.get_type_hints(shape, include_extras=True)
        return [f"{shape.__name__}.{name}" for name, hint in hints.items() for _ in free_text(hint, seen) if name[0] != "_"]
    if isinstance(shape, type) and issubclass(shape, Enum):
        return []
    return [found for part in typing.get_args(shape) for found in free_text(part, seen)]


def records(name: str) -> Iterator[type[Record]]:
    """The shapes that a module defines."""
    module = import_module(name)
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Record) and value.__module__ == name:
            yield value


MODULES = sorted(path.parent.name for path in (SOURCE / "ledger" / "modules").glob("*/handlers.py"))


@pytest.mark.parametrize(
    "name", [f"salus.ledger.modules.{module}.{room}" for module in MODULES for room in ("messages", "state")]
)
def test_no_ledger_message_has_room_for_words(name: str) -> None:
    assert [found for shape in records(name) for found in free_text(shape, set())] == []


class Talkative(Record, frozen=True, tag="talkative"):
    """A shape with room for words."""

    note: tuple[typing.Annotated[str, msgspec.Meta(max_length=9)], ...]


def test_room_for_words_is_found() -> None:
    assert free_text(Talkative, set()) == ["Talkative.note"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_of_human_size_and_says_what_it_promises(path: Path) -> None:
    module = tree(path)
    assert len(path.read_text("utf-8").splitlines()) <= 500
    assert path.stem not in VAGUE
    assert ast.get_docstring(module) or not module.body
    for node in ast.walk(module):
        if isinstance(node, FUNCTIONS | ast.ClassDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert isinstance(node, ast.ClassDef) or length <= 80, node.name
            outers = [outer for outer in ast.walk(module) if isinstance(outer, FUNCTIONS) and outer is not node]
            local = any(node in ast.walk(outer) for outer in outers)
            assert local or node.name.startswith("_") or ast.get_docstring(node), node.name


def breaches(text: str) -> list[str]:
    """Comments that switch a check off, and words that put work off."""
    return [found for pattern in BANNED for found in re.findall(pattern, text)]


def broad(module: ast.AST) -> list[int]:
    """Handlers that catch everything and do not raise it again."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler):
            names = {child.id for child in ast.walk(node.type) if isinstance(child, ast.Name)} if node.type else {"Exception"}
            raises = any(isinstance(child, ast.Raise) for child in ast.walk(node))
            if names & {"Exception", "BaseException"} and not raises:
                found.append(node.lineno)
    return found


def inner_imports(module: ast.AST) -> list[int]:
    """Imports inside a function, asynchronous or not."""
    inner = [node for outer in ast.walk(module) if isinstance(outer, FUNCTIONS) for node in ast.walk(outer)]
    return [node.lineno for node in inner if isinstance(node, ast.Import | ast.ImportFrom)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_check_is_switched_off_and_nothing_is_swallowed(path: Path) -> None:
    assert breaches(path.read_text("utf-8")) == []
    assert broad(tree(path)) == []
    assert path in LAZY or inner_imports(tree(path)) == []


def test_a_switched_off_check_is_found() -> None:
    assert breaches("x = 1  # type: " + "ignore")
    assert breaches("# no" + "qa")
    assert broad(ast.parse("try:\n    x\nexcept Exception:\n    pass"))
    assert broad(ast.parse("try:\n    x\nexcept:\n    pass"))
    assert not broad(ast.parse("try:\n    x\nexcept BaseException:\n    raise"))


@pytest.mark.parametrize("word", ["def", "async def"])
def test_an_import_inside_a_function_is_found(word: str) -> None:
    assert inner_imports(ast.parse(f"{word} f():\n    import x")) == [2]
    assert inner_imports(ast.parse(f"import x\n{word} f():\n    x()")) == []


def raised(module: ast.AST) -> set[str]:
    """Full codes of the refusals that a module makes with a literal code, and literals that look like full codes."""
    kinds = {kind.__name__: kind.codespace for kind in SalusError.__subclasses__()}
    spaces = "|".join(kinds.values())
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds and node.args:
            found |= {f"{kinds[node.func.id]}/{code}" for code in literals(node.args[0])}
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(rf"({spaces})/[a-z0-9-]+", node.value):
            found.add(node.value)
    return found


def literals(node: ast.AST) -> list[str]:
    return [child.value for child in ast.walk(node) if isinstance(child, ast.Constant) and isinstance(child.value, str)]


def registered() -> set[str]:
    rows = re.findall(r"^\| `([a-z]+/[a-z0-9-]+)` \|", (ROOT / "spec" / "errors.md").read_text("utf-8"), flags=re.M)
    return set(rows)


#: Codes that are made in another way than by a literal: where they are.
ELSEWHERE = {
    "fhir/invalid": "fhir/validation.py",
    "cli/unexpected": "cli/app.py",
    "agent/unsafe-prescription": "agent/services/safety.py",
}


def test_every_code_is_registered_and_every_registered_code_is_raised() -> None:
    made = {code for path in FILES for code in raised(tree(path))} | set(ELSEWHERE)
    assert made - registered() == set()
    assert registered() - made == set()
    for code, place in ELSEWHERE.items():
        assert code.partition("/")[2] in (SOURCE / place).read_text("utf-8")


def test_a_code_that_is_not_registered_is_found() -> None:
    assert raised(ast.parse("raise LedgerRefused('brand-new', 'x')")) == {"ledger/brand-new"}
    assert raised(ast.parse("code = 'ledger/brand-new'")) == {"ledger/brand-new"}


def test_all_arrows_go_down() -> None:
    found = subprocess.run([Path(sys.executable).parent / "lint-imports", "--no-logo"], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_requirements_that_tests_cite_exist() -> None:
    known = set(re.findall(r"\b([A-Z]{2,5}-\d+)\b", "".join(p.read_text("utf-8") for p in (ROOT / "spec").glob("*.md"))))
    pattern = r"\b((?:ENC|TX|STATE|SEC|ENT|WAR|GRA|WAL|PRF|DIR|API|CLI|FHIR|ERR|EXP)-\d+)\b"
    cited = {found for path in (ROOT / "tests").rglob("*.py") for found in re.findall(pattern, path.read_text("utf-8"))}
    assert cited - known == set()


def test_nothing_speaks_of_the_machine_that_it_was_made_on() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, tracked.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in (".md", ".py", ".toml", ".sh", ".lock", ".txt") and path.is_file():
            assert not re.search(r"(?<![\w.])/(work|root|home/\w+)/", path.read_text("utf-8")), name
