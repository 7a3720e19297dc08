/** Warrants, holders' and owners' requests, receipts and anchors (WAR-1 to WAR-24). */

import { bool, bytes, bytes16, bytes32, bytes64, count, decode, encode, join, list, oneOf, orNil, record, refuse, same } from "./codec.js";
import { Refused, type Of } from "./codec.js";
import { openHpke, requireSignature, tagged } from "./crypto.js";
import { Licence, LicenceRight, requireInList, statusAt } from "./ledger.js";

const Right = oneOf("read", "append");
const Purpose = oneOf("TREAT", "ETREAT", "HPAYMT", "HOPERAT", "HRESCH", "PATRQT", "FAMRQT");
const Span = record("span", { first: count, last: count });
const Link = record("link-1", {
  network: bytes32,
  section: bytes32,
  previous: bytes32,
  holder: bytes32,
  rights: list(Right, 1, 2),
  purposes: list(Purpose, 1, 7),
  not_before: count,
  not_after: count,
  licence: orNil(LicenceRight),
  entries: list(Span, 0, 256),
  writer: bytes32,
  receipt_key: bytes(0, 1216),
  revocation: bytes32,
  delegate: bytes(0, 2048),
});
const SignedLink = record("signed-link", { link: Link, signature: bytes64 });
export const Warrant = record("warrant-1", { links: list(SignedLink, 1, 3) });
const ReadRequest = record("read-1", {
  network: bytes32,
  vault: bytes32,
  warrant: bytes32,
  section: bytes32,
  entries: list(count, 0, 1024),
  packages: list(count, 0, 64),
  purpose: Purpose,
  licence: bytes32,
  on_behalf_of: bytes32,
  nonce: bytes16,
  height: count,
  block: bytes32,
});
export const SignedRead = record("signed-read", { request: ReadRequest, signature: bytes64, warrant: Warrant });
const OwnerRequest = record("owner-request", {
  network: bytes32,
  vault: bytes32,
  section: bytes32,
  first: count,
  nonce: bytes16,
  height: count,
  block: bytes32,
});
export const SignedOwner = record("signed-owner", { request: OwnerRequest, signature: bytes64 });

type AnyLink = Of<typeof Link>;
const NOBODY = new Uint8Array(32);
const linkHash = (link: AnyLink): Uint8Array => tagged("salus/link/1", encode(Link, link));
const sorted = (codes: string[]): boolean => codes.every((code, at) => at === 0 || codes[at - 1]! < code);
const covers = (outer: Of<typeof Span>[], first: number, last: number): boolean =>
  outer.some((span) => span.first <= first && last <= span.last);

/** Where a warrant is checked: for which section, whose it is now, and how long a link may hold. */
export interface Place {
  network: Uint8Array;
  section: Uint8Array;
  owner: Uint8Array;
  maxWindow: number;
}

/** Runs a check of a signature, whose refusal has a code of its own here. */
function signedOr(code: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof Refused) refuse(code);
    throw error;
  }
}

/** WAR-1 to WAR-8: the last link, which says what is allowed. */
export function requireWarrant(warrant: Of<typeof Warrant>, place: Place): AnyLink {
  let issuer = place.owner;
  let before: AnyLink | null = null;
  for (const { link, signature } of warrant.links) {
    if (!same(link.network, place.network) || !same(link.section, place.section)) refuse("warrants/wrong-section");
    if (!same(link.previous, before ? linkHash(before) : place.section)) refuse("warrants/bad-chain");
    signedOr("warrants/bad-link-signature", () => requireSignature(issuer, "salus/warrant-link/1", encode(Link, link), signature));
    requireSound(link, place.maxWindow);
    if (!before && (link.receipt_key.length !== 1216 || link.delegate.length)) refuse("warrants/bad-link");
    if (before && !narrower(link, before, place.owner)) refuse("warrants/widened");
    [issuer, before] = [link.holder, link];
  }
  return before!;
}

function requireSound(link: AnyLink, maxWindow: number): void {
  const window = link.not_after - link.not_before;
  const { entries } = link;
  const ordered = entries.every((span, at) => span.first <= span.last && (at === 0 || entries[at - 1]!.last < span.first));
  if (window <= 0 || window > maxWindow || !ordered || !sorted(link.rights) || !sorted(link.purposes)) refuse("warrants/bad-link");
}

function narrower(link: AnyLink, before: AnyLink, owner: Uint8Array): boolean {
  const within = before.entries.length
    ? link.entries.length > 0 && link.entries.every((span) => covers(before.entries, span.first, span.last))
    : link.entries.length === 0 || same(before.holder, owner);
  return (
    link.rights.every((right) => before.rights.includes(right)) &&
    link.purposes.every((purpose) => before.purposes.includes(purpose)) &&
    before.not_before <= link.not_before &&
    link.not_after <= before.not_after &&
    (before.licence === null || link.licence === before.licence) &&
    same(link.writer, before.writer) &&
    link.receipt_key.length === 0 &&
    within
  );
}

/** WAR-13, checks 1 to 3: whoever asks is the last holder, and asks this vault. */
export function requireHolder(read: Of<typeof SignedRead>, place: Place, vault: Uint8Array): AnyLink {
  const last = requireWarrant(read.warrant, place);
  const { request, signature } = read;
  if (!same(request.network, place.network) || !same(request.vault, vault)) refuse("warrants/wrong-vault");
  if (!same(request.warrant, linkHash(last)) || !same(request.section, place.section)) refuse("warrants/wrong-section");
  const message = encode(ReadRequest, request);
  signedOr("warrants/not-the-holder", () => requireSignature(last.holder, "salus/vault-request/1", message, signature));
  return last;
}

/** What the ledger says of a request: its time, the licence that is named, and who wrote the entries. */
export interface Facts {
  now: number;
  licence: Of<typeof Licence> | null;
  writer: Uint8Array;
}

/** WAR-13 but for the checks that need the chain and the vault's memory (5, 6, 8 and 12). */
export function requireReading(read: Of<typeof SignedRead>, place: Place, vault: Uint8Array, facts: Facts): void {
  let last: AnyLink | undefined;
  signedOr("warrants/refused", () => (last = requireHolder(read, place, vault)));
  const { request } = read;
  const { now, licence } = facts;
  const allowed = last!;
  if (now < allowed.not_before) refuse("warrants/not-yet");
  if (now >= allowed.not_after) refuse("warrants/expired");
  if (!allowed.purposes.includes(request.purpose)) refuse("warrants/wrong-purpose");
  if (allowed.licence !== null) {
    if (!licence) return refuse("warrants/licence-needed");
    if (!same(licence.holder, allowed.holder) || !licence.rights.includes(allowed.licence)) refuse("warrants/licence-not-fitting");
    if (statusAt(licence, now) !== "active") refuse("warrants/licence-not-active");
  }
  const writes = allowed.rights.includes("append") && !same(allowed.writer, NOBODY);
  const whole = allowed.entries.length === 0 && same(allowed.holder, place.owner);
  for (const number of request.entries) {
    const own = writes && same(facts.writer, allowed.writer);
    const named = allowed.rights.includes("read") && (whole || covers(allowed.entries, number, number));
    if (!own && !named) refuse("warrants/not-covered");
  }
  const goesOn = whole || writes || allowed.entries.some((span) => span.last === Number.MAX_SAFE_INTEGER);
  if (request.packages.length && !goesOn) refuse("warrants/not-covered");
}

/** WAR-17. */
export function requireOwner(signed: Of<typeof SignedOwner>, owner: Uint8Array, network: Uint8Array, vault: Uint8Array): void {
  const { request, signature } = signed;
  if (!same(request.network, network) || !same(request.vault, vault)) refuse("warrants/wrong-vault");
  const message = encode(OwnerRequest, request);
  signedOr("warrants/not-the-owner", () => requireSignature(owner, "salus/owner-request/1", message, signature));
}

const Receipt = record("receipt-1", { read: SignedRead, time: count, height: count });
const StoredReceipt = record("stored-receipt", { index: count, head: bytes32, sealed: bytes(0, 131_072) });
const Promised = record("promise-1", {
  network: bytes32,
  vault: bytes32,
  section: bytes32,
  request: bytes32,
  index: count,
  head: bytes32,
  time: count,
});
export const SignedPromise = record("signed-promise", { promise: Promised, signature: bytes64 });
const AnchorLeaf = record("anchor-leaf", { blinded: bytes32, head: bytes32, count });
export const ReceiptsAnswer = record("receipts-answer", {
  receipts: list(StoredReceipt, 0, 4096),
  total: count,
  anchored: bool,
  anchor: count,
  blind: bytes(0, 32),
  leaf: orNil(AnchorLeaf),
  leaf_index: count,
  leaves: count,
  proof: list(bytes32, 0, 64),
});

/** WAR-20: what a patient checks of a receipt. */
export async function requireReceipt(seed: Uint8Array, sealed: Uint8Array, place: Place, vault: Uint8Array): Promise<void> {
  const info = join("salus/receipt/1", place.network, place.section);
  requireHolder(decode(await openHpke(seed, info, sealed), Receipt, 131_072).read, place, vault);
}

/** WAR-21: what a reader checks of a promise. */
export function requirePromise(
  signed: Of<typeof SignedPromise>,
  vault: Uint8Array,
  node: Uint8Array,
  read: Of<typeof SignedRead>,
): void {
  const { promise, signature } = signed;
  const request = tagged("salus/signed-read/1", encode(SignedRead, read));
  const named = [promise.network, promise.vault, promise.section, promise.request];
  const asked = [read.request.network, vault, read.request.section, request];
  if (!same(join(...named), join(...asked))) refuse("warrants/bad-promise");
  const message = encode(Promised, promise);
  signedOr("warrants/bad-promise", () => requireSignature(node, "salus/receipt-promise/1", message, signature));
}

/** What the patient knows before: the next index, the head before it; and the anchor's root and leaves on the ledger. */
export interface Known {
  section: Uint8Array;
  first: number;
  head: Uint8Array;
  root: Uint8Array;
  leaves: number;
}

/** WAR-24. */
export function requireReceipts(answer: Of<typeof ReceiptsAnswer>, known: Known): void {
  const reached = known.first + answer.receipts.length;
  if (answer.total < reached || (answer.total > reached && !answer.receipts.length)) refuse("warrants/receipts-dropped");
  const heads = new Map([[known.first, known.head]]);
  let head = known.head;
  answer.receipts.forEach((stored, offset) => {
    head = tagged("salus/receipt-head/1", head, stored.sealed);
    if (stored.index !== known.first + offset || !same(stored.head, head)) refuse("warrants/receipt-chain");
    heads.set(stored.index + 1, head);
  });
  if (!answer.anchored) return;
  const { leaf, blind } = answer;
  const own = leaf !== null && blind.length === 32 && same(leaf.blinded, tagged("salus/blinded-section/1", blind, known.section));
  if (!own || answer.leaves !== known.leaves) return refuse("warrants/bad-anchor");
  requireInList(known.root, encode(AnchorLeaf, leaf), answer.leaf_index, known.leaves, answer.proof);
  if (!same(heads.get(leaf.count) ?? NOBODY, leaf.head)) refuse("warrants/anchor-mismatch");
}
