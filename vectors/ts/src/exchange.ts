/** What people and members pass to one another: cards, letters, mailboxes, guests, listings (GRA, DIR, MEM). */

import { bool, bytes, bytes16, bytes32, bytes64, count, decode, encode, integer, join, list, oneOf, orNil, record } from "./codec.js";
import { refuse, same, text, type Of, type Shape } from "./codec.js";
import { HybridPublic, HybridSignature, openAead, openHpke, requireHybrid, requireSignature, sha256, tagged } from "./crypto.js";
import { GenesisMember } from "./ledger.js";

export const Role = oneOf("patient", "physician", "nurse", "pharmacist", "paramedic", "laboratory", "member", "organisation");
const Card = record("card-1", {
  network: bytes32,
  role: Role,
  name: text(1, 128),
  key: HybridPublic,
  sealing: bytes(1216),
  members: list(bytes32, 1, 4),
  mailbox: bytes32,
  token: orNil(bytes16),
  issued: count,
});
export const SignedCard = record("signed-card", { card: Card, signature: HybridSignature });
const Letter = record("letter-1", {
  network: bytes32,
  kind: text(1, 32, /^[a-z-]+$/),
  recipient: bytes32,
  sender: SignedCard,
  sent: count,
  body: bytes(0, 900_000),
});
const SignedLetter = record("signed-letter", { letter: Letter, signature: HybridSignature });
const GuestProof = record("guest-proof", { guest: bytes32, signature: bytes64 });
export const Claim = record("mailbox-claim", {
  network: bytes32,
  owner: bytes32,
  member: bytes32,
  token: bytes16,
  serial: count,
  signature: bytes64,
  guest: orNil(GuestProof),
});
export const Collect = record("mailbox-collect", {
  network: bytes32,
  owner: bytes32,
  member: bytes32,
  after: count,
  done: count,
  nonce: bytes16,
  time: count,
  signature: bytes64,
});
const Stamp = record("stamp-1", {
  network: bytes32,
  sponsor: bytes32,
  member: bytes32,
  mailbox: bytes32,
  letter: bytes32,
  time: count,
  signature: bytes64,
});
export const Drop = record("drop", {
  member: bytes32,
  mailbox: bytes32,
  token: orNil(bytes16),
  sealed: bytes(0, 1_048_576),
  stamp: orNil(Stamp),
});
const Invitation = record("invitation", { network: bytes32, member: bytes32, secret: bytes32, height: count, header: bytes32 });
export const Redemption = record("redemption", {
  network: bytes32,
  member: bytes32,
  invitation: bytes32,
  guest: bytes32,
  granted: bytes64,
  signature: bytes64,
});
const ADDRESS = /^(https?:\/\/[^\s/?#@]+|https:\/\/[^\s/?#@]+#pin-sha256=[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])?$/;
const Peer = record("peer", { member: bytes32, address: text(0, 255, ADDRESS) });
export const PeerAsk = record("peer-ask", {
  network: bytes32,
  asking: Peer,
  asked: bytes32,
  first: count,
  blocks: integer(0, 256),
  blobs: list(bytes32, 0, 64),
  listings: list(bytes32, 0, 64),
  time: count,
  signature: bytes64,
});
export const EngineAsk = record("engine-ask", {
  network: bytes32,
  asking: Peer,
  asked: bytes32,
  question: text(0, 16, /^(commit|validators|consensus_params|snapshots)$/),
  height: count,
  page: integer(1, 16),
  time: count,
  signature: bytes64,
});
const PeerPush = record("peer-push", {
  network: bytes32,
  asking: bytes32,
  asked: bytes32,
  named: list(bytes32, 1, 64),
  time: count,
  signature: bytes64,
});
export const Pushed = record("pushed", { push: PeerPush, blobs: list(bytes(0, 8_388_608), 0, 64) });
export const CardReference = record("card-reference-1", { network: bytes32, members: list(bytes32, 1, 4), card: bytes32, key: bytes32 });
export const Deposit = record("card-deposit", {
  network: bytes32,
  owner: bytes32,
  member: bytes32,
  issued: count,
  sealed: bytes(0, 16_384 + 28),
  signature: bytes64,
});
const Listing = record("listing-1", {
  network: bytes32,
  card: SignedCard,
  licence: bytes32,
  specialties: list(text(1, 64), 0, 8),
  languages: list(text(0, 35, /^[a-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}$/), 0, 8),
  place: text(0, 128),
  accepting: bool,
  telecom: list(text(1, 128), 0, 4),
});
export const SignedListing = record("signed-listing", { listing: Listing, signature: HybridSignature });

/** GRA-19: what can be shown as it is. */
export const showable = (name: string): boolean =>
  name.length > 0 && name === name.trim() && name === name.normalize("NFC") && !/[\p{C}\p{Zl}\p{Zp}]/u.test(name);

/** GRA-18 and GRA-19. */
export function requireCard({ card, signature }: Of<typeof SignedCard>, network: Uint8Array): Of<typeof Card> {
  if (!same(card.network, network)) refuse("warrants/wrong-network");
  requireHybrid(card.key, "salus/contact-card/1", encode(Card, card), signature);
  return showable(card.name) ? card : refuse("warrants/bad-name");
}

/** The bytes of a line that begins with `name`; ASCII blanks around it are not its. */
function fromLine(name: string, given: string): Uint8Array {
  const line = given.replace(/^[\t-\r ]+|[\t-\r ]+$/g, "");
  const body = line.slice(name.length);
  if (!line.startsWith(name) || !/^[\w-]*={0,2}$/.test(body) || body.length % 4) refuse("codec/not-decodable");
  return new Uint8Array(Buffer.from(body, "base64url"));
}

/** What `shape` says of the line's bytes, which must be spelled in the one way. */
function readLine<T>(name: string, given: string, shape: Shape<T>, limit: number): T {
  const data = fromLine(name, given);
  const body = Buffer.from(data).toString("base64url");
  if (!given.includes(name + body.padEnd(Math.ceil(body.length / 4) * 4, "="))) refuse("codec/not-canonical");
  return decode(data, shape, limit);
}

/** GRA-20. */
export const cardFromText = (line: string): Of<typeof SignedCard> => readLine("salus-card-1:", line, SignedCard, 16_384);

/** The card that a reference as text means, which lies sealed at members. */
export function openCard(line: string, sealed: Uint8Array): Of<typeof SignedCard> {
  const reference = readLine("salus-card-ref-1:", line, CardReference, 512);
  if (!same(sha256(sealed), reference.card)) refuse("warrants/card-altered");
  return decode(openAead(reference.key, join("salus/sealed-card/1", reference.network), sealed), SignedCard, 16_384);
}

/** MEM-2. */
export const memberFromText = (line: string): Of<typeof GenesisMember> => readLine("salus-member-1:", line, GenesisMember, 1024);

/** An invitation as people pass it on. */
export function readInvitation(given: string): Of<typeof Invitation> {
  try {
    return decode(fromLine("salus-invite-1:", given), Invitation, 256);
  } catch {
    return refuse("agent/bad-invitation");
  }
}

/** GRA-23. */
export async function openLetter(
  seed: Uint8Array,
  sealed: Uint8Array,
  mailbox: Uint8Array,
  network: Uint8Array,
  recipient: Uint8Array,
): Promise<void> {
  const opened = await openHpke(seed, join("salus/letter/1", network, mailbox), sealed);
  const { letter, signature } = decode(opened, SignedLetter, 1_048_576);
  if (!same(letter.network, network) || !same(letter.recipient, recipient)) refuse("warrants/wrong-recipient");
  requireHybrid(requireCard(letter.sender, network).key, "salus/letter/1", encode(Letter, letter), signature);
}

/** What stands in a signature's place while it is made. */
const UNSIGNED = new Uint8Array(64);

type Owned = { network: Uint8Array; owner: Uint8Array; signature: Uint8Array };

function requireMailboxOwner(message: Owned, network: Uint8Array, signed: Uint8Array): void {
  if (!same(message.network, network)) refuse("warrants/wrong-network");
  requireSignature(message.owner, "salus/mailbox/1", signed, message.signature);
}

/** GRA-26; a guest's proof is not under the owner's signature. */
export const requireClaim = (claim: Of<typeof Claim>, network: Uint8Array): void =>
  requireMailboxOwner(claim, network, encode(Claim, { ...claim, signature: UNSIGNED, guest: null }));

/** GRA-29. */
export const requireCollect = (collect: Of<typeof Collect>, network: Uint8Array): void =>
  requireMailboxOwner(collect, network, encode(Collect, { ...collect, signature: UNSIGNED }));

/** The owner of a mailbox leaves a sealed card at its member. */
export const requireDeposit = (deposit: Of<typeof Deposit>, network: Uint8Array): void =>
  requireMailboxOwner(deposit, network, encode(Deposit, { ...deposit, signature: UNSIGNED }));

/** The guest who vouches for a claim at a member's node. */
export function requireVouched(claim: Of<typeof Claim>, network: Uint8Array, member: Uint8Array): Uint8Array {
  if (!claim.guest) return refuse("node/not-invited");
  const { guest, signature } = claim.guest;
  const asked = tagged("salus/guest-asks/1", network, member, Buffer.from("mailbox"), encode(Claim, { ...claim, guest: null }));
  requireSignature(guest, "salus/guest-proof/1", asked, signature);
  return guest;
}

/** Invitation and guest both signed the redemption, for this member. */
export function requireRedemption(used: Of<typeof Redemption>, network: Uint8Array, member: Uint8Array): void {
  if (!same(used.network, network) || !same(used.member, member)) refuse("node/not-invited");
  const signed = encode(Redemption, { ...used, granted: UNSIGNED, signature: UNSIGNED });
  requireSignature(used.invitation, "salus/redemption/1", signed, used.granted);
  requireSignature(used.guest, "salus/redemption/1", signed, used.signature);
}

/** A stranger's letter has the stamp of a member. */
export function requireStamp(drop: Of<typeof Drop>, network: Uint8Array, node: Uint8Array): void {
  const stamp = drop.stamp!;
  const meant = join(network, drop.member, drop.mailbox, sha256(drop.sealed));
  if (!same(join(stamp.network, stamp.member, stamp.mailbox, stamp.letter), meant)) refuse("warrants/wrong-stamp");
  requireSignature(node, "salus/stamp/1", encode(Stamp, { ...stamp, signature: UNSIGNED }), stamp.signature);
}

/** MEM-6: the asking member's node signed the request to this member's. */
export function requirePeer(ask: Of<typeof PeerAsk>, network: Uint8Array, asked: Uint8Array, node: Uint8Array): void {
  if (!same(ask.network, network) || !same(ask.asked, asked)) refuse("warrants/wrong-network");
  requireSignature(node, "salus/peer/1", encode(PeerAsk, { ...ask, signature: UNSIGNED }), ask.signature);
}

/** NET-47: the same of a request to a member's engine. */
export function requireEngineAsk(ask: Of<typeof EngineAsk>, network: Uint8Array, asked: Uint8Array, node: Uint8Array): void {
  if (!same(ask.network, network) || !same(ask.asked, asked)) refuse("warrants/wrong-network");
  requireSignature(node, "salus/peer/1", encode(EngineAsk, { ...ask, signature: UNSIGNED }), ask.signature);
}

/** MEM-19: the pushing member's node signed for these blobs, and gives them or none. */
export function requirePush({ push, blobs }: Of<typeof Pushed>, network: Uint8Array, asked: Uint8Array, node: Uint8Array): void {
  if (!same(push.network, network) || !same(push.asked, asked)) refuse("warrants/wrong-network");
  requireSignature(node, "salus/peer-push/1", encode(PeerPush, { ...push, signature: UNSIGNED }), push.signature);
  if (blobs.length > 0 && !same(join(...blobs.map((blob) => sha256(blob))), join(...push.named))) refuse("warrants/wrong-blob");
}

/** MEM-17: which members keep a blob, the one of most weight first. */
export function keepers(members: Uint8Array[], blob: Uint8Array, copies: number): Uint8Array[] {
  const weighed = members.map((member) => ({ member, weight: tagged("salus/place/1", member, blob) }));
  weighed.sort((one, other) => Buffer.compare(other.weight, one.weight));
  return weighed.slice(0, Math.max(1, copies)).map(({ member }) => member);
}

/** DIR-3 to DIR-5. */
export function requireListing({ listing, signature }: Of<typeof SignedListing>, network: Uint8Array): void {
  if (!same(listing.network, network)) refuse("warrants/wrong-network");
  const card = requireCard(listing.card, network);
  requireHybrid(card.key, "salus/listing/1", encode(Listing, listing), signature);
  if (card.role === "patient") refuse("warrants/patient-listed");
  if (card.token) refuse("warrants/token-listed");
  const texts = [...listing.specialties, ...listing.telecom, listing.place].filter((one) => one !== "");
  if (!texts.every(showable)) refuse("warrants/bad-listing-text");
}
