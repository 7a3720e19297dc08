"""What others publish of awkward inputs, against what Salus stands on: where libraries disagree, the choice is pinned here."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives import hpke as library
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from salus.crypto import aead, hpke
from salus.crypto.signing import require_ed25519, require_mldsa, require_sound_key
from salus.errors import CryptoRefused

THIRD_PARTY = Path(__file__).parents[1] / "vectors" / "third-party"
#: The only awkwardness that is accepted: a component of low order, which no encoding shows. No such key enters the state.
ACCEPTED_FLAGS = {"low_order_component_A", "low_order_component_R"}
Json = dict[str, Any]


def load(name: str) -> Any:
    return json.loads(gzip.decompress((THIRD_PARTY / f"{name}.json.gz").read_bytes()))


def trials(name: str) -> list[tuple[Json, Json]]:
    return [(group, test) for group in load(f"wycheproof/{name}") for test in group["tests"]]


def refused(code: str, check: Any, *arguments: bytes) -> bool:
    """Whether the check refuses; with another code it raises."""
    try:
        check(*arguments)
    except CryptoRefused as error:
        if error.code != code:
            raise
        return True
    return False


def edge_cases() -> list[tuple[bytes, bytes, bytes, set[str]]]:
    """(key, message, signature, what is awkward about it)."""
    cases = load("ed25519-edge-cases")
    return [(bytes.fromhex(c["key"]), c["msg"].encode(), bytes.fromhex(c["sig"]), set(c["flags"] or ())) for c in cases]


def test_of_ed25519s_edge_cases_only_components_of_low_order_are_accepted_and_no_such_key_is_sound() -> None:
    cases = edge_cases()
    for key, message, signature, flags in cases:
        assert refused("bad-signature", require_ed25519, key, message, signature) == bool(flags - ACCEPTED_FLAGS)
        unsound = bool(flags & {"low_order_A", "non_canonical_A", "low_order_component_A"})
        assert refused("unsound-key", require_sound_key, key) == unsound
    assert (len(cases), sum(not flags - ACCEPTED_FLAGS for *_, flags in cases)) == (914, 43)


def test_wycheproofs_signatures_of_ed25519_come_out_as_it_says() -> None:
    for group, test in trials("ed25519_test"):
        arguments = (bytes.fromhex(value) for value in (group["publicKey"]["pk"], test["msg"], test["sig"]))
        assert refused("bad-signature", require_ed25519, *arguments) == (test["result"] == "invalid"), test["tcId"]


def test_wycheproofs_signatures_of_ml_dsa_65_come_out_as_it_says() -> None:
    for group, test in trials("mldsa_65_verify_test"):
        values = (group["publicKey"], test["msg"], test.get("ctx", ""), test["sig"])
        arguments = (bytes.fromhex(value) for value in values)
        assert refused("bad-signature", require_mldsa, *arguments) == (test["result"] == "invalid"), test["tcId"]


def test_a_seed_of_ml_dsa_65_gives_wycheproofs_key_and_signs_under_it() -> None:
    seen = Counter[str]()
    for group, test in trials("mldsa_65_sign_seed_test"):
        if "msg" not in test:  # signs a prepared digest, which Salus never does
            continue
        seen[test["result"]] += 1
        try:
            key = MLDSA65PrivateKey.from_seed_bytes(bytes.fromhex(group["privateSeed"]))
            context, message = bytes.fromhex(test.get("ctx", "")), bytes.fromhex(test["msg"])
            own = key.sign(message, context)
        except ValueError:
            assert test["result"] == "invalid"
            continue
        assert test["result"] == "valid"
        public = key.public_key().public_bytes_raw()
        assert public.hex() == group["publicKey"]
        require_mldsa(public, message, context, own)
        require_mldsa(public, message, context, bytes.fromhex(test["sig"]))
    assert min(seen["valid"], seen["invalid"]) > 0


def test_wycheproofs_ciphertexts_of_aes_256_gcm_come_out_as_it_says() -> None:
    for _, test in trials("aes_gcm_test"):
        key, aad, iv, ct, tag = (bytes.fromhex(test[name]) for name in ("key", "aad", "iv", "ct", "tag"))
        assert refused("cannot-open", aead.open, key, aad, iv + ct + tag) == (test["result"] == "invalid"), test["tcId"]
        if test["result"] == "valid":
            assert aead.open(key, aad, iv + ct + tag).hex() == test["msg"]


def test_wycheproofs_keys_of_hkdf_sha256_come_out_as_it_says() -> None:
    for _, test in trials("hkdf_sha256_test"):
        ikm, salt, info = (bytes.fromhex(test[name]) for name in ("ikm", "salt", "info"))
        if test["result"] == "invalid":
            with pytest.raises(ValueError, match="larger than"):
                HKDF(algorithm=SHA256(), length=test["size"], salt=salt, info=info)
        else:
            assert HKDF(algorithm=SHA256(), length=test["size"], salt=salt or None, info=info).derive(ikm).hex() == test["okm"]


def test_wycheproofs_secrets_of_x25519_are_agreed_on_but_for_those_that_are_zero() -> None:
    for _, test in trials("x25519_test"):
        private = X25519PrivateKey.from_private_bytes(bytes.fromhex(test["private"]))
        public = X25519PublicKey.from_public_bytes(bytes.fromhex(test["public"]))
        if int(test["shared"], 16):
            assert private.exchange(public).hex() == test["shared"]
        else:
            with pytest.raises(ValueError, match=r"^"):
                private.exchange(public)


def test_nothing_is_sealed_to_a_key_whose_x25519_half_is_of_low_order() -> None:
    lattice = hpke.public_key(bytes(32))[:1184]
    low = {test["public"] for _, test in trials("x25519_test") if "ZeroSharedSecret" in test["flags"]}
    assert len(low) > 10
    assert all(refused("bad-sealing-key", hpke.seal, lattice + bytes.fromhex(public), b"", b"") for public in low)


def test_wycheproofs_secrets_of_ml_kem_768_are_agreed_on() -> None:
    for _, test in trials("mlkem_768_test"):
        try:
            private = MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(test["seed"]))
            shared = private.decapsulate(bytes.fromhex(test["c"]))
        except ValueError:
            assert test["result"] == "invalid", test["tcId"]
        else:
            assert (test["result"], shared.hex()) == ("valid", test["K"]), test["tcId"]


#: {(KEM, KDF, AEAD): the library's suite}: the published cases have X-Wing with ChaCha20, and AES-256-GCM with X25519 alone.
SUITES = {
    (0x647A, 1, 3): library.Suite(library.KEM.MLKEM768_X25519, library.KDF.HKDF_SHA256, library.AEAD.CHACHA20_POLY1305),
    (0x647A, 17, 3): library.Suite(library.KEM.MLKEM768_X25519, library.KDF.SHAKE256, library.AEAD.CHACHA20_POLY1305),
    (0x0020, 1, 2): library.Suite(library.KEM.X25519, library.KDF.HKDF_SHA256, library.AEAD.AES_256_GCM),
}


def private_key(kem: int, seed: bytes) -> Any:
    if kem != 0x647A:
        return X25519PrivateKey.from_private_bytes(seed)
    wide = hashlib.shake_256(seed).digest(96)
    classic = X25519PrivateKey.from_private_bytes(wide[64:])
    return library.MLKEM768X25519PrivateKey(MLKEM768PrivateKey.from_seed_bytes(wide[:64]), classic)


def test_published_messages_of_hpke_open_and_a_seed_gives_the_published_key_of_x_wing() -> None:
    cases = load("hpke")
    assert {(c["kem_id"], c["kdf_id"], c["aead_id"]) for c in cases} == set(SUITES)
    for case in cases:
        suite, seed = SUITES[case["kem_id"], case["kdf_id"], case["aead_id"]], bytes.fromhex(case["skRm"])
        private, info, first = private_key(case["kem_id"], seed), bytes.fromhex(case["info"]), case["encryptions"][0]
        sealed, aad = bytes.fromhex(case["enc"] + first["ct"]), bytes.fromhex(first["aad"])
        assert openssl.hpke._decrypt_with_aad(suite, sealed, private, info, aad).hex() == first["pt"]
        with pytest.raises(InvalidTag):
            openssl.hpke._decrypt_with_aad(suite, sealed, private, info, aad + b"x")
        if case["kem_id"] == 0x647A:
            assert hpke.public_key(seed).hex() == case["pkRm"]
