/** Entries (ENT-1 to ENT-12): the sealed blob, what lies inside, and the checks of whoever opens it. */

import { decompress } from "fzstd";
import { be8, bool, bytes, bytes32, choice, count, decode, encode, join, list, oneOf, orNil, record, refuse, same, text } from "./codec.js";
import type { Of } from "./codec.js";
import { derive, HybridKey, HybridPublic, HybridSignature, openAead, openHpke, personId, randomBytes, requireHybrid } from "./crypto.js";
import { sealAead, sealHpke, tagged } from "./crypto.js";
import { listRoot } from "./ledger.js";

const MAX_BLOB = 8_388_608;
const MAX_PLAIN = 67_108_864;
const MAX_LEAVES = 16_384;
const TAG = "salus/entry/1";

export const Blob = record("blob-1", { half: bytes(1168), released: bool, ciphertext: bytes(0, MAX_BLOB) });
export const Leaf = record("leaf", {
  salt: bytes32,
  identity: text(3, 160),
  full_url: text(0, 1024),
  data: bytes(0, MAX_PLAIN),
  faults: bytes(0, 1_048_576),
});
export const Erased = record("erased", { version: bytes32 });
export const EntryHeader = record("entry-header-1", {
  network: bytes32,
  section: bytes32,
  entry: bytes32,
  kind: oneOf("record", "note", "amendment", "entered-in-error", "withdrawal", "retained", "manifest"),
  source: text(0, 128),
  author: bytes32,
  on_behalf_of: bytes32,
  licence: bytes32,
  warrant: bytes32,
  authored: count,
  as_of: count,
  replaces: list(record("replaced", { leaf: count, version: bytes32 }), 0, MAX_LEAVES),
  batch: bytes32,
  batch_size: count,
  origin: orNil(record("origin", { section: bytes32, entry: bytes32, content: bytes32, retain_until: count })),
  retainer: bytes32,
  retain_until: count,
  content: bytes32,
});
export const Inside = record("inside-1", {
  header: EntryHeader,
  key: HybridPublic,
  signature: HybridSignature,
  salt: bytes32,
  leaves: list(choice<typeof Leaf | typeof Erased>(Leaf, Erased), 0, MAX_LEAVES),
});
type AnyLeaf = Of<typeof Leaf> | Of<typeof Erased>;

export const versionId = (leaf: AnyLeaf): Uint8Array =>
  leaf.tag === "erased" ? leaf.version : tagged("salus/leaf/1", encode(Leaf, leaf));

export const contentRoot = (leaves: AnyLeaf[]): Uint8Array => listRoot(leaves.map(versionId));

/** What binds a blob to its place. */
export function context(network: Uint8Array, section: Uint8Array, epoch: number): Uint8Array {
  return join("salus/entry-blob/1MLKEM768_X25519/HKDF_SHA256/AES_256_GCM/zstd", network, section, be8(epoch));
}

/** The patient's half, for who holds the epoch's seed. */
export const halfOf = (blob: Uint8Array, seed: Uint8Array, place: Uint8Array): Promise<Uint8Array> =>
  openHpke(seed, place, decode(blob, Blob, MAX_BLOB).half);

const dataKey = (half: Uint8Array): Uint8Array => derive(half, ["entry-data-key", new Uint8Array()]);

/** The entry behind the patient's half, verified in the order of ENT-12. */
export function openEntry(
  blob: Uint8Array,
  half: Uint8Array,
  network: Uint8Array,
  section: Uint8Array,
  epoch: number,
): Of<typeof Inside> {
  const box = decode(blob, Blob, MAX_BLOB);
  if (box.released) refuse("charts/not-released");
  const plain = openAead(dataKey(half), context(network, section, epoch), box.ciphertext);
  const inside = decode(expand(unpad(plain)), Inside, MAX_PLAIN);
  const { header } = inside;
  if (!same(header.network, network) || !same(header.section, section)) refuse("charts/wrong-section");
  if (!same(header.author, personId(inside.key))) refuse("charts/wrong-author");
  requireHybrid(inside.key, TAG, encode(EntryHeader, header), inside.signature);
  if (!same(header.content, contentRoot(inside.leaves))) refuse("charts/wrong-content");
  return inside;
}

/** ENT-27: the ledger was told of just this header when the entry was sealed first. */
export function requireCommitted(inside: Of<typeof Inside>, committed: Uint8Array): void {
  const own = tagged("salus/entry-commitment/1", inside.salt, encode(EntryHeader, inside.header));
  if (!same(own, committed)) refuse("charts/wrong-commitment");
}

/** Padmé, at least 1,024. */
export function paddedLength(length: number): number {
  const size = Math.max(length, 1024);
  const exponent = Math.floor(Math.log2(size));
  const step = 2 ** (exponent - (Math.floor(Math.log2(exponent)) + 1));
  return Math.ceil(size / step) * step;
}

function unpad(plain: Uint8Array): Uint8Array {
  const length = plain.length < 8 ? -1n : new DataView(plain.buffer, plain.byteOffset).getBigUint64(0);
  const end = 8 + Number(length);
  const sound = length >= 0n && length <= BigInt(MAX_BLOB) && paddedLength(end) === plain.length;
  if (!sound || plain.subarray(end).some((byte) => byte !== 0)) refuse("charts/bad-padding");
  return plain.subarray(8, end);
}

function pad(data: Uint8Array): Uint8Array {
  const framed = new Uint8Array(paddedLength(8 + data.length));
  framed.set(be8(data.length));
  framed.set(data, 8);
  return framed;
}

/** What one zstd frame holds. The library reads on after a frame, so where the frame ends is found first. */
export function expand(data: Uint8Array): Uint8Array {
  try {
    if (frameEnd(data) !== data.length) refuse("charts/bad-compression");
    const plain = decompress(data);
    return plain.length <= MAX_PLAIN ? plain : refuse("charts/bad-compression");
  } catch {
    return refuse("charts/bad-compression");
  }
}

/** RFC 8878, section 3.1.1: header, blocks up to the last one, and four bytes more where there is a checksum. */
function frameEnd(data: Uint8Array): number {
  const byte = (at: number): number => data[at] ?? refuse("charts/bad-compression");
  const descriptor = byte(4);
  const single = (descriptor >> 5) & 1;
  const dictionary = [0, 1, 2, 4][descriptor & 3]!;
  const size = [single, 2, 4, 8][descriptor >> 6]!;
  let [at, block] = [5 + (1 - single) + dictionary + size, 0];
  do {
    block = byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16);
    at += 3 + (((block >> 1) & 3) === 1 ? 1 : block >> 3);
  } while (!(block & 1));
  return at + (descriptor & 4 ? 4 : 0);
}

/** One zstd frame of raw blocks: this reader has no compressor, and a frame need not be smaller than what it holds. */
function frame(data: Uint8Array): Uint8Array {
  const most = 131_072;
  const head = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0]);
  new DataView(head.buffer).setUint32(5, data.length, true);
  const blocks: Uint8Array[] = [head];
  for (let at = 0; at < data.length; at += most) {
    const part = data.subarray(at, at + most);
    const header = (part.length << 3) | (at + most >= data.length ? 1 : 0);
    blocks.push(new Uint8Array([header, header >> 8, header >> 16]), part);
  }
  return join(...blocks);
}

/** Signs one resource as the author's own record, and seals it to an epoch. */
export async function sealEntry(
  author: HybridKey,
  sealKey: Uint8Array,
  network: Uint8Array,
  section: Uint8Array,
  epoch: number,
  identity: string,
  data: Uint8Array,
): Promise<Uint8Array> {
  const nobody = new Uint8Array(32);
  const leaves = [{ tag: "leaf" as const, salt: randomBytes32(), identity, full_url: "", data, faults: new Uint8Array() }];
  const header: Of<typeof EntryHeader> = {
    tag: "entry-header-1",
    network,
    section,
    entry: randomBytes32(),
    kind: "record",
    source: "second reader",
    author: personId(author.public),
    on_behalf_of: nobody,
    licence: nobody,
    warrant: nobody,
    authored: Date.now(),
    as_of: 0,
    replaces: [],
    batch: randomBytes32(),
    batch_size: 1,
    origin: null,
    retainer: nobody,
    retain_until: 0,
    content: contentRoot(leaves),
  };
  const signature = author.sign(TAG, encode(EntryHeader, header));
  const inside = { tag: "inside-1" as const, header, key: author.public, signature, salt: randomBytes32(), leaves };
  const half = randomBytes32();
  const place = context(network, section, epoch);
  const ciphertext = sealAead(dataKey(half), place, pad(frame(encode(Inside, inside))));
  return encode(Blob, { tag: "blob-1", half: await sealHpke(sealKey, place, half), released: false, ciphertext });
}

const randomBytes32 = (): Uint8Array => new Uint8Array(randomBytes(32));
