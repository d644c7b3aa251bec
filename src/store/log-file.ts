/**
 * One file of a write-ahead log: appended to from its start, and written over again once what it
 * holds is elsewhere. It grows by zeros in large steps, so that nearly every flush has to write the
 * record alone, and not the file's new length as well.
 */
import { Buffer } from 'node:buffer';
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  openSync,
  readFileSync,
  statSync,
  write,
} from 'node:fs';
import process from 'node:process';
import { atPlace, privateFile } from './store-place.ts';

const growthBytes = 1024 * 1024;
/**
 * On Linux a write by such a descriptor is flushed as `fdatasync` would, in one step of the thread
 * pool instead of two. Elsewhere the flag may leave it in the disk's own memory.
 */
const flushesItself = process.platform === 'linux';

export class LogFile {
  readonly path: string;
  readonly #file: number;
  readonly #identity: { readonly dev: number; readonly ino: number };
  #length: number;
  #at = 0;

  /** Made where it is missing. Its directory entry is for the caller to flush. */
  constructor(path: string) {
    this.path = path;
    const flags = constants.O_RDWR | constants.O_CREAT | (flushesItself ? constants.O_DSYNC : 0);
    this.#file = atPlace(path, () => openSync(path, flags, privateFile));
    const { dev, ino, size } = fstatSync(this.#file);
    this.#identity = { dev, ino };
    this.#length = size;
  }

  /** Bytes from its start that the records since `rewind` take. */
  get bytes(): number {
    return this.#at;
  }

  read(): Buffer {
    return readFileSync(this.path);
  }

  /** The next record goes to the start. */
  rewind(): void {
    this.#at = 0;
  }

  /** On disk when it resolves. One at a time. Not to be tried again where it fails. */
  async append(bytes: Buffer): Promise<void> {
    this.#assertThere();
    const end = this.#at + bytes.length;
    if (end > this.#length) {
      const more = Math.ceil((end - this.#length) / growthBytes) * growthBytes;
      // Where there is no room for so much, the record itself may still have it.
      await this.#write(Buffer.alloc(more), this.#length).catch(() => undefined);
      this.#length = Math.max(fstatSync(this.#file).size, end);
    }
    await this.#write(bytes, this.#at);
    if (!flushesItself) await this.#flush();
    this.#at = end;
  }

  close(): void {
    closeSync(this.#file);
  }

  #flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.#file, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  #write(bytes: Buffer, at: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const from = (done: number): void => {
        write(this.#file, bytes, done, bytes.length - done, at + done, (error, written) => {
          if (error !== null) reject(error);
          else if (done + written < bytes.length) from(done + written);
          else resolve();
        });
      };
      from(0);
    });
  }

  #assertThere(): void {
    const now = statSync(this.path, { throwIfNoEntry: false });
    if (now?.dev === this.#identity.dev && now.ino === this.#identity.ino) return;
    throw new Error(
      'the file was removed or replaced while this process had it open; what is written now would be lost',
    );
  }
}
