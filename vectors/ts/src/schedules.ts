/** Pages of schedules, and slots that are shown to stand on one (SCH-44, SCH-50). */

import { bytes32, count, encode, integer, list, orNil, record, refuse, same, text, type Of } from "./codec.js";
import { HybridSignature, requireHybrid, tagged } from "./crypto.js";
import { requireCard, showable, SignedCard } from "./exchange.js";
import { listRoot, requireInList, ShownSlot, TimeSlot } from "./ledger.js";

const Spot = record("spot", {
  latitude: integer(-90_000_000, 90_000_000),
  longitude: integer(-180_000_000, 180_000_000),
});
export const About = record("schedule-about-1", {
  network: bytes32,
  schedule: bytes32,
  card: SignedCard,
  licence: bytes32,
  service: text(1, 128),
  organisation: text(0, 128),
  specialties: list(text(1, 64), 0, 8),
  languages: list(text(0, 35, /^[a-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}$/), 0, 8),
  telecom: list(text(1, 128), 0, 4),
  place: text(0, 128),
  spot: orNil(Spot),
  zone: text(0, 64, /^[A-Za-z0-9_+-]{1,32}(\/[A-Za-z0-9_+-]{1,32}){0,2}$/),
});
export const SignedAbout = record("signed-about", { about: About, signature: HybridSignature });
export const SchedulePage = record("schedule-page-1", {
  about: SignedAbout,
  begins: count,
  ends: count,
  slots: list(TimeSlot, 0, 4095),
});
export const FoundSlot = record("found-slot", {
  shown: ShownSlot,
  about: integer(0, 49),
  count: integer(1, 4096),
  path: list(bytes32, 0, 12),
});

const aboutHash = (about: Of<typeof About>): Uint8Array => tagged("salus/schedule-about-hash/1", encode(About, about));

/** What a schedule is about, signed by the key of its card, which is nobody's that has no schedule (SCH-44). */
export function requireAbout({ about, signature }: Of<typeof SignedAbout>, network: Uint8Array): void {
  if (!same(about.network, network)) refuse("warrants/wrong-network");
  const card = requireCard(about.card, network);
  requireHybrid(card.key, "salus/schedule-about/1", encode(About, about), signature);
  if (card.role === "patient") refuse("warrants/patient-listed");
  if (card.token) refuse("warrants/token-listed");
  const texts = [about.service, about.organisation, about.place, ...about.specialties, ...about.telecom];
  if (!texts.filter((one) => one !== "").every(showable)) refuse("warrants/bad-listing-text");
}

/** SCH-44: the page is its card's, in order, and whole under this root. */
export function requirePage(page: Of<typeof SchedulePage>, network: Uint8Array, root: Uint8Array): void {
  requireAbout(page.about, network);
  let at = page.begins;
  for (const slot of page.slots) {
    if (slot.start < at || slot.end <= slot.start || slot.start >= page.ends) refuse("warrants/bad-page");
    at = slot.end;
  }
  const items = [...page.slots.map((slot) => encode(TimeSlot, slot)), aboutHash(page.about.about)];
  if (!same(listRoot(items), root)) refuse("ledger/bad-list-proof");
}

/** SCH-50: the slot and what describes it stand under the root. */
export function requireFound(found: Of<typeof FoundSlot>, about: Of<typeof About>, root: Uint8Array): void {
  const { shown } = found;
  requireInList(root, encode(TimeSlot, shown.slot), shown.index, found.count, shown.path);
  requireInList(root, aboutHash(about), found.count - 1, found.count, found.path);
}
