/** The ledger's lists, headers and proofs (STATE-3 to STATE-13), as a stranger checks them with the genesis document. */

import { tagged } from "./crypto.js";

const listNode = (left: Uint8Array, right: Uint8Array): Uint8Array => tagged("salus/list-inner/1", left, right);

/** The largest power of two below `size`, which is two or more. */
const half = (size: number): number => 2 ** Math.floor(Math.log2(size - 1));

/** The root over items in their order. */
export function listRoot(items: Uint8Array[]): Uint8Array {
  if (items.length === 0) return tagged("salus/list-empty/1");
  if (items.length === 1) return tagged("salus/list-leaf/1", items[0]!);
  const split = half(items.length);
  return listNode(listRoot(items.slice(0, split)), listRoot(items.slice(split)));
}
