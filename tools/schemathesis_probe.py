"""A real node, asked by Schemathesis whatever its OpenAPI allows and what it does not: every answer must be as described.

``python tools/schemathesis_probe.py EXAMPLES SEED`` gives every operation up to EXAMPLES requests by chance, besides those that
cover its parameters. It ends by itself with a report in ``docs/reports/``. Exit 1 when an answer is a server error that the
specification does not name, is not as OpenAPI describes it, has a code that is not registered, or tells of the inside; and when
the node dies, logs what nobody foresaw, or takes more memory than it may.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from report import ROOT, commit, write

BIN = Path(sys.executable).parent
NO_HTTP = "Invalid HTTP request received."  # which uvicorn refuses, and says nothing else of
MOST_MEMORY = 512  # MiB that the node may take at most
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "the_answer_is_one_of_the_specification",
)
#: 502: the member that is addressed has no node; every other status above 499 is a finding.
CONFIG = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "4xx", "502"]
"""


#: Faults that Schemathesis must find before its silence counts: each takes the place of what finds listings.
PLANTED = {
    "an error that nobody foresaw": "raise KeyError(search.words)",
    "a way around the problems": "raise __import__('starlette.exceptions').exceptions.HTTPException(418)",
    "a code that is not registered": "raise NodeRefused('no-such-code', 'no')",
    "a status that is not described": "raise NodeRefused('mailbox-full', 'no')",
    "a word of the inside": "raise NodeRefused('bad-id', 'Traceback (most recent call last)')",
    "memory that grows": "kept.append(bytearray(1 << 25)); kept[-1][::4096] = b'x' * (1 << 13); return found(node, search)",
}
SERVE = """
import sys
from salus.cli.app import main
from salus.errors import NodeRefused
from salus.node.service import NodeService

kept, found = [], NodeService.find_listings

def find(node, search):
    {fall}

NodeService.find_listings = find
sys.argv = ["salus", "serve", "--node-only", "--port", "0", "--json"]
main()
"""


def serve(home: Path, log: Path, fall: str) -> tuple[subprocess.Popen[bytes], str]:
    """A node that whoever comes may use, and its address; with what is planted in it."""
    environment = {**os.environ, "SALUS_HOME": str(home)}
    subprocess.run([BIN / "salus", "init"], env=environment, check=True, capture_output=True)
    (home / "node" / "config.toml").write_text('guests = "open"\nlog = "json"\naccess_log = true\n')
    with log.open("wb") as err:
        command = [sys.executable, "-c", SERVE.format(fall=fall or "return found(node, search)")]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=err)
    assert process.stdout is not None
    said = b""
    while not said.rstrip().endswith(b"}"):
        said += process.stdout.readline()
    return process, json.loads(said)["address"]


def memory(process: subprocess.Popen[bytes]) -> int:
    """MiB that the process has had at most."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) // 1024


def ask(address: str, folder: Path, examples: int, seed: int, only: tuple[str, ...]) -> tuple[int, str]:
    """Schemathesis's exit code and what it says; ``only`` narrows the operations."""
    told = subprocess.run([BIN / "salus", "node", "status", "--home", folder / "home", "--json"], check=True, capture_output=True)
    probed = ",".join(json.loads(told.stdout)[name] for name in ("network", "member"))
    (folder / "schemathesis.toml").write_text(CONFIG)
    command = [
        *(BIN / "schemathesis", "--config-file", folder / "schemathesis.toml", "run", f"{address}/v1/openapi.json"),
        *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--max-examples", str(examples)),
        *("--seed", str(seed), "--continue-on-failure", "--suppress-health-check", "all", "--no-color", "--warnings", "off"),
        *only,
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(ROOT / "tests"), "SALUS_PROBED": probed}
    environment = {**os.environ, **hooks}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def troubles(process: subprocess.Popen[bytes], lines: list[dict[str, object]], megabytes: int) -> list[str]:
    """What is wrong with the node itself."""
    found = [f"the log says: {line}" for line in lines if line["event"] != "request" and line.get("text") != NO_HTTP]
    found += [f"the node ended with {process.returncode}"] if process.poll() is not None else []
    found += [f"the node took {megabytes} MiB where at most {MOST_MEMORY} are allowed"] if megabytes > MOST_MEMORY else []
    return found


@dataclass(frozen=True)
class Outcome:
    """What came of one probe: what Schemathesis said, what is wrong, the lines of the node's log, and how much memory it took."""

    said: str
    wrong: list[str]
    lines: list[dict[str, object]]
    megabytes: int


def probe(examples: int, seed: int, fall: str = "") -> Outcome:
    """Ask one node; with a planted fault, the one route that has it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process, address = serve(folder / "home", folder / "log", fall)
        try:
            only = ("--include-path", "/v1/listings/search") if fall else ()
            code, said = ask(address, folder, examples, seed, only)
            megabytes = memory(process) if process.poll() is None else 0
            lines = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
            wrong = [f"Schemathesis ended with {code}"] if code else []
            return Outcome(said, wrong + troubles(process, lines, megabytes), lines, megabytes)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
            assert process.stdout is not None
            process.stdout.close()


def figures(found: Outcome, asked: argparse.Namespace, seconds: float) -> list[str]:
    """The report's lines."""
    statuses = Counter(str(line["status"]) for line in found.lines if "status" in line)
    codes = sorted({str(line["code"]) for line in found.lines if line.get("code")})
    operations = re.findall(r"Tested: (\d+)", found.said)
    cases = re.findall(r"(\d+) generated", found.said)
    return [
        f"Seed {asked.seed}, up to {asked.examples} examples an operation; {', '.join(operations)} operations,",
        f"{', '.join(cases)} cases, {len(found.lines)} requests in {seconds:.0f} s; the node took at most {found.megabytes} MiB.",
        f"Answers by status: {', '.join(f'{status} {number}' for status, number in sorted(statuses.items()))}.",
        f"{len(codes)} codes of refusals: {', '.join(codes)}.",
        f"Planted before, and found: {', '.join(PLANTED)}.",
        "",
        f"Findings: {'; '.join(found.wrong) or 'none'}.",
    ]


def main() -> int:
    """Find what is planted; then probe."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("examples", type=int, nargs="?", default=300)
    arguments.add_argument("seed", type=int, nargs="?", default=1)
    arguments.add_argument("--no-report", action="store_true")
    asked = arguments.parse_args()
    made_of = commit()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, fall in PLANTED.items():
        if not probe(30, asked.seed, fall).wrong:
            print(f"NOT FOUND: {name}")
            return 1
        print(f"  found    {name}", flush=True)
    begun = time.monotonic()
    found = probe(asked.examples, asked.seed)
    lines = figures(found, asked, time.monotonic() - begun)
    print("\n".join([found.said, *lines]))
    if not asked.no_report:
        print(write("schemathesis", "Schemathesis on the node's OpenAPI", made_of, lines))
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
