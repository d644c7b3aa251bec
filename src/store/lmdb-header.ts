/**
 * Looks at the first bytes of an LMDB file before LMDB does: lmdb-js 3.5 ends the process with a
 * segmentation fault, instead of an error, on a file whose first page is not one of its own.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';

/** The page header, then the meta page's magic number and version, in the machine's byte order. */
const layout = { flags: 18, magic: 24, version: 28, length: 32 } as const;
const metaFlag = 0x08;
const magic = 0xbeefc0de;
const dataVersion = 2;
/** Two meta pages of the smallest size. */
const bytesMin = 2 * 4_096;

/** Whether LMDB can make something of the file: it is missing, empty, or begins as its files do. */
export function looksLikeLmdb(path: string): boolean {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    if (size === 0) return true;
    if (size < bytesMin) return false;
    const view = new DataView(new ArrayBuffer(layout.length));
    if (readSync(file, view) < layout.length) return false;
    const little = endianness() === 'LE';
    return (
      (view.getUint16(layout.flags, little) & metaFlag) !== 0 &&
      view.getUint32(layout.magic, little) === magic &&
      (view.getUint32(layout.version, little) & 0xffff) === dataVersion
    );
  } finally {
    closeSync(file);
  }
}
