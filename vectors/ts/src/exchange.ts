/** Cards, letters, mailboxes and listings (GRA-18 to GRA-29, DIR-3 to DIR-6). */

import { bool, bytes, bytes16, bytes32, bytes64, count, decode, encode, join, list, oneOf, record, refuse, same, text } from "./codec.js";
import type { Of, RecordShape } from "./codec.js";
import { HybridPublic, HybridSignature, openHpke, requireHybrid, requireSignature } from "./crypto.js";

export const Role = oneOf("patient", "physician", "nurse", "pharmacist", "paramedic", "laboratory", "member", "organisation");
const Card = record("card-1", {
  network: bytes32,
  role: Role,
  name: text(1, 128),
  key: HybridPublic,
  sealing: bytes(1216),
  member: bytes32,
  mailbox: bytes32,
  token: bytes16,
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
export const Claim = record("mailbox-claim", { network: bytes32, owner: bytes32, token: bytes16, serial: count, signature: bytes64 });
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
const showable = (name: string): boolean =>
  name.length > 0 && name === name.trim() && name === name.normalize("NFC") && !/[\p{C}\p{Zl}\p{Zp}]/u.test(name);

/** GRA-18 and GRA-19. */
export function requireCard({ card, signature }: Of<typeof SignedCard>, network: Uint8Array): Of<typeof Card> {
  if (!same(card.network, network)) refuse("warrants/wrong-network");
  requireHybrid(card.key, "salus/contact-card/1", encode(Card, card), signature);
  return showable(card.name) ? card : refuse("warrants/bad-name");
}

/** GRA-20: the one spelling of a card as a line of text. */
export function cardFromText(line: string): Of<typeof SignedCard> {
  const [armour, trimmed] = ["salus-card-1:", line.trim()];
  const body = trimmed.slice(armour.length);
  if (!trimmed.startsWith(armour) || !/^[\w-]*={0,2}$/.test(body) || body.length % 4) refuse("codec/not-decodable");
  const signed = decode(new Uint8Array(Buffer.from(body, "base64url")), SignedCard, 16_384);
  const again = Buffer.from(encode(SignedCard, signed)).toString("base64url");
  return body === again.padEnd(Math.ceil(again.length / 4) * 4, "=") ? signed : refuse("codec/not-canonical");
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

type Owned = { network: Uint8Array; owner: Uint8Array; signature: Uint8Array };

/** GRA-26 and GRA-29: the mailbox's owner signed the message with zero bytes in the signature's place. */
export function requireMailboxOwner<T extends Owned>(shape: RecordShape<any>, message: T, network: Uint8Array): void {
  if (!same(message.network, network)) refuse("warrants/wrong-network");
  const bare = encode(shape, { ...message, signature: new Uint8Array(64) } as any);
  requireSignature(message.owner, "salus/mailbox/1", bare, message.signature);
}

/** DIR-3 to DIR-5. */
export function requireListing({ listing, signature }: Of<typeof SignedListing>, network: Uint8Array): void {
  if (!same(listing.network, network)) refuse("warrants/wrong-network");
  const card = requireCard(listing.card, network);
  requireHybrid(card.key, "salus/listing/1", encode(Listing, listing), signature);
  if (card.role === "patient") refuse("warrants/patient-listed");
  const texts = [...listing.specialties, ...listing.telecom, listing.place].filter((one) => one !== "");
  if (!texts.every(showable)) refuse("warrants/bad-listing-text");
}
