/** Canonical bytes (ENC-1 to ENC-8): shapes, strict decoding, and the check that encoding again gives the same bytes. */

import { decode as parse, encode as unparse } from "@msgpack/msgpack";

/** A refusal with the code that spec/errors.md registers. */
export class Refused extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

/** Throws `Refused` with this code. */
export function refuse(code: string): never {
  throw new Refused(code);
}

/** What a value looks like: `read` takes it from plain MessagePack values or refuses, `plain` gives it back. */
export interface Shape<T> {
  read(value: unknown): T;
  plain(value: T): unknown;
}

export type Of<S> = S extends Shape<infer T> ? T : never;

const malformed = (): never => refuse("codec/not-decodable");

function simple<T>(read: (value: unknown) => T): Shape<T> {
  return { read, plain: (value) => value };
}

/** Bytes, from `least` to `most` of them. */
export const bytes = (least: number, most = least): Shape<Uint8Array> =>
  simple((value) => (value instanceof Uint8Array && value.length >= least && value.length <= most ? value : malformed()));

export const bytes16 = bytes(16);
export const bytes32 = bytes(32);
export const bytes64 = bytes(64);

/** An integer; none of them is larger than 2^53 - 1. */
export const integer = (least: number, most: number): Shape<number> =>
  simple((value) => {
    const number = typeof value === "bigint" && value <= BigInt(most) ? Number(value) : value;
    return typeof number === "number" && Number.isInteger(number) && number >= least && number <= most ? number : malformed();
  });

export const count = integer(0, Number.MAX_SAFE_INTEGER);

/** Text, from `least` to `most` Unicode code points. */
export const text = (least: number, most: number, pattern = /^/): Shape<string> =>
  simple((value) => {
    if (typeof value !== "string" || !pattern.test(value)) return malformed();
    const length = [...value].length;
    return length >= least && length <= most ? value : malformed();
  });

export const bool: Shape<boolean> = simple((value) => (typeof value === "boolean" ? value : malformed()));

/** One of these texts. */
export const oneOf = <const T extends string>(...codes: T[]): Shape<T> =>
  simple((value) => codes.find((code) => code === value) ?? malformed());

/** X, or nothing. */
export const orNil = <T>(shape: Shape<T>): Shape<T | null> => ({
  read: (value) => (value === null ? null : shape.read(value)),
  plain: (value) => (value === null ? null : shape.plain(value)),
});

/** From `least` to `most` elements. */
export const list = <T>(shape: Shape<T>, least: number, most: number): Shape<T[]> => ({
  read: (value) =>
    Array.isArray(value) && value.length >= least && value.length <= most ? value.map((one) => shape.read(one)) : malformed(),
  plain: (value) => value.map((one) => shape.plain(one)),
});

/** Two elements without a tag. */
export const pair = <T>(shape: Shape<T>): Shape<T[]> => list(shape, 2, 2);

type Fields = Record<string, Shape<any>>;
type Values<F extends Fields> = { [K in keyof F]: Of<F[K]> };
export type RecordShape<F extends Fields, T extends string = string> = Shape<Values<F> & { tag: T }> & { tag: T };

/** An array that begins with the tag and holds all fields, in this order. */
export function record<const T extends string, F extends Fields>(tag: T, fields: F): RecordShape<F, T> {
  const names = Object.keys(fields);
  return {
    tag,
    read(value) {
      if (!Array.isArray(value) || value.length !== names.length + 1 || value[0] !== tag) return malformed();
      const read = names.map((name, index) => [name, fields[name]!.read(value[index + 1])]);
      return { tag, ...Object.fromEntries(read) };
    },
    plain: (value) => [tag, ...names.map((name) => fields[name]!.plain(value[name as keyof F]))],
  };
}

/** One of several records, told by the tag. */
export const choice = <S extends RecordShape<any>>(...shapes: S[]): Shape<Of<S>> => {
  const found = (tag: unknown): S => shapes.find((shape) => shape.tag === tag) ?? malformed();
  return {
    read: (value) => (Array.isArray(value) ? found(value[0]) : malformed()).read(value) as Of<S>,
    plain: (value) => found((value as { tag: string }).tag).plain(value),
  };
};

/** The canonical bytes of a value. */
export function encode<T>(shape: Shape<T>, value: T): Uint8Array {
  return unparse(shape.plain(value));
}

/** The value whose canonical bytes these are; at most `limit` bytes. */
export function decode<T>(data: Uint8Array, shape: Shape<T>, limit: number): T {
  if (data.length > limit) refuse("codec/too-large");
  let plain: unknown;
  try {
    plain = parse(data, { useBigInt64: true });
  } catch {
    malformed();
  }
  const value = shape.read(plain);
  if (!same(encode(shape, value), data)) refuse("codec/not-canonical");
  return value;
}

/** Whether two rows of bytes are equal. */
export const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

/** One row of bytes after the other; text in ASCII. */
export const join = (...parts: (Uint8Array | string)[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "ascii") : part))));

/** An integer as 8 big-endian bytes. */
export function be8(number: number): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(number));
  return out;
}

/** An integer as 4 big-endian bytes. */
export function be4(number: number): Uint8Array {
  return be8(number).slice(4);
}
