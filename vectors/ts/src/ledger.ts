/** What a stranger checks of the ledger with the genesis document alone: transactions' shapes, headers, proofs of the state. */

import { be8, bool, bytes, bytes16, bytes32, bytes64, choice, count, decode, encode, integer, join, list, oneOf } from "./codec.js";
import { orNil, pair, record, refuse, same, type Of } from "./codec.js";
import { requireSignature, tagged } from "./crypto.js";

export const LicenceRight = oneOf("treat", "prescribe", "prescribe-controlled", "dispense", "order", "report", "respond", "schedule");
export const GenesisMember = record("genesis-member", { authority: bytes32, node: bytes32, rights: list(LicenceRight, 0, 16) });
const Parameters = record("parameters", {
  max_transaction: count,
  max_block: count,
  quota_window: count,
  quota: count,
  reserve: count,
  max_expiry: count,
  max_warrant_window: count,
  header_interval: count,
  max_staleness: count,
  voting_period: count,
  time_lock: count,
  trust_period: count,
  copies: count,
  durable_copies: count,
});
export const Genesis = record("genesis-1", {
  salt: bytes16,
  time: count,
  members: list(GenesisMember, 1, 1024),
  parameters: Parameters,
});
export const MAX_GENESIS = 1_048_576;

const Status = oneOf("active", "suspended", "ended", "undone");
const Epoch = record("epoch", { number: count, activation: count, seal_key: bytes32, package: bytes32 });
const Schedule = list(Epoch, 1, 64);
const rights = list(LicenceRight, 1, 16);
const rightsOrNone = list(LicenceRight, 0, 16);
const Change = choice<any>(
  record("admit-member", { authority: bytes32, node: bytes32, rights: rightsOrNone, validator: bytes32, peer: bytes(20) }),
  record("remove-member", { member: bytes32 }),
  record("set-rights", { member: bytes32, rights: rightsOrNone }),
  record("set-power", { member: bytes32, power: integer(0, 1_000_000) }),
  record("undo-licences", { issuer: bytes32, height: count }),
  record("upgrade", { height: count, version: count }),
);
const fill = integer(0, 12);
const reason = oneOf(
  "haemolysed",
  "clotted",
  "insufficient",
  "contaminated",
  "mislabelled",
  "too-old",
  "lost",
  "not-offered",
  "no-capacity",
  "unclear",
);
const NewFill = record("new-fill", { bearer: bytes32, opens: count, closes: count });
const kind = oneOf("visit", "home", "video", "phone");
export const TimeSlot = record("time-slot", { start: count, end: count, seats: integer(1, 64), kind });
export const ShownSlot = record("shown-slot", {
  schedule: bytes32,
  begins: count,
  index: integer(0, 4095),
  path: list(bytes32, 0, 12),
  slot: TimeSlot,
});
const slots = list(ShownSlot, 1, 8);
const terms = {
  desk: bytes32,
  lead: integer(0, 7_776_000_000),
  horizon: integer(3_600_000, 34_560_000_000),
  hold: integer(60_000, 3_600_000),
};
const atDesk = { appointment: bytes32, schedule: bytes32 };
const Action = choice<any>(
  record("issue-licence", { issuer: bytes32, person: bytes32, holder: bytes32, card: bytes32, rights, expires: count }),
  record("set-licence-status", { licence: bytes32, status: Status }),
  record("create-section", { owner: bytes32, next_owner: bytes32, schedule: Schedule }),
  record("append-entry", { section: bytes32, epoch: count, writer: bytes32, blob: bytes32, size: count, commitment: bytes32 }),
  record("admit-writer", { section: bytes32, writer: bytes32, entries: count, size: count, expires: count }),
  record("remove-writer", { section: bytes32, writer: bytes32 }),
  record("rotate", { section: bytes32, previous: bytes32, schedule: Schedule }),
  record("hand-over", { section: bytes32, owner: bytes32, next_owner: bytes32 }),
  record("rewrite", { section: bytes32, number: count, before: bytes32, blob: bytes32, size: count }),
  record("entomb", { section: bytes32, number: count }),
  record("revoke", { preimage: bytes32 }),
  record("anchor-receipts", { vault: bytes32, number: count, root: bytes32, sections: count }),
  record("publish-listing", { holder: bytes32, listing: bytes32 }),
  record("renew-validator", { member: bytes32, key: bytes32 }),
  record("propose", { proposer: bytes32, change: Change, document: bytes32 }),
  record("cast-vote", { member: bytes32, proposal: count, favour: bool }),
  record("issue-prescription", {
    licence: bytes32,
    control: bytes32,
    content: bytes32,
    controlled: bool,
    interval: count,
    fills: list(NewFill, 1, 13),
  }),
  record("accept-fill", { prescription: bytes32, fill, licence: bytes32, holder: bytes32, until: count }),
  record("dispense-fill", {
    prescription: bytes32,
    fill,
    licence: bytes32,
    share: integer(1, 1000),
    rest: oneOf("keep", "free", "close"),
    identified: oneOf("not", "known", "document"),
  }),
  record("undo-fill", { prescription: bytes32, fill }),
  record("return-fill", {
    prescription: bytes32,
    fill,
    reason: oneOf("out-of-stock", "not-suitable", "unclear", "patient-request"),
  }),
  record("free-fill", { prescription: bytes32, fill }),
  record("take-prescription", { prescription: bytes32, control: bytes32 }),
  record("rotate-fill", { prescription: bytes32, fill, bearer: bytes32 }),
  record("cancel-prescription", { prescription: bytes32 }),
  record("delete-prescription", { prescription: bytes32 }),
  record("stop-prescription", { prescription: bytes32 }),
  record("acknowledge-stop", { prescription: bytes32, fill }),
  record("close-fill", { prescription: bytes32, fill }),
  record("open-schedule", { licence: bytes32, ...terms }),
  record("revise-schedule", { schedule: bytes32, licence: bytes32, ...terms }),
  record("publish-slots", { schedule: bytes32, begins: count, ends: count, root: bytes32, count: integer(0, 4096) }),
  record("release-slots", { schedule: bytes32, slots }),
  record("hold-slots", { patient: bytes32, slots }),
  record("book-appointment", { appointment: bytes32 }),
  record("move-appointment", { appointment: bytes32, slots }),
  record("cancel-appointment", { appointment: bytes32 }),
  record("join-waiting", { patient: bytes32, schedule: bytes32, earliest: count, latest: count, kinds: list(kind, 1, 4) }),
  record("take-slots", { patient: bytes32, slots, override: oneOf("none", "urgent", "squeezed", "return", "correction") }),
  record("offer-slots", { ...atDesk, slots }),
  record("decline-appointment", {
    ...atDesk,
    reason: oneOf("closed", "absent", "emergency", "not-suitable", "patient-request", "error"),
  }),
  record("arrive-appointment", atDesk),
  record("fulfil-appointment", atDesk),
  record("miss-appointment", atDesk),
  record("place-order", {
    licence: bytes32,
    bearer: bytes32,
    control: bytes32,
    responsible: bytes32,
    cover: bytes32,
    content: bytes32,
    deadline: count,
  }),
  record("accept-order", { order: bytes32, licence: bytes32, holder: bytes32 }),
  record("reject-order", { order: bytes32, reason }),
  record("collect-specimen", { order: bytes32, specimen: bytes32 }),
  record("reject-specimen", { order: bytes32, reason }),
  record("report-result", {
    order: bytes32,
    licence: bytes32,
    report: bytes32,
    status: oneOf("preliminary", "final", "corrected"),
    follows: integer(0, 255),
    due: count,
  }),
  record("acknowledge-report", { order: bytes32, number: integer(0, 255), licence: bytes32 }),
  record("cancel-order", { order: bytes32 }),
  record("withdraw-order", { order: bytes32 }),
);
const Body = record("body-1", { network: bytes32, expires: count, nonce: bytes16, sponsor: bytes32, actions: list(Action, 1, 512) });
const Signature = record("sig", { key: bytes32, signature: bytes64 });
export const Transaction = record("tx-1", { body: Body, signatures: list(Signature, 1, 64) });

export const Header = record("header-1", {
  network: bytes32,
  height: count,
  time: count,
  previous: bytes32,
  transactions: bytes32,
  results: bytes32,
  state: bytes32,
  proposer: bytes32,
});
export const SignedHeader = record("signed-header", { header: Header, signature: bytes64 });
const StateProof = record("state-proof", { siblings: list(bytes32, 0, 256), other: orNil(pair(bytes32)) });
export const StateAnswer = record("state-answer", {
  header: SignedHeader,
  key: bytes(0, 256),
  value: orNil(bytes(0, 262_144)),
  proof: StateProof,
});

export const networkId = (genesis: Of<typeof Genesis>): Uint8Array => tagged("salus/network/1", encode(Genesis, genesis));
export const headerHash = (header: Of<typeof Header>): Uint8Array => tagged("salus/header/1", encode(Header, header));

/** STATE-12 and MEM-1: the member that orders blocks in this network, the first one, signed it. */
export function requireHeader(genesis: Of<typeof Genesis>, { header, signature }: Of<typeof SignedHeader>): void {
  if (!same(header.network, networkId(genesis))) refuse("ledger/wrong-network");
  const orderer = genesis.members[0]!;
  if (!same(header.proposer, tagged("salus/member/1", orderer.authority))) refuse("ledger/wrong-proposer");
  requireSignature(orderer.node, "salus/header-signature/1", headerHash(header), signature);
}

/** STATE-13. */
export function requireLinked(before: Of<typeof Header>, after: Of<typeof Header>): void {
  const follows = same(after.previous, headerHash(before)) && after.height === before.height + 1 && after.time > before.time;
  if (!follows) refuse("ledger/bad-link");
}

const bit = (path: Uint8Array, depth: number): number => (path[depth >> 3]! >> (7 - (depth & 7))) & 1;
const stateLeaf = (path: Uint8Array, value: Uint8Array): Uint8Array => tagged("salus/state-leaf/1", path, value);

/** STATE-6 and STATE-7: the value under the key, or its absence, as of the header. */
export function requireAnswer(genesis: Of<typeof Genesis>, answer: Of<typeof StateAnswer>): Uint8Array | null {
  requireHeader(genesis, answer.header);
  const { siblings, other } = answer.proof;
  const path = tagged("salus/state-key/1", answer.key);
  let node = new Uint8Array(32);
  if (answer.value !== null) {
    if (other) refuse("ledger/bad-state-proof");
    node = new Uint8Array(stateLeaf(path, tagged("salus/state-value/1", answer.value)));
  } else if (other) {
    const [place, value] = other as [Uint8Array, Uint8Array];
    if (same(place, path) || siblings.some((_, depth) => bit(place, depth) !== bit(path, depth))) refuse("ledger/bad-state-proof");
    node = new Uint8Array(stateLeaf(place, value));
  }
  for (let depth = siblings.length - 1; depth >= 0; depth--) {
    const parts = bit(path, depth) ? [siblings[depth]!, node] : [node, siblings[depth]!];
    node = new Uint8Array(tagged("salus/state-inner/1", ...parts));
  }
  if (!same(node, answer.header.header.state)) refuse("ledger/bad-state-proof");
  return answer.value;
}

const Proof = record("proof-1", {
  kind: oneOf("entry", "licence", "revocation", "absence"),
  subject: bytes32,
  number: count,
  at: count,
  answer: StateAnswer,
});
const ProofFile = record("proof-file-1", { proofs: list(Proof, 1, 64), trail: list(SignedHeader, 0, 0), check: bytes32 }); // no voted headers

/** PRF-1 to PRF-6 and PRF-9: nothing of a file is believed unless all of it checks. */
export function requireProofs(genesis: Of<typeof Genesis>, data: Uint8Array): void {
  const file = decode(data, ProofFile, 1_048_576);
  if (!same(file.check, tagged("salus/proof-file/1", ...file.proofs.map((proof) => encode(Proof, proof))))) refuse("ledger/wrong-proof");
  for (const proof of file.proofs) {
    const key = {
      entry: join("sections/", proof.subject, "/entry/", be8(proof.number)),
      licence: join("licences/", proof.subject),
      revocation: join("revocations/", proof.subject),
      absence: join("revocations/", proof.subject),
    }[proof.kind];
    const strange = (proof.number && proof.kind !== "entry") || (proof.at && proof.kind !== "licence");
    if (!same(proof.answer.key, key) || strange) refuse("ledger/wrong-proof");
    const value = requireAnswer(genesis, proof.answer);
    if ((value === null) !== (proof.kind === "absence")) refuse("ledger/wrong-proof");
    if (proof.at > proof.answer.header.header.time) refuse("ledger/wrong-proof");
  }
}

export const Licence = record("licence", {
  issuer: bytes32,
  person: bytes32,
  holder: bytes32,
  card: bytes32,
  rights: list(LicenceRight, 0, 16),
  expires: count,
  intervals: list(record("status-since", { status: Status, time: count, height: count }), 1, 256),
});

/** TX-19. */
export function statusAt(licence: Of<typeof Licence>, time: number): Of<typeof Status> | undefined {
  if (licence.expires && time >= licence.expires) return "ended";
  return licence.intervals.findLast((interval) => interval.time <= time)?.status;
}

const listNode = (left: Uint8Array, right: Uint8Array): Uint8Array => tagged("salus/list-inner/1", left, right);
const listLeaf = (item: Uint8Array): Uint8Array => tagged("salus/list-leaf/1", item);

/** The largest power of two below `size`, which is two or more. */
const half = (size: number): number => 2 ** Math.floor(Math.log2(size - 1));

/** STATE-8. */
export function listRoot(items: Uint8Array[]): Uint8Array {
  if (items.length === 0) return tagged("salus/list-empty/1");
  if (items.length === 1) return listLeaf(items[0]!);
  const split = half(items.length);
  return listNode(listRoot(items.slice(0, split)), listRoot(items.slice(split)));
}

/** STATE-9: `item` is number `index` of `size` items under `root`; `proof` has the siblings from the leaf up. */
export function requireInList(root: Uint8Array, item: Uint8Array, index: number, size: number, proof: Uint8Array[]): void {
  const climb = (at: number, width: number, rest: Uint8Array[]): Uint8Array => {
    const sibling = rest.at(-1);
    if (width === 1 || !sibling) return width === 1 && !sibling ? listLeaf(item) : refuse("ledger/bad-list-proof");
    const split = half(width);
    return at < split
      ? listNode(climb(at, split, rest.slice(0, -1)), sibling)
      : listNode(sibling, climb(at - split, width - split, rest.slice(0, -1)));
  };
  if (index >= size || !same(climb(index, size, proof), root)) refuse("ledger/bad-list-proof");
}
