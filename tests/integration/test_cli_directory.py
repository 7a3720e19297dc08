"""``salus directory``, as people use it."""

from __future__ import annotations

import json
from pathlib import Path

from test_command_line import code, salus


def test_a_physician_is_published_found_added_and_withdrawn(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for words in (["init"], ["person", "add", "Ada", "--role", "physician"], ["person", "add", "Pat"]):
        assert salus(*words, home=home).returncode == 0
    about = ("--specialty", "Cardiology", "--language", "de", "--place", "Zürich", "--accepting")
    done = salus("directory", "publish", "--as", "Ada", *about, "--json", home=home)
    listed = json.loads(done.stdout)["listing"]
    assert (listed["name"], listed["place"], listed["accepting"]) == ("Ada", "Zürich", True)
    found = json.loads(salus("directory", "find", "zurich", "card", "--add", "--json", home=home).stdout)
    assert (found["listings"], found["dropped"], found["added"]["name"]) == ([listed], 0, "Ada")
    assert "Cardiology" in salus("directory", "find", "ADA", home=home).stdout
    assert code(salus("directory", "publish", "--as", "Pat", home=home)) == "agent/not-to-be-found"
    assert json.loads(salus("directory", "publish", "--as", "Ada", "--withdraw", "--json", home=home).stdout)["withdrawn"]
    assert json.loads(salus("directory", "find", "ada", "--json", home=home).stdout)["listings"] == []
