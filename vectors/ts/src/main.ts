/**
 * The second reader: `check` gives a verdict on every vector, `seal` makes an entry for the first implementation.
 *
 * `node out/main.js check FOLDER [KIND ...]` prints one line a vector, `kind/what verdict`, and fails where a verdict is not the expected one.
 * `node out/main.js third-party FOLDER` prints what it accepts of the signatures that others publish.
 * `node out/main.js seal FILE` writes a sealed entry as a vector that opens.
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join as path } from "node:path";
import { gunzipSync } from "node:zlib";
import * as care from "./care.js";
import { decode, encode, Refused, same } from "./codec.js";
import { HybridKey, HybridPublic, HybridSignature, isSound, openAead, openHpke, publicKey, randomBytes } from "./crypto.js";
import { requireHybrid, verifies, verifiesLattice } from "./crypto.js";
import { context, halfOf, Inside, openEntry, requireCommitted, sealEntry } from "./entries.js";
import * as exchange from "./exchange.js";
import * as files from "./files.js";
import * as ledger from "./ledger.js";
import { openPackage } from "./packages.js";
import * as prescriptions from "./prescriptions.js";
import { following } from "./wallet.js";
import * as schedules from "./schedules.js";
import * as warrants from "./warrants.js";

const MAX_READ = 131_072;

/** The fields of one vector. */
class Fields {
  readonly #values: Map<string, string>;

  constructor(file: string) {
    const lines = readFileSync(file, "ascii").split("\n").filter(Boolean);
    this.#values = new Map(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
  }

  has = (name: string): boolean => this.#values.has(name);
  text = (name: string): string => this.#values.get(name) ?? "";
  number = (name: string): number => Number(this.text(name));
  words = (name: string): string => Buffer.from(this.text(name), "hex").toString("utf8");
  raw = (name: string): Uint8Array => new Uint8Array(Buffer.from(this.text(name), "hex"));
}

const genesis = (f: Fields) => decode(f.raw("genesis"), ledger.Genesis, ledger.MAX_GENESIS);
const place = (f: Fields): warrants.Place => ({
  network: f.raw("network"),
  section: f.raw("section"),
  owner: f.raw("owner"),
  maxWindow: f.number("max_window"),
});

/** What is asked of each kind of vector. */
const KINDS: Record<string, (f: Fields) => unknown> = {
  aead: (f) => openAead(f.raw("key"), f.raw("context"), f.raw("sealed")),
  hpke: (f) => openHpke(f.raw("seed"), f.raw("info"), f.raw("sealed")),
  hybrid: (f) =>
    requireHybrid(
      decode(f.raw("key"), HybridPublic, 4096),
      "salus/vector/1",
      f.raw("message"),
      decode(f.raw("signature"), HybridSignature, 8192),
    ),
  entry: (f) => openEntry(f.raw("blob"), f.raw("half"), f.raw("network"), f.raw("section"), f.number("epoch")),
  half: (f) => halfOf(f.raw("blob"), f.raw("seed"), context(f.raw("network"), f.raw("section"), f.number("epoch"))),
  commitment: (f) => requireCommitted(decode(f.raw("inside"), Inside, 67_108_864), f.raw("commitment")),
  key: (f) => {
    if (!isSound(f.raw("key"))) throw new Refused("crypto/unsound-key");
  },
  wallet: async (f) => {
    for (const [name, value] of Object.entries(await following(f.raw, f.words("section_kind")))) {
      if (!same(value, f.raw(name))) throw new Error(`another ${name}`);
    }
  },
  package: async (f) => {
    const by = (["slot", "recovery", "history"] as const).find(f.has)!;
    const pair = await openPackage(f.raw("package"), by, f.raw(by), f.raw("section"), f.number("epoch"));
    if (!same(pair, f.raw("pair"))) throw new Error("another pair");
  },
  genesis: (f) => {
    if (!same(ledger.networkId(genesis(f)), f.raw("network"))) throw new Refused("ledger/wrong-network");
  },
  header: (f) => {
    const [founded, before] = [genesis(f), decode(f.raw("previous"), ledger.SignedHeader, 8192)];
    const signed = decode(f.raw("header"), ledger.SignedHeader, 8192);
    ledger.requireHeader(founded, signed);
    ledger.requireLinked(before.header, signed.header);
  },
  transaction: (f) => decode(f.raw("transaction"), ledger.Transaction, 65_536),
  answer: (f) => ledger.requireAnswer(genesis(f), decode(f.raw("answer"), ledger.StateAnswer, ledger.MAX_GENESIS)),
  proof: (f) => ledger.requireProofs(genesis(f), f.raw("proof")),
  warrant: (f) => warrants.requireWarrant(decode(f.raw("warrant"), warrants.Warrant, MAX_READ), place(f)),
  reading: (f) => {
    const licence = f.text("licence") ? decode(f.raw("licence"), ledger.Licence, 4096) : null;
    const facts = { now: f.number("now"), licence, writer: f.raw("writer") };
    warrants.requireReading(decode(f.raw("read"), warrants.SignedRead, MAX_READ), place(f), f.raw("vault"), facts);
  },
  owner: (f) =>
    warrants.requireOwner(decode(f.raw("request"), warrants.SignedOwner, 8192), f.raw("owner"), f.raw("network"), f.raw("vault")),
  receipt: (f) => warrants.requireReceipt(f.raw("seed"), f.raw("receipt"), place(f), f.raw("vault")),
  promise: (f) =>
    warrants.requirePromise(
      decode(f.raw("promise"), warrants.SignedPromise, 8192),
      f.raw("vault"),
      f.raw("node"),
      decode(f.raw("read"), warrants.SignedRead, MAX_READ),
    ),
  receipts: (f) =>
    warrants.requireReceipts(decode(f.raw("answer"), warrants.ReceiptsAnswer, ledger.MAX_GENESIS), {
      section: f.raw("section"),
      first: f.number("first"),
      head: f.raw("head"),
      root: f.raw("root"),
      leaves: f.number("leaves"),
    }),
  card: (f) => exchange.requireCard(decode(f.raw("card"), exchange.SignedCard, 16_384), f.raw("network")),
  contact: (f) => exchange.requireCard(exchange.cardFromText(f.words("text")), f.raw("network")),
  letter: (f) =>
    exchange.openLetter(f.raw("seed"), f.raw("letter"), f.raw("mailbox"), f.raw("network"), f.raw("recipient")),
  claim: (f) => exchange.requireClaim(decode(f.raw("claim"), exchange.Claim, 8192), f.raw("network")),
  collect: (f) => exchange.requireCollect(decode(f.raw("collect"), exchange.Collect, 8192), f.raw("network")),
  guest: (f) => {
    const guest = exchange.requireVouched(decode(f.raw("claim"), exchange.Claim, 8192), f.raw("network"), f.raw("member"));
    if (!same(guest, f.raw("guest"))) throw new Error("another guest");
  },
  redemption: (f) =>
    exchange.requireRedemption(decode(f.raw("redemption"), exchange.Redemption, 8192), f.raw("network"), f.raw("member")),
  prescription: (f) => prescriptions.readCode(f.words("text"), f.raw("content")),
  prescribed: (f) =>
    care.requirePrescribed(decode(f.raw("letter"), care.PrescriptionLetter, care.MAX_LETTER), {
      network: f.raw("network"),
      content: f.raw("content"),
      holder: f.raw("holder"),
      opens: f.number("opens"),
      closes: f.number("closes"),
    }),
  "prescription-note": (f) => decode(f.raw("letter"), care.PrescriptionNote, care.MAX_LETTER),
  "outage-supply": (f) =>
    care.requireSupplied(decode(f.raw("letter"), care.SignedStatement, care.MAX_LETTER), decode(f.raw("slip"), care.Slip, 1024), {
      holder: f.raw("holder"),
      pharmacist: f.raw("pharmacist"),
    }),
  dispensed: (f) => decode(f.raw("letter"), care.DispensedNotice, care.MAX_LETTER),
  order: (f) => care.requireOrder(decode(f.raw("letter"), care.OrderLetter, care.MAX_LETTER), f.raw("network"), f.raw("content")),
  ordered: (f) =>
    care.requireOrdered(decode(f.raw("letter"), care.OrderedLetter, care.MAX_LETTER), f.raw("network"), f.raw("content")),
  result: (f) =>
    care.requireResult(decode(f.raw("letter"), care.ResultLetter, care.MAX_LETTER), {
      network: f.raw("network"),
      order: f.raw("content"),
      report: f.raw("report"),
    }),
  release: (f) => decode(f.raw("letter"), care.ReleasePreference, care.MAX_LETTER),
  booking: (f) =>
    care.requireBooking(decode(f.raw("letter"), care.BookingLetter, care.MAX_LETTER), f.raw("patient"), f.raw("person")),
  appointment: (f) =>
    schedules.requireAbout(decode(f.raw("letter"), care.AppointmentLetter, care.MAX_LETTER).signed, f.raw("network")),
  link: (f) => decode(f.raw("letter"), care.LinkLetter, 4096),
  invitation: (f) => exchange.readInvitation(f.words("text")),
  stamp: (f) => exchange.requireStamp(decode(f.raw("drop"), exchange.Drop, 8192), f.raw("network"), f.raw("node")),
  peer: (f) => exchange.requirePeer(decode(f.raw("ask"), exchange.PeerAsk, 8192), f.raw("network"), f.raw("asked"), f.raw("node")),
  engine: (f) =>
    exchange.requireEngineAsk(decode(f.raw("ask"), exchange.EngineAsk, 8192), f.raw("network"), f.raw("asked"), f.raw("node")),
  push: (f) =>
    exchange.requirePush(decode(f.raw("pushed"), exchange.Pushed, 33_619_968), f.raw("network"), f.raw("asked"), f.raw("node")),
  place: (f) => {
    const members = Array.from({ length: f.raw("members").length / 32 }, (_, at) => f.raw("members").subarray(32 * at, 32 * at + 32));
    const found = exchange.keepers(members, f.raw("blob"), f.number("copies"));
    if (!same(Buffer.concat(found), f.raw("keepers"))) throw new Error("other keepers");
  },
  reference: (f) => exchange.requireCard(exchange.openCard(f.words("text"), f.raw("sealed")), f.raw("network")),
  deposit: (f) => exchange.requireDeposit(decode(f.raw("deposit"), exchange.Deposit, 32_768), f.raw("network")),
  member: (f) => exchange.memberFromText(f.words("text")),
  listing: (f) => exchange.requireListing(decode(f.raw("listing"), exchange.SignedListing, 32_768), f.raw("network")),
  page: (f) => schedules.requirePage(decode(f.raw("page"), schedules.SchedulePage, 262_144), f.raw("network"), f.raw("root")),
  found: (f) =>
    schedules.requireFound(
      decode(f.raw("found"), schedules.FoundSlot, 8192),
      decode(f.raw("about"), schedules.About, 32_768),
      f.raw("root"),
    ),
  locked: (f) => files.unlock(f.words("passphrase"), f.raw("locked")),
  export: (f) => files.readChunks(f.raw("export"), f.words("passphrase")),
  items: (f) => files.readItems(files.readChunks(f.raw("export"), f.words("passphrase"))),
  cold: (f) => files.readCold(f.words("file")),
};

/** "accepted", or the code of the refusal; anything else that is thrown is a fault of this reader. */
async function verdict(f: Fields): Promise<string> {
  try {
    await KINDS[f.text("kind")]!(f);
  } catch (error) {
    if (error instanceof Refused) return error.code;
    throw error;
  }
  return "accepted";
}

/** A parser that forgets how a value was spelled cannot tell these two apart; both refuse, and that must agree. */
const MALFORMED = ["codec/not-decodable", "codec/not-canonical"];

function agrees(found: string, expected: string): boolean {
  return found === expected || (MALFORMED.includes(found) && MALFORMED.includes(expected));
}

async function check(folder: string, kinds: string[]): Promise<void> {
  let [passed, failed, spelled] = [0, 0, 0];
  for (const kind of kinds.length ? kinds : Object.keys(KINDS)) {
    for (const file of readdirSync(path(folder, kind)).sort()) {
      const fields = new Fields(path(folder, kind, file));
      const [found, expected] = [await verdict(fields), fields.text("expect")];
      if (agrees(found, expected)) passed += 1;
      else failed += 1;
      if (found !== expected) spelled += 1;
      console.log(`${kind}/${fields.text("what")} ${found}${agrees(found, expected) ? "" : ` EXPECTED ${expected}`}`);
    }
  }
  console.error(`${passed} passed, ${failed} failed; in ${spelled - failed} another of the two codes for malformed bytes`);
  process.exitCode = failed || !passed ? 1 : 0;
}

const hex = (text = ""): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

function thirdParty(folder: string): void {
  const load = (name: string): any[] => JSON.parse(gunzipSync(readFileSync(path(folder, `${name}.json.gz`))).toString());
  const say = (name: string, verdicts: boolean[]): void => console.log(name, verdicts.map(Number).join(""));
  const edges = load("ed25519-edge-cases");
  say("ed25519-edge-cases", edges.map((c) => verifies(hex(c.key), Buffer.from(c.msg), hex(c.sig))));
  say("sound-keys", edges.map((c) => isSound(hex(c.key))));
  const trials = (name: string): any[] => load(`wycheproof/${name}`).flatMap((g) => g.tests.map((t: object) => ({ ...g, ...t })));
  say("ed25519_test", trials("ed25519_test").map((t) => verifies(hex(t.publicKey.pk), hex(t.msg), hex(t.sig))));
  const lattice = trials("mldsa_65_verify_test");
  say("mldsa_65_verify_test", lattice.map((t) => verifiesLattice(hex(t.publicKey), hex(t.msg), hex(t.ctx), hex(t.sig))));
}

async function seal(file: string): Promise<void> {
  const [seed, network, section] = [randomBytes(32), randomBytes(32), randomBytes(32)];
  const data = Buffer.from(`{"resourceType":"Observation","id":"2","note":[{"text":"${"é🩺".repeat(70_000)}"}]}`);
  const author = new HybridKey(new Uint8Array(randomBytes(32)));
  const blob = await sealEntry(author, await publicKey(seed), network, section, 7, "Observation/2", new Uint8Array(data));
  const fields = { blob, seed, network, section, author: encode(HybridPublic, author.public), data };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${Buffer.from(value).toString("hex")}`);
  writeFileSync(file, ["epoch: 7", "identity: Observation/2", ...lines, ""].join("\n"));
}

const [command, argument, ...kinds] = process.argv.slice(2);
if (command === "check" && argument) await check(argument, kinds);
else if (command === "third-party" && argument) thirdParty(argument);
else if (command === "seal" && argument) await seal(argument);
else process.exitCode = 2;
