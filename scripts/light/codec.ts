/**
 * MessagePack for the client's one file (docs/adr/0011-light-client.md), where `msgpackr` would be
 * ten times as large: no more than `src/wire/binary.ts` asks of it. What is packed was looked at by
 * `sendable.ts` before, what is unpacked by `scan.ts`: so nothing is checked here.
 * test/property/light-codec.test.ts holds it against `msgpackr`.
 */
import { Buffer } from 'node:buffer';

const bufferBytes = 8_192;
/** What any head takes at most, with the number behind it. */
const headBytes = 9;
/** Up to so many characters a loop is quicker than a call out of JavaScript. */
const maxLoopLength = 24;

// One for all packers and one for all unpackers, as both are synchronous.
const nothing: Buffer = Buffer.alloc(0);
let out = nothing;
let end = 0;
/** Where what is being packed begins. */
let begin = 0;

export class Packr {
  #buffer: Buffer = Buffer.allocUnsafeSlow(bufferBytes);
  #used = 0;

  /** Behind what was packed before, in the same buffer. */
  pack(value: unknown): Buffer {
    out = this.#buffer;
    begin = this.#used;
    end = begin;
    write(value);
    this.#buffer = out;
    this.#used = end;
    // A large one is not to outlive its message.
    out = nothing;
    return this.#buffer.subarray(begin, end);
  }

  useBuffer(buffer: Buffer): void {
    this.#buffer = buffer;
    this.#used = 0;
  }
}

function reserve(bytes: number): void {
  if (end + bytes <= out.length) return;
  const packed = end - begin;
  const larger = Buffer.allocUnsafeSlow(Math.max(bufferBytes, 2 * (packed + bytes)));
  out.copy(larger, 0, begin, end);
  out = larger;
  begin = 0;
  end = packed;
}

function write(value: unknown): void {
  reserve(headBytes);
  switch (typeof value) {
    case 'string':
      return writeString(value);
    case 'number':
      return writeNumber(value);
    case 'boolean':
      out[end++] = value ? 0xc3 : 0xc2;
      return;
    case 'bigint':
      if (value < 2n ** 63n) {
        out[end] = 0xd3;
        out.writeBigInt64BE(value, end + 1);
      } else {
        out[end] = 0xcf;
        out.writeBigUInt64BE(value, end + 1);
      }
      end += 9;
      return;
    default:
      if (value === null) out[end++] = 0xc0;
      else if (Array.isArray(value)) writeArray(value);
      else if (value instanceof Uint8Array) writeBytes(value);
      else writeMap(value as Readonly<Record<string, unknown>>);
  }
}

function writeNumber(value: number): void {
  // As `msgpackr`: what is whole and has 32 bits as an integer, and -0 as 0.
  if (value >>> 0 === value) {
    if (value < 0x80) out[end++] = value;
    else writeHead(value, 0xcc, 0xcd, 0xce);
  } else if ((value | 0) === value) {
    if (value >= -0x20) {
      out[end++] = 0x100 + value;
    } else if (value >= -0x80) {
      out[end++] = 0xd0;
      out[end++] = 0x100 + value;
    } else if (value >= -0x8000) {
      out[end] = 0xd1;
      end = out.writeInt16BE(value, end + 1);
    } else {
      out[end] = 0xd2;
      end = out.writeInt32BE(value, end + 1);
    }
  } else {
    out[end] = 0xcb;
    end = out.writeDoubleBE(value, end + 1);
  }
}

/** A number, or how much follows, in the fewest bytes; 0: there is no form with one byte. */
function writeHead(size: number, one: number, two: number, four: number): void {
  if (size < 0x100 && one !== 0) {
    out[end++] = one;
    out[end++] = size;
  } else if (size < 0x10000) {
    out[end] = two;
    end = out.writeUInt16BE(size, end + 1);
  } else {
    out[end] = four;
    end = out.writeUInt32BE(size, end + 1);
  }
}

function writeString(text: string): void {
  const { length } = text;
  if (length <= maxLoopLength) {
    reserve(1 + length);
    let index = 0;
    for (; index < length; index += 1) {
      const code = text.charCodeAt(index);
      if (code >= 0x80) break;
      out[end + 1 + index] = code;
    }
    if (index === length) {
      out[end] = 0xa0 | length;
      end += 1 + length;
      return;
    }
  }
  const bytes = Buffer.byteLength(text);
  reserve(headBytes + bytes);
  if (bytes < 0x20) out[end++] = 0xa0 | bytes;
  else writeHead(bytes, 0xd9, 0xda, 0xdb);
  end += out.write(text, end);
}

function writeBytes(bytes: Uint8Array): void {
  reserve(headBytes + bytes.length);
  writeHead(bytes.length, 0xc4, 0xc5, 0xc6);
  out.set(bytes, end);
  end += bytes.length;
}

function writeArray(entries: readonly unknown[]): void {
  if (entries.length < 0x10) out[end++] = 0x90 | entries.length;
  else writeHead(entries.length, 0, 0xdc, 0xdd);
  for (const entry of entries) write(entry);
}

function writeMap(fields: Readonly<Record<string, unknown>>): void {
  const keys = Object.keys(fields);
  if (keys.length < 0x10) out[end++] = 0x80 | keys.length;
  else writeHead(keys.length, 0, 0xde, 0xdf);
  for (const key of keys) {
    reserve(headBytes);
    writeString(key);
    write(fields[key]);
  }
}

let source = nothing;
let at = 0;

export class Unpackr {
  /** Recursive: the scan has limited the depth. */
  unpack(bytes: Uint8Array, { start }: { readonly start: number }): unknown {
    source = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    at = start;
    try {
      return read();
    } finally {
      source = nothing;
    }
  }
}

function read(): unknown {
  const token = source[at++] as number;
  if (token < 0x80) return token;
  if (token < 0x90) return readMap(token & 0x0f);
  if (token < 0xa0) return readArray(token & 0x0f);
  if (token < 0xc0) return readString(token & 0x1f);
  if (token >= 0xe0) return token - 0x100;
  switch (token) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return readBytes(readSize(token - 0xc4));
    case 0xca:
      at += 4;
      return source.readFloatBE(at - 4);
    case 0xcb:
      at += 8;
      return source.readDoubleBE(at - 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
      return readSize(token - 0xcc);
    case 0xcf:
      at += 8;
      return narrow(source.readBigUInt64BE(at - 8));
    case 0xd0:
      return source.readInt8(at++);
    case 0xd1:
      at += 2;
      return source.readInt16BE(at - 2);
    case 0xd2:
      at += 4;
      return source.readInt32BE(at - 4);
    case 0xd3:
      at += 8;
      return narrow(source.readBigInt64BE(at - 8));
    case 0xd9:
    case 0xda:
    case 0xdb:
      return readString(readSize(token - 0xd9));
    case 0xdc:
    case 0xdd:
      return readArray(readSize(token - 0xdb));
    default:
      return readMap(readSize(token - 0xdd));
  }
}

/** Of 1, 2 or 4 bytes, as the power of two. */
function readSize(power: number): number {
  const bytes = 1 << power;
  at += bytes;
  return source.readUIntBE(at - bytes, bytes);
}

/** Integers that a double cannot hold stay bigints. */
function narrow(value: bigint): number | bigint {
  return value >= -(2n ** 53n) && value <= 2n ** 53n ? Number(value) : value;
}

function readString(bytes: number): string {
  const start = at;
  at += bytes;
  if (bytes <= maxLoopLength) {
    let text = '';
    let index = start;
    for (; index < at; index += 1) {
      const code = source[index] as number;
      if (code >= 0x80) break;
      text += String.fromCharCode(code);
    }
    if (index === at) return text;
  }
  return source.toString('utf8', start, at);
}

/** Short keys that came before, by a hash: the same few come in every message. */
const knownKeys: (string | undefined)[] = new Array(256).fill(undefined);

function readKey(bytes: number): string {
  if (bytes === 0 || bytes > maxLoopLength) return readString(bytes);
  const first = source[at] as number;
  const slot = (first * 31 + (source[at + bytes - 1] as number) * 7 + bytes) & 0xff;
  const known = knownKeys[slot];
  if (known?.length === bytes && stands(known)) {
    at += bytes;
    return known;
  }
  const key = readString(bytes);
  knownKeys[slot] = key;
  return key;
}

/** Whether the bytes that come next are this text: ASCII alone, or a byte is no character. */
function stands(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code >= 0x80 || code !== source[at + index]) return false;
  }
  return true;
}

/** A copy: a transport uses its buffer again. */
function readBytes(bytes: number): Uint8Array {
  at += bytes;
  return Uint8Array.prototype.slice.call(source, at - bytes, at);
}

function readArray(length: number): unknown[] {
  const entries: unknown[] = [];
  for (let index = 0; index < length; index += 1) entries.push(read());
  return entries;
}

function readMap(length: number): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (let index = 0; index < length; index += 1) {
    const token = source[at++] as number;
    const key = readKey(token < 0xc0 ? token & 0x1f : readSize(token - 0xd9));
    const value = read();
    // The message is refused for it: here it must only do no harm.
    if (key !== '__proto__') fields[key] = value;
  }
  return fields;
}
