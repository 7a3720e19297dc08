import { readFileSync } from "node:fs";
import { openEntry } from "./entries.js";
const fields = Object.fromEntries(readFileSync(process.argv[2]!, "ascii").split("\n").filter(Boolean).map((l) => l.split(": ", 2)));
const hex = (n: string) => new Uint8Array(Buffer.from(fields[n]!, "hex"));
const i = openEntry(hex("blob"), hex("half"), hex("network"), hex("section"), Number(fields["epoch"]));
console.log(i.header.source, i.leaves);
