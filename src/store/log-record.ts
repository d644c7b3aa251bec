/**
 * The records of a write-ahead log, as bytes. Each holds the changes of one transaction:
 *
 *     length (4)  checksum (4)  sequence (6)  log (6)  change*
 *     change: length of the key (2)  length of the value (4)  key  value
 *
 * Numbers are little-endian; `length` counts what follows the checksum, which covers it. `log` is
 * chance, and tells the logs of two runs apart. Files are written over again, so what stands behind
 * the newest record is older, or zeros: a sequence that does not go on, a checksum that is wrong,
 * or a length of 0 is the end.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';

/** null: removed. */
export type Change = readonly [key: string, value: Uint8Array | null];

export interface LogPosition {
  readonly sequence: number;
  readonly log: number;
}

export interface LogRecord extends LogPosition {
  readonly changes: readonly Change[];
}

const numberBytes = 6;
/** Of what the length does not count. */
const frameBytes = 8;
const headerBytes = frameBytes + 2 * numberBytes;
const changeBytes = 6;
const removed = 0xffff_ffff;

export function encodeRecord({ sequence, log }: LogPosition, changes: readonly Change[]): Buffer {
  let length = headerBytes;
  for (const [key, value] of changes) {
    length += changeBytes + Buffer.byteLength(key) + (value?.length ?? 0);
  }
  const bytes = Buffer.allocUnsafeSlow(length);
  bytes.writeUInt32LE(length - frameBytes, 0);
  bytes.writeUIntLE(sequence, frameBytes, numberBytes);
  bytes.writeUIntLE(log, frameBytes + numberBytes, numberBytes);
  let at = headerBytes;
  for (const [key, value] of changes) {
    const keyLength = bytes.write(key, at + changeBytes);
    bytes.writeUInt16LE(keyLength, at);
    bytes.writeUInt32LE(value === null ? removed : value.length, at + 2);
    at += changeBytes + keyLength;
    if (value !== null) {
      bytes.set(value, at);
      at += value.length;
    }
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(frameBytes)), 4);
  return bytes;
}

/** The whole records from the file's start on whose sequences follow each other. */
export function readRecords(bytes: Buffer): readonly LogRecord[] {
  const records: LogRecord[] = [];
  for (let at = 0; at + headerBytes <= bytes.length; ) {
    const end = at + frameBytes + bytes.readUInt32LE(at);
    if (end < at + headerBytes || end > bytes.length) break;
    const checked = bytes.subarray(at + frameBytes, end);
    if (crc32(checked) !== bytes.readUInt32LE(at + 4)) break;
    const sequence = checked.readUIntLE(0, numberBytes);
    const log = checked.readUIntLE(numberBytes, numberBytes);
    const before = records.at(-1);
    if (before !== undefined && (sequence !== before.sequence + 1 || log !== before.log)) break;
    records.push({ sequence, log, changes: readChanges(checked.subarray(2 * numberBytes)) });
    at = end;
  }
  return records;
}

function readChanges(bytes: Buffer): readonly Change[] {
  const changes: Change[] = [];
  for (let at = 0; at < bytes.length; ) {
    const keyEnd = at + changeBytes + bytes.readUInt16LE(at);
    const key = bytes.toString('utf8', at + changeBytes, keyEnd);
    const length = bytes.readUInt32LE(at + 2);
    at = length === removed ? keyEnd : keyEnd + length;
    changes.push([key, length === removed ? null : bytes.subarray(keyEnd, at)]);
  }
  return changes;
}
