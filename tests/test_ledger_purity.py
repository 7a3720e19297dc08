"""The ledger is a pure function of state and block: read from its source, rule by rule; and each rule is seen to find a breach.

Imports are allowed by name, everything else is not; sets are not used at all, so that no order can come from one.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

LEDGER = Path(__file__).parents[1] / "src" / "salus" / "ledger"
FILES = sorted(path for path in LEDGER.rglob("*.py") if not path.stem.endswith("_pb2"))  # those are generated

#: What the ledger may stand on. Of the standard library: nothing that knows a clock, chance, the machine, or the outer world.
IMPORTS = {
    "__future__",
    "bisect",
    "collections.abc",
    "dataclasses",
    "enum",
    "google.protobuf.message",
    "google.protobuf.timestamp_pb2",
    "google.protobuf.wrappers_pb2",
    "itertools",
    "msgspec",
    "salus.codec",
    "salus.crypto.hashing",
    "salus.crypto.signing",
    "salus.errors",
    "salus.ids",
    "typing",
}
#: Built-in names that differ from process to process, reach outside, or make what is not exact or not in order.
NAMES = {
    "__builtins__", "__import__", "breakpoint", "compile", "complex", "delattr", "dir", "eval", "exec", "float", "frozenset",
    "globals", "hash", "help", "id", "input", "locals", "memoryview", "open", "print", "repr", "set", "setattr", "vars",
}  # fmt: skip
METHODS = {"__hash__", "__dict__", "__repr__", "popitem"}
ASYNCHRONOUS = ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await


def impurities(module: ast.AST) -> list[str]:
    """What in a module of the ledger could make two nodes differ, or wait for something."""
    return [f"line {getattr(node, 'lineno', 0)}: {found}" for node in ast.walk(module) for found in _of(node)]


def _of(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [f"imports {alias.name}" for alias in names if not _allowed(alias.name)]
        case ast.ImportFrom(module=name, level=level):
            return [] if name and not level and _allowed(name) else [f"imports {name}"]
        case ast.Constant(value=float() | complex()):
            return [f"number {node.value}"]
        case ast.BinOp(op=ast.Div() | ast.Pow()) | ast.AugAssign(op=ast.Div() | ast.Pow()):
            return ["division or power"]
        case ast.Set() | ast.SetComp():
            return ["a set"]
        case ast.Name(id=name, ctx=ast.Load()) if name in NAMES:
            return [f"name {name}"]
        case ast.Attribute(attr=name) if name in METHODS:
            return [f"attribute {name}"]
        case ast.Global() | ast.Nonlocal():
            return ["a variable outside of its function"]
        case ast.Try() if any(_catches_all(handler) for handler in node.handlers):
            return ["swallows what the machine may run into"]
    return ["asynchronous"] if isinstance(node, ASYNCHRONOUS) else []


def _allowed(name: str) -> bool:
    return name in IMPORTS or name.startswith("salus.ledger.")


def _catches_all(handler: ast.ExceptHandler) -> bool:
    """Whether it catches what depends on the machine, as `MemoryError` and `RecursionError` do, with the refusals."""
    names = [child.id for child in ast.walk(handler.type) if isinstance(child, ast.Name)] if handler.type else ["BaseException"]
    return any(
        name in ("BaseException", "Exception", "MemoryError", "OSError", "RecursionError", "RuntimeError") for name in names
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(LEDGER)))
def test_the_ledger_knows_no_clock_chance_float_order_of_sets_or_disk(path: Path) -> None:
    """TX-14."""
    assert impurities(ast.parse(path.read_text("utf-8"))) == []


BREACHES = (
    *(
        f"import {name}"
        for name in ("time", "datetime", "random", "secrets", "os", "io", "threading", "asyncio", "logging", "socket")
    ),
    *(
        f"import {name}"
        for name in ("pathlib", "uuid", "subprocess", "sys", "locale", "gc", "weakref", "math", "decimal", "platform")
    ),
    *(f"import {name}" for name in ("lmdb.x", "apsw", "httpx", "fastapi", "sqlite3", "tempfile", "multiprocessing", "functools")),
    "from os import path",
    "from . import x",
    "from salus.crypto.keys import fresh_nonce",
    "from salus.crypto import keys",
    "from salus.node.storage import open_database",
    "x = 0.5",
    "x = 1j",
    "x = a / b",
    "x /= 2",
    "x = 2 ** y",
    "x = float(y)",
    "for x in {1, 2}: pass",
    "for x in {y for y in z}: pass",
    "for x in set(y): pass",
    "x = frozenset(y)",
    "x = dict.fromkeys(set(y))",
    "x: set[int] = y",
    "x = hash(y)",
    "x = y.__hash__()",
    "x = sorted(y, key=id)",
    "x = repr(object())",
    "x = y.popitem()",
    "x = open(y)",
    "print(x)",
    "x = input()",
    "exec(x)",
    "x = __import__(y)",
    "async def f(): pass",
    "def f():\n    global x",
    "def f():\n    x = 1\n    def g():\n        nonlocal x",
    "try:\n    x\nexcept RecursionError:\n    pass",
    "try:\n    x\nexcept (ValueError, Exception):\n    pass",
    "try:\n    x\nexcept:\n    pass",
)


@pytest.mark.parametrize("breach", BREACHES)
def test_an_impurity_is_found(breach: str) -> None:
    assert impurities(ast.parse(breach))


@pytest.mark.parametrize(
    "fine",
    [
        "from salus.ledger.store import load",
        "x = a // b",
        "x = dict.fromkeys(y)",
        "for x in sorted(y): pass",
        "x = {1: 2}",
        "try:\n    x\nexcept SalusError:\n    pass",
    ],
)
def test_what_is_pure_is_left_alone(fine: str) -> None:
    assert impurities(ast.parse(fine)) == []
