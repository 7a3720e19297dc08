/** Prescriptions as people hand them on: the code that is shown for one fill (RX-21, RX-22). */

import { bool, bytes, bytes32, bytes64, count, decode, encode, integer, list, orNil, record, text, type Of } from "./codec.js";
import { refuse, same } from "./codec.js";
import { tagged } from "./crypto.js";
import { expand } from "./entries.js";
import { CardReference } from "./exchange.js";

const PREFIX = "SALUS-RX-1:";
const MAX_TEXT = 3_400;
const MAX_PLAIN = 26_624;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

export const Content = record("prescription-content-1", {
  prescription: bytes32,
  request: bytes(2, 16_384),
  patient: text(1, 128),
  born: text(0, 10, /^([0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?)?$/),
  prescriber: text(1, 128),
  licence: bytes32,
  substitution: bool,
});
const Item = record("listed-item", { words: text(0, 64), codes: list(text(1, 32), 0, 3) });
const Shared = record("shared-record-1", {
  at: count,
  allergies: list(Item, 0, 32),
  medication: list(Item, 0, 48),
  moreAllergies: count,
  moreMedication: count,
  weight: count,
  weighed: count,
});
const Slip = record("fill-slip", { opens: count, closes: count, controlled: bool, signature: bytes64 });
const Code = record("prescription-code-1", {
  network: bytes32,
  fill: integer(0, 12),
  bearer: bytes32,
  salt: bytes32,
  content: Content,
  slip: Slip,
  patient: orNil(CardReference),
  record: orNil(Shared),
});

/** The code of a fill, whose content has this hash on the ledger. */
export function readCode(given: string, hash: Uint8Array): Of<typeof Code> {
  const code = codeFromText(given);
  const found = tagged("salus/prescription-content/1", code.salt, encode(Content, code.content));
  return same(found, hash) ? code : refuse("agent/prescription-altered");
}

function codeFromText(given: string): Of<typeof Code> {
  try {
    const line = given.replace(/^[\t-\r ]+|[\t-\r ]+$/g, "").toUpperCase();
    if (line.length > MAX_TEXT || !line.startsWith(PREFIX)) throw new Error("no code");
    const data = fromBase32(line.slice(PREFIX.length));
    const packed = data.subarray(4);
    if (!same(tagged("salus/prescription-code/1", packed).subarray(0, 4), data.subarray(0, 4))) throw new Error("misread");
    const plain = expand(packed);
    if (plain.length > MAX_PLAIN) throw new Error("too much");
    return decode(plain, Code, MAX_PLAIN);
  } catch {
    return refuse("agent/bad-prescription-code");
  }
}

/** RFC 4648, section 6, without padding. */
function fromBase32(digits: string): Uint8Array {
  if (![0, 2, 4, 5, 7].includes(digits.length % 8)) throw new Error("cut off");
  const data = new Uint8Array(Math.floor((digits.length * 5) / 8));
  let [held, bits, at] = [0, 0, 0];
  for (const digit of digits) {
    const value = LETTERS.indexOf(digit);
    if (value < 0) throw new Error("no digit");
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      data[at++] = held >> bits;
    }
  }
  return data;
}
