/** What lies under a passphrase or in a drawer: locked secrets (ENC-22), export files (EXP), the cold file (WAL-7). */

import { argon2id } from "@noble/hashes/argon2.js";
import { be4, be8, bytes, bytes16, bytes32, choice, count, decode, encode, integer, join, list, oneOf, record, refuse } from "./codec.js";
import { Refused, text } from "./codec.js";
import { openAead, tagged } from "./crypto.js";
import { Role } from "./exchange.js";

const Cost = record("argon2id", { iterations: integer(1, 16), lanes: integer(1, 8), memory: integer(8192, 1_048_576) });
const Locked = record("locked-1", { cost: Cost, salt: bytes16, sealed: bytes(0, 65_536) });

/** The secret under a passphrase; the bounds of the cost are checked before anything is derived. */
export function unlock(passphrase: string, data: Uint8Array): Uint8Array {
  const { cost, salt, sealed } = decode(data, Locked, 70_000);
  const key = argon2id(passphrase, salt, { t: cost.iterations, p: cost.lanes, m: cost.memory, dkLen: 32 });
  return openAead(key, join(encode(Cost, cost), salt), sealed);
}

const MAGIC = "salus-export-1\n";
const MAX_CHUNK = 1_048_576;

/** The plaintext of an export file: every chunk at its place, and the last one marked. */
export function readChunks(file: Uint8Array, passphrase: string): Uint8Array {
  if (Buffer.from(file.subarray(0, MAGIC.length)).toString("latin1") !== MAGIC) refuse("crypto/not-this-file");
  let at = MAGIC.length;
  const next = (limit: number): Uint8Array | null => {
    if (at === file.length) return null;
    if (at + 4 > file.length) return refuse("crypto/cut-off");
    const length = new DataView(file.buffer, file.byteOffset + at).getUint32(0);
    if (length > limit) refuse("crypto/wrong-chunk");
    if (at + 4 + length > file.length) refuse("crypto/cut-off");
    at += 4 + length;
    return file.subarray(at - length, at);
  };
  const locked = next(1024) ?? refuse("crypto/cut-off");
  const head = tagged("salus/chunks-head/1", join(MAGIC, be4(locked.length), locked));
  const key = unlock(passphrase, locked);
  const open = (sealed: Uint8Array, index: number, last: boolean): Uint8Array =>
    openAead(key, join("salus/chunk/1", head, be8(index), new Uint8Array([Number(last)])), sealed);
  const found: Uint8Array[] = [];
  let sealed: Uint8Array | null = next(MAX_CHUNK + 28) ?? refuse("crypto/cut-off");
  for (let index = 0; sealed; index++) {
    const following = next(MAX_CHUNK + 28);
    const [chunk, place] = [sealed, index];
    found.push(opened(() => open(chunk, place, !following), () => following || !opens(() => open(chunk, place, false))));
    sealed = following;
  }
  return join(...found);
}

function opened(open: () => Uint8Array, wrong: () => unknown): Uint8Array {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return refuse(wrong() ? "crypto/wrong-chunk" : "crypto/cut-off");
  }
}

function opens(open: () => unknown): boolean {
  try {
    open();
    return true;
  } catch {
    return false;
  }
}

const SectionKind = oneOf(
  ...(["demographics", "coverage", "summary", "medications", "problems", "results", "care", "vitals"] as const),
  ...(["documents", "sensitive", "manifest", "records"] as const),
);
const Head = record("export-head-1", {
  network: bytes32,
  genesis: bytes(0, 1_048_576),
  person: bytes32,
  name: text(1, 128),
  member: bytes32,
  made: count,
  height: count,
  time: count,
  version: text(0, 64),
});
const Row = record("export-row", { record: text(1, 64), owner: bytes(0, 256), key: bytes(0, 1024), body: bytes(0, 67_108_864) });
const Entry = record("export-entry", { kind: SectionKind, section: bytes32, number: count, epoch: count, blob: bytes(1, 8_392_704) });
const Part = record("export-part", { data: bytes(1, MAX_CHUNK) });
const End = record("export-end", { rows: count, entries: count, bundle: count });
const Content = choice<typeof Head | typeof Row | typeof Entry | typeof Part | typeof End>(Head, Row, Entry, Part, End);
const ExportItem = record("export-item", { content: Content });
const ORDER = [Head.tag, Row.tag, Entry.tag, Part.tag, End.tag];
const MAX_ITEM = 67_112_960;

/** EXP-9: one head, rows, entries, parts, one end that counts them; nothing behind it. */
export function readItems(plain: Uint8Array): void {
  const bad = (): never => refuse("agent/bad-export");
  let [at, stage, rows, entries, bundle] = [0, -1, 0, 0, 0];
  while (at < plain.length) {
    if (at + 4 > plain.length) bad();
    const end = at + 4 + new DataView(plain.buffer, plain.byteOffset + at).getUint32(0);
    if (end > plain.length) bad();
    const { content } = decode(plain.subarray(at + 4, end), ExportItem, MAX_ITEM);
    const following = ORDER.indexOf(content.tag);
    const repeats = following === stage && content.tag !== Head.tag && content.tag !== End.tag;
    if (!repeats && (following <= stage || (stage < 0 && content.tag !== Head.tag))) bad();
    if (content.tag === "export-row") rows += 1;
    if (content.tag === "export-entry") entries += 1;
    if (content.tag === "export-part") bundle += content.data.length;
    const wrong = content.tag === "export-end" && (content.rows !== rows || content.entries !== entries || content.bundle !== bundle);
    if (wrong) bad();
    [at, stage] = [end, following];
  }
  if (stage !== ORDER.length - 1) bad();
}

const ColdSeed = record("cold-seed-1", {
  network: bytes32,
  name: text(1, 128),
  role: Role,
  person: bytes32,
  seed: bytes32,
  sections: list(record("cold-section", { kind: SectionKind, section: bytes32 }), 0, 64),
});

/** WAL-7. */
export function readCold(file: string): void {
  const line = "salus-cold-seed-1\n";
  const body = file.slice(line.length).trim();
  if (!file.startsWith(line) || !/^[A-Za-z0-9+/]*={0,2}$/.test(body) || body.length % 4) refuse("agent/bad-cold-file");
  if (!opens(() => decode(new Uint8Array(Buffer.from(body, "base64")), ColdSeed, 8192))) refuse("agent/bad-cold-file");
}
