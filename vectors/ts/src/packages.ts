/** Key packages (SEC): how an epoch's pair reaches devices, standing grantees and the cold seed. */

import { be8, bytes, bytes16, bytes32, count, decode, join, list, record, refuse, same, type Of } from "./codec.js";
import { derive, openAead, openHpke, publicKey } from "./crypto.js";

const Slot = record("slot", { tag_: bytes16, sealed: bytes(92) });
const KeyPackage = record("key-package-1", {
  section: bytes32,
  epoch: count,
  seal_key: bytes(1216),
  previous: bytes(92),
  recovery: bytes(1200),
  slots: list(Slot, 0, 1024),
});

/** The pair (64 bytes: seal seed, history) that a key opens in a package. */
export async function openPackage(
  data: Uint8Array,
  by: "slot" | "recovery" | "history",
  key: Uint8Array,
  section: Uint8Array,
  epoch: number,
): Promise<Uint8Array> {
  const read = decode(data, KeyPackage, 1_048_576);
  if (!same(read.section, section) || read.epoch !== epoch) refuse("charts/wrong-package");
  const context = join("salus/key-package/1", section, be8(epoch));
  if (by === "history") {
    if (epoch === 0 || same(key, new Uint8Array(32))) refuse("charts/no-history");
    return openAead(derive(key, ["previous"]), context, read.previous);
  }
  if (by === "recovery") return matching(read, await openHpke(key, context, read.recovery));
  const slot = read.slots.find((one) => same(one.tag_, derive(key, ["slot-tag", context], 16)));
  return matching(read, openAead(key, context, (slot ?? refuse("charts/no-slot")).sealed));
}

async function matching(read: Of<typeof KeyPackage>, pair: Uint8Array): Promise<Uint8Array> {
  return same(await publicKey(pair.subarray(0, 32)), read.seal_key) ? pair : refuse("crypto/cannot-open");
}
