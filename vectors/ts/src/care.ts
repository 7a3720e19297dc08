/** What letters about prescriptions, orders, results and appointments carry (RX-27, RX-31, ORD-20 to ORD-28, SCH-23 to SCH-29, SCH-55). */

import { bool, bytes, bytes32, bytes64, count, encode, integer, list, oneOf, orNil, record, refuse, same, text, type Of } from "./codec.js";
import { personId, requireSignature, tagged, verifies } from "./crypto.js";
import { requireCard, SignedCard } from "./exchange.js";
import { Content } from "./prescriptions.js";
import { SignedAbout } from "./schedules.js";
import { verifyKey } from "./wallet.js";

export const MAX_LETTER = 1_048_576;
const born = text(0, 10, /^([0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?)?$/);
const name = text(1, 128);

export const PrescriptionLetter = record("prescription-letter-1", {
  control: bytes32,
  bearers: list(bytes32, 1, 13),
  salt: bytes32,
  content: Content,
  slips: list(bytes64, 1, 13),
});
export const PrescriptionNote = record("prescription-note-1", {
  prescription: bytes32,
  about: oneOf("question", "renewal", "answer", "stopped"),
  licence: bytes32,
  text: text(0, 1_000),
});
const OutageStatement = record("outage-supply-1", {
  network: bytes32,
  prescription: bytes32,
  fill: integer(0, 12),
  licence: bytes32,
  bearer: bytes32,
  at: count,
  share: integer(1, 1_000),
  quantity: text(0, 64),
});
export const SignedStatement = record("signed-outage-supply-1", {
  statement: OutageStatement,
  slip: bytes64,
  pharmacist: bytes64,
  code: bytes64,
});
export const Slip = record("prescription-slip-1", {
  network: bytes32,
  prescription: bytes32,
  content: bytes32,
  licence: bytes32,
  fill: integer(0, 12),
  opens: count,
  closes: count,
  controlled: bool,
});
export const DispensedNotice = record("dispensed-notice-1", {
  prescription: bytes32,
  fill: integer(0, 12),
  licence: bytes32,
  share: integer(1, 1_000),
  at: count,
  quantity: text(0, 64),
  batch: text(0, 64),
  product: text(0, 128),
});
const OrderContent = record("order-content-1", {
  order: bytes32,
  request: bytes(2, 16_384),
  person: bytes32,
  patient: name,
  born,
  number: text(0, 64),
  orderer: name,
  licence: bytes32,
  category: oneOf("laboratory", "microbiology", "pathology", "genetics", "imaging", "referral"),
  confidential: bool,
  addsTo: bytes32,
  letter: bytes(0, 16_384),
});
export const OrderLetter = record("order-letter-1", {
  bearer: bytes32,
  salt: bytes32,
  content: OrderContent,
  patient: SignedCard,
  responsible: SignedCard,
  cover: SignedCard,
});
export const OrderedLetter = record("ordered-letter-1", {
  control: orNil(bytes32),
  salt: bytes32,
  content: OrderContent,
  laboratory: SignedCard,
});
const ReportContent = record("report-content-1", {
  order: bytes32,
  number: integer(0, 255),
  report: bytes(2, 262_144),
  laboratory: name,
  licence: bytes32,
});
export const ResultLetter = record("result-letter-1", {
  orderSalt: bytes32,
  order: OrderContent,
  reportSalt: bytes32,
  report: ReportContent,
  patient: orNil(SignedCard),
});
export const ReleasePreference = record("release-preference-1", {
  order: bytes32,
  timing: oneOf("at-once", "after-physician", "at-visit"),
});
export const BookingLetter = record("booking-letter-1", {
  appointment: bytes32,
  name,
  born,
  reason: text(0, 1_000),
  phone: text(0, 64),
  grant: orNil(bytes32),
  signature: bytes64,
});
export const AppointmentLetter = record("appointment-letter-1", {
  appointment: bytes32,
  patient: orNil(bytes32),
  signed: SignedAbout,
  words: text(0, 1_000),
});
export const LinkLetter = record("link-letter-1", {
  numbers: list(text(1, 64), 0, 16),
  assurance: oneOf("level1", "level2", "level3", "level4"),
  since: count,
});

function requireContent(salt: Uint8Array, content: Of<typeof OrderContent>, hash: Uint8Array): void {
  if (!same(tagged("salus/order-content/1", salt, encode(OrderContent, content)), hash)) refuse("agent/order-altered");
}

/** ORD-21 but for the licences: the cards are signed, the ledger has this content, and key and patient are the order's. */
export function requireOrder(letter: Of<typeof OrderLetter>, network: Uint8Array, hash: Uint8Array): void {
  const { content } = letter;
  for (const card of [letter.patient, letter.responsible, letter.cover]) requireCard(card, network);
  requireContent(letter.salt, content, hash);
  const handle = tagged("salus/order/1", network, verifyKey(letter.bearer));
  const person = personId(letter.patient.card.key);
  if (!same(handle, content.order) || !same(person, content.person)) refuse("warrants/wrong-sender");
}

/** What was ordered, as patient and clinicians are told of it. */
export function requireOrdered(letter: Of<typeof OrderedLetter>, network: Uint8Array, hash: Uint8Array): void {
  requireCard(letter.laboratory, network);
  requireContent(letter.salt, letter.content, hash);
}

/** ORD-25: the ledger has this report, of this order; a card that comes with it is the patient's. */
export function requireResult(
  letter: Of<typeof ResultLetter>,
  known: { network: Uint8Array; order: Uint8Array; report: Uint8Array },
): void {
  requireContent(letter.orderSalt, letter.order, known.order);
  const found = tagged("salus/report-content/1", letter.reportSalt, encode(ReportContent, letter.report));
  if (!same(found, known.report) || !same(letter.report.order, letter.order.order)) refuse("agent/report-altered");
  if (!letter.patient) return;
  if (!same(personId(requireCard(letter.patient, known.network).key), letter.order.person)) refuse("warrants/wrong-sender");
}

/** SCH-29: the appointment's key signed all of it, as this person. */
export function requireBooking(letter: Of<typeof BookingLetter>, patient: Uint8Array, person: Uint8Array): void {
  const bare = encode(BookingLetter, { ...letter, signature: new Uint8Array(64) });
  requireSignature(patient, "salus/booking/1", tagged("salus/booking-letter/1", person, bare), letter.signature);
}

/** RX-24 but for the licence: the ledger has this content, the keys are its own, and its prescriber signed a slip for each fill. */
export function requirePrescribed(
  letter: Of<typeof PrescriptionLetter>,
  known: { network: Uint8Array; content: Uint8Array; holder: Uint8Array; opens: number; closes: number },
): void {
  const { content, slips } = letter;
  const { network, opens, closes } = known;
  const hash = tagged("salus/prescription-content/1", letter.salt, encode(Content, content));
  if (!same(hash, known.content)) refuse("agent/prescription-altered");
  const handle = tagged("salus/prescription/1", network, verifyKey(letter.control));
  if (!same(handle, content.prescription) || slips.length !== letter.bearers.length) refuse("warrants/wrong-sender");
  slips.forEach((signature, fill) => {
    const slip = { tag: "prescription-slip-1" as const, network, prescription: handle, content: hash, licence: content.licence };
    const signed = encode(Slip, { ...slip, fill, opens, closes, controlled: false });
    if (!verifies(known.holder, tagged("salus/prescription-slip/1", signed), signature)) refuse("warrants/wrong-sender");
  });
}

/** A supply during an outage, by pharmacist and code, under the prescriber's slip (RX-37, RX-42). */
export function requireSupplied(
  signed: Of<typeof SignedStatement>,
  slip: Of<typeof Slip>,
  by: { holder: Uint8Array; pharmacist: Uint8Array },
): void {
  const said = encode(OutageStatement, signed.statement);
  requireSignature(by.pharmacist, "salus/outage-supply/1", said, signed.pharmacist);
  requireSignature(signed.statement.bearer, "salus/outage-supply/1", said, signed.code);
  requireSignature(by.holder, "salus/prescription-slip/1", encode(Slip, slip), signed.slip);
}
