/** Hashes, keys, signatures and sealing (ENC-9 to ENC-20), on libraries that share no code with the first implementation. */

import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { gcm } from "@noble/ciphers/aes.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";
import { randomBytes } from "node:crypto";
import { be4, be8, bytes, bytes32, bytes64, encode, join, record, refuse, same, type Of } from "./codec.js";

export { randomBytes, sha256 };

const ascii = (text: string): Uint8Array => Buffer.from(text, "ascii");

/** `H(tag; parts)`. */
export function tagged(tag: string, ...parts: Uint8Array[]): Uint8Array {
  return sha256(join(...[ascii(tag), ...parts].flatMap((part) => [be8(part.length), part])));
}

/** 32 bytes, or `length`, for the labelled path under a secret. */
export function derive(secret: Uint8Array, path: (string | Uint8Array)[], length = 32): Uint8Array {
  const labels = path.map((label) => {
    const raw = typeof label === "string" ? Buffer.from(label, "utf8") : label;
    return join(typeof label === "string" ? "t" : "b", be4(raw.length), raw);
  });
  return hkdf(sha256, secret, undefined, join("salus/derive/1", ...labels), length);
}

/** AES-256-GCM with the nonce in front. */
export function sealAead(key: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array {
  const nonce = randomBytes(12);
  return join(nonce, gcm(key, nonce, aad).encrypt(plain));
}

export function openAead(key: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array {
  try {
    return gcm(key, sealed.subarray(0, 12), aad).decrypt(sealed.subarray(12));
  } catch {
    refuse("crypto/cannot-open");
  }
}

const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const encLength = 1120;
const exact = (data: Uint8Array): ArrayBuffer => new Uint8Array(data).buffer;

/** The public key of a 32-byte seed. */
export async function publicKey(seed: Uint8Array): Promise<Uint8Array> {
  const pair = await (suite.kem as XWing).generateKeyPairDerand(new Uint8Array(seed));
  return new Uint8Array(await suite.kem.serializePublicKey(pair.publicKey));
}

export async function sealHpke(key: Uint8Array, info: Uint8Array, plain: Uint8Array): Promise<Uint8Array> {
  const recipientPublicKey = await suite.kem.deserializePublicKey(exact(key));
  const { enc, ct } = await suite.seal({ recipientPublicKey, info: exact(info) }, exact(plain));
  return join(new Uint8Array(enc), new Uint8Array(ct));
}

export async function openHpke(seed: Uint8Array, info: Uint8Array, sealed: Uint8Array): Promise<Uint8Array> {
  try {
    const recipientKey = await suite.kem.deserializePrivateKey(exact(seed));
    const enc = exact(sealed.subarray(0, encLength));
    return new Uint8Array(await suite.open({ recipientKey, enc, info: exact(info) }, exact(sealed.subarray(encLength))));
  } catch {
    return refuse("crypto/cannot-open");
  }
}

const { Point } = ed25519;
type Curve = InstanceType<typeof Point>;

function point(encoded: Uint8Array): Curve | null {
  try {
    return Point.fromBytes(encoded, false); // canonical encodings only
  } catch {
    return null;
  }
}

/** Ed25519 by libsodium's rules: canonical encodings, no point of small order, and the equation without the cofactor. */
export function verifies(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.length !== 32 || signature.length !== 64) return false;
  const [a, r, s] = [point(key), point(signature.subarray(0, 32)), Point.Fn.fromBytes(signature.subarray(32), true)];
  if (!a || !r || a.isSmallOrder() || r.isSmallOrder() || !Point.Fn.isValid(s)) return false;
  const digest = sha512(join(signature.subarray(0, 32), key, message));
  const k = Point.Fn.create(BigInt("0x" + Buffer.from(digest).reverse().toString("hex")));
  return Point.BASE.multiplyUnsafe(s).equals(r.add(a.multiplyUnsafe(k)));
}

/** ML-DSA-65 (FIPS 204). */
export function verifiesLattice(key: Uint8Array, message: Uint8Array, context: Uint8Array, signature: Uint8Array): boolean {
  try {
    return ml_dsa65.verify(signature, message, key, { context });
  } catch {
    return false; // of another length
  }
}

/** A key that may enter the state: canonical, and of the main subgroup. */
export function isSound(key: Uint8Array): boolean {
  const found = point(key);
  return key.length === 32 && found !== null && !found.isSmallOrder() && found.isTorsionFree();
}

export function requireSignature(key: Uint8Array, tag: string, message: Uint8Array, signature: Uint8Array): void {
  if (!verifies(key, tagged(tag, message), signature)) refuse("crypto/bad-signature");
}

export const HybridPublic = record("hybrid-key", { ed25519: bytes32, mldsa65: bytes(1952) });
export const HybridSignature = record("hybrid-signature", { ed25519: bytes64, mldsa65: bytes(3309) });
const HYBRID = "salus/hybrid/ed25519+mldsa65/1";

const digestOf = (key: Of<typeof HybridPublic>, tag: string, message: Uint8Array): Uint8Array =>
  tagged(HYBRID, ascii(tag), encode(HybridPublic, key), message);

/** Both halves, or none. */
export function requireHybrid(
  key: Of<typeof HybridPublic>,
  tag: string,
  message: Uint8Array,
  signature: Of<typeof HybridSignature>,
): void {
  const digest = digestOf(key, tag, message);
  requireSignature(key.ed25519, HYBRID, digest, signature.ed25519);
  if (!verifiesLattice(key.mldsa65, digest, ascii(HYBRID), signature.mldsa65)) refuse("crypto/bad-signature");
}

/** A hybrid key pair from one seed (ENC-20). */
export class HybridKey {
  readonly #classic: Uint8Array;
  readonly #lattice: ReturnType<typeof ml_dsa65.keygen>;
  readonly public: Of<typeof HybridPublic>;

  constructor(seed: Uint8Array) {
    this.#classic = derive(seed, ["hybrid", "ed25519"]);
    this.#lattice = ml_dsa65.keygen(derive(seed, ["hybrid", "mldsa65"]));
    this.public = { tag: "hybrid-key", ed25519: ed25519.getPublicKey(this.#classic), mldsa65: this.#lattice.publicKey };
  }

  sign(tag: string, message: Uint8Array): Of<typeof HybridSignature> {
    const digest = digestOf(this.public, tag, message);
    const lattice = ml_dsa65.sign(digest, this.#lattice.secretKey, { context: ascii(HYBRID) });
    return { tag: "hybrid-signature", ed25519: ed25519.sign(tagged(HYBRID, digest), this.#classic), mldsa65: lattice };
  }
}

/** The id of whoever's first verification key this is. */
export const personId = (key: Of<typeof HybridPublic>): Uint8Array => tagged("salus/person/1", encode(HybridPublic, key));

export { same };
