"""The container file in deploy/, read: what it copies is there, what it runs is what the house runs, what it starts there is."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from salus.cli.app import app

ROOT = Path(__file__).parents[1]


def instructions(text: str) -> list[tuple[str, str]]:
    """(word, rest) of each line that is neither empty nor a comment; lines that go on are one."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest) for line in lines if line and line[0] != "#" for word, _, rest in [line.partition(" ")]]


FILE = instructions((ROOT / "deploy" / "Containerfile").read_text("utf-8"))
STAGES = [index for index, (word, _) in enumerate(FILE) if word == "FROM"]
LAST = FILE[STAGES[-1] :]


def rest_of(word: str, lines: list[tuple[str, str]] = FILE) -> list[str]:
    return [rest for each, rest in lines if each == word]


def commands() -> list[list[str]]:
    """What the image starts, as words: the entry point with its default, and the look at its health."""
    (entry,), (default,), (health,) = (rest_of(word, LAST) for word in ("ENTRYPOINT", "CMD", "HEALTHCHECK"))
    return [json.loads(entry) + json.loads(default), json.loads(health.partition(" CMD ")[2])]


def test_every_path_that_is_copied_is_there() -> None:
    stages = {rest.split(" AS ")[1] for rest in rest_of("FROM") if " AS " in rest}
    for rest in rest_of("COPY"):
        *sources, _ = rest.split()
        if sources[0].startswith("--from="):
            assert sources[0].removeprefix("--from=") in stages
        else:
            assert all((ROOT / source).exists() for source in sources), rest


def test_bases_are_named_by_a_full_version() -> None:
    for rest in rest_of("FROM"):
        assert re.fullmatch(r"[a-z./]+:\d+\.\d+\.\d+-[a-z-]+( AS [a-z]+)?", rest), rest


def test_what_is_installed_is_what_the_lock_file_has_with_hashes() -> None:
    installs = [rest for rest in rest_of("RUN") if " pip install " in rest]
    assert installs
    for rest in installs:
        assert "--no-deps" in rest
        assert rest.endswith((" --require-hashes -r requirements.lock", " --no-build-isolation --no-deps ."))
    assert "--hash=sha256:" in (ROOT / "requirements.lock").read_text("utf-8")


def test_the_engine_is_built_as_the_make_target_builds_it() -> None:
    (line,) = [rest for rest in rest_of("RUN") if "go build" in rest]
    (made,) = [line for line in (ROOT / "Makefile").read_text("utf-8").splitlines() if "go build" in line and "cometbft" in line]

    def but_for_the_place(text: str) -> list[str]:
        words = shlex.split(re.sub(r"\$\([A-Z]+\)", "", text.partition("&& ")[2] or text))
        return [word for at, word in enumerate(words) if words[at - 1] != "-o"]

    assert but_for_the_place(line) == but_for_the_place(made)
    (base,) = [rest for rest in rest_of("FROM") if "golang" in rest]
    needed = re.search(r"^go (\d+)\.(\d+)", (ROOT / "tools" / "engine" / "go.mod").read_text("utf-8"), re.MULTILINE)
    found = re.search(r":(\d+)\.(\d+)", base)
    assert needed
    assert found
    assert tuple(map(int, found.groups())) >= tuple(map(int, needed.groups()))


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_that_the_image_runs_is_one_that_there_is(words: list[str]) -> None:
    program, *rest = words
    assert program == "salus"
    command = get_command(app)
    while rest and not rest[0].startswith("-"):
        command = command.commands[rest.pop(0)]  # type: ignore[attr-defined]
    known = {name for parameter in command.params for name in parameter.opts}
    assert set(rest) <= known


def test_nothing_runs_as_root_and_no_secret_is_in_the_image() -> None:
    words = [word for word, _ in LAST]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert rest_of("USER") == ["salus"]
    assert not [rest for word, rest in FILE if word in ("ARG", "ADD")]
    assert not re.search(r"(?i)key|secret|passphrase|token", " ".join(rest for word, rest in FILE if word == "ENV"))


def test_the_home_is_a_volume() -> None:
    (volume,), (environment,) = rest_of("VOLUME"), rest_of("ENV")
    home = dict(pair.split("=", 1) for pair in environment.split())["SALUS_HOME"]
    assert Path(volume) in Path(home).parents
