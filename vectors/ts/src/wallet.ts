/** What follows from the seeds of a wallet and of a node (ENC-20, ENC-21), and the ids of ENC-11 on the way. */

import { ed25519 } from "@noble/curves/ed25519.js";
import { encode, join } from "./codec.js";
import { derive, HybridKey, HybridPublic, personId, publicKey, sha256, tagged } from "./crypto.js";

export const verifyKey = (seed: Uint8Array): Uint8Array => ed25519.getPublicKey(seed);
const sealingKey = async (seed: Uint8Array): Promise<Uint8Array> => sha256(await publicKey(seed));

/** Every key by its name, from the seeds by theirs; of the keys for sealing, their hashes. */
export async function following(seed: (name: string) => Uint8Array, kind: string): Promise<Record<string, Uint8Array>> {
  const own = (...path: (string | Uint8Array)[]): Uint8Array => derive(seed("seed"), path);
  const identity = new HybridKey(own("identity"));
  const next_owner = tagged("salus/next-owner/1", verifyKey(derive(seed("cold"), ["owner", kind])));
  const owner = verifyKey(own("section", kind, "owner"));
  const section = tagged("salus/section/1", seed("network"), owner, next_owner);
  const blind = derive(derive(seed("node"), ["vault"]), ["blind", section]);
  return {
    identity: encode(HybridPublic, identity.public),
    person: personId(identity.public),
    sealing: await sealingKey(own("sealing")),
    mailbox: tagged("salus/mailbox-id/1", verifyKey(own("mailbox"))),
    token: derive(seed("seed"), ["mailbox-token"], 16),
    member: tagged("salus/member/1", verifyKey(own("authority"))),
    next_owner,
    owner,
    section,
    receipt_key: await sealingKey(own("section", kind, "receipt")),
    slot: derive(seed("reading"), ["slot", section]),
    granted_slot: derive(seed("reading"), ["granted-slot", section, seed("grant")]),
    writer: verifyKey(own("writer", section, seed("grant"))),
    revocation: tagged("salus/revocation/1", own("revocation", join(seed("grant"), section))),
    recovery: await sealingKey(derive(seed("cold"), ["recovery"])),
    node_key: verifyKey(derive(seed("node"), ["node"])),
    blinded: tagged("salus/blinded-section/1", blind, section),
  };
}
