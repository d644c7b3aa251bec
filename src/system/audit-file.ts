/**
 * The audit log on disk: JSON lines, only ever added to.
 *
 * No one waits for it. Lines gather in memory while one write is under way, and leave together in
 * the next. A disk that is full or stands still is tried again every second; what does not fit into
 * memory meanwhile is lost and counted, and the first line that can be written again says how many
 * those were. Each event has a number, the lost ones too: a gap shows what is missing.
 *
 * Not sonic-boom, pino's writer: it follows symbolic links, does not set full files aside, and at
 * the end of the process, on a full disk, tries forever.
 */
import { fsync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { escapeUnseen } from '../core/names.ts';
import { thrownLine } from '../core/thrown.ts';
import type { Audit, AuditEvent } from '../ports/audit.ts';
import type { Clock } from '../ports/clock.ts';
import {
  type AppendFile,
  AppendFileError,
  closeFile,
  inUseText,
  isInPlace,
  lockAppendFile,
  openAppendFile,
  openStdout,
  openToOthersText,
  setAside,
} from './append-file.ts';
import { pause } from './pause.ts';

export interface AuditFileOptions {
  /** `-`: standard output. */
  readonly file: string;
  /** The name of the node, in each line. */
  readonly node: string;
  readonly clock: Clock;
  /** A file that would become larger is set aside. 0: never. */
  readonly maxBytes: number;
  /** Kept in all, with the one that is written. */
  readonly files: number;
  /** Of lines that wait to be written; those that matter most may take twice as much. */
  readonly maxBufferedBytes?: number;
  /** Told once a minute at most, and at the end of what is lost. */
  readonly problem: (text: string) => void;
}

const maxBufferedBytesDefault = 4 * 1_024 * 1_024;
const maxBatchBytes = 65_536;
const retryMs = 1_000;
/** A pipe whose reader is behind. */
const fullPipeMs = 50;
/** How often to look whether the file is still in its place. */
const lookMs = 1_000;
const problemMs = 60_000;
const closeTimeoutMs = 2_000;
const exitAttempts = 20;
const newline = 0x0a;

/** Whoever knocks, or comes and goes, must not push these out. */
const mattersMost: ReadonlySet<AuditEvent['event']> = new Set([
  'operator-action',
  'forced-abort',
  'retired',
  'configuration-changed',
  'started',
  'stopped',
]);

/** Several lines, on their way as one. */
interface Batch {
  bytes: Buffer;
  written: number;
}

export class AuditFile implements Audit {
  readonly #options: AuditFileOptions;
  readonly #maxBufferedBytes: number;
  #opened: AppendFile;
  #size: number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #batch: Batch | null = null;
  #number = 0;
  #lost = 0;
  /** Since lines were lost; until there is room for more than the next one. */
  #losing = false;
  #working = false;
  #writing = false;
  #reopenDue = false;
  #lookedAtMs: number;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #idle: PromiseWithResolvers<void> | null = null;
  #hurry: PromiseWithResolvers<void> = Promise.withResolvers();
  #closed: Promise<void> | null = null;
  #over = false;

  private constructor(options: AuditFileOptions, opened: AppendFile) {
    this.#options = options;
    this.#maxBufferedBytes = options.maxBufferedBytes ?? maxBufferedBytesDefault;
    this.#opened = opened;
    this.#size = opened.size;
    this.#lookedAtMs = options.clock.monotonicMs();
    if (opened.torn) this.#endTornLine();
  }

  /** Rejects with an AppendFileError. */
  static async open(options: AuditFileOptions): Promise<AuditFile> {
    const { file } = options;
    if (file === '-') return new AuditFile(options, await openStdout());
    const opened = await openAppendFile(file);
    const wrong = opened.open
      ? openToOthersText(file)
      : lockAppendFile(opened)
        ? null
        : inUseText(file);
    if (wrong === null) return new AuditFile(options, opened);
    await closeFile(opened.fd);
    throw new AppendFileError(wrong);
  }

  /** What is not written yet, and how many lines were lost of which no line tells yet. */
  get held(): { readonly bytes: number; readonly maxBytes: number; readonly lost: number } {
    return { bytes: this.#heldBytes, maxBytes: this.#maxBufferedBytes, lost: this.#lost };
  }

  write(event: AuditEvent): void {
    if (this.#over) return;
    const most = this.#maxBufferedBytes;
    if (this.#losing && this.#heldBytes <= most / 2) this.#tellLost();
    const line = this.#line(event);
    const full = this.#losing || this.#heldBytes + line.length > most;
    if (full && !(mattersMost.has(event.event) && this.#heldBytes + line.length <= most * 2)) {
      this.#lost += 1;
      this.#losing = true;
    } else {
      this.#add(line);
    }
    this.#work();
  }

  /** After the file was renamed by whoever keeps logs: lines go to a new one in its place. */
  reopen(): void {
    if (this.#options.file === '-' || this.#over) return;
    this.#reopenDue = true;
    this.#work();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /**
   * At the end of a process that does not wait: as much as can be written now. A line whose write
   * was under way may come twice, with the same number.
   */
  flushSync(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#lost > 0) this.#tellLost();
    const { bytes, written } = this.#batch ?? { bytes: Buffer.alloc(0), written: 0 };
    let rest = Buffer.concat([bytes.subarray(written), ...this.#waiting]);
    for (let attempt = 0; rest.length > 0 && attempt < exitAttempts; attempt += 1) {
      try {
        rest = rest.subarray(writeSync(this.#opened.fd, rest));
        attempt = 0;
      } catch (error) {
        if (!isFullPipe(error)) break;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, fullPipeMs);
      }
    }
    this.#tellUnwritten(linesIn(rest));
  }

  get #heldBytes(): number {
    return this.#waitingBytes + (this.#batch === null ? 0 : this.#batch.bytes.length);
  }

  #line(event: AuditEvent | { readonly event: 'lines-lost'; readonly count: number }): Buffer {
    const { node, clock } = this.#options;
    this.#number += 1;
    const time = new Date(clock.wallMs()).toISOString();
    const text = JSON.stringify({ time, node, number: this.#number, ...event });
    // JSON escapes only ASCII's control characters, and a terminal obeys others too.
    return Buffer.from(`${escapeUnseen(text)}\n`);
  }

  #add(line: Buffer): void {
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
  }

  #tellLost(): void {
    this.#add(this.#line({ event: 'lines-lost', count: this.#lost }));
    this.#lost = 0;
    this.#losing = false;
  }

  #work(): void {
    if (this.#working || this.#over) return;
    this.#working = true;
    void this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    while (!this.#over) {
      try {
        if (this.#reopenDue) await this.#reopenNow();
        this.#batch ??= this.#take();
        if (this.#batch === null) break;
        await this.#writeBatch(this.#batch);
        this.#batch = null;
      } catch (error) {
        const { clock } = this.#options;
        if (isFullPipe(error)) await pause(clock, fullPipeMs);
        else {
          this.#complain(error);
          await Promise.race([pause(clock, retryMs), this.#hurry.promise]);
          this.#hurry = Promise.withResolvers();
        }
      }
    }
    this.#working = false;
    this.#idle?.resolve();
  }

  /** The next lines; behind all others, how many were lost. */
  #take(): Batch | null {
    if (this.#waiting.length === 0 && this.#lost > 0) this.#tellLost();
    if (this.#waiting.length === 0) return null;
    let lines = 0;
    let size = 0;
    for (const line of this.#waiting) {
      if (lines > 0 && size + line.length > maxBatchBytes) break;
      lines += 1;
      size += line.length;
    }
    this.#waitingBytes -= size;
    return { bytes: Buffer.concat(this.#waiting.splice(0, lines)), written: 0 };
  }

  async #writeBatch(batch: Batch): Promise<void> {
    if (batch.written === 0) await this.#makeRoom(batch);
    while (batch.written < batch.bytes.length) {
      this.#writing = true;
      try {
        const { fd } = this.#opened;
        const { bytesWritten } = await promisify(write)(fd, batch.bytes, batch.written);
        batch.written += bytesWritten;
        this.#size += bytesWritten;
      } finally {
        this.#writing = false;
      }
    }
  }

  async #makeRoom({ bytes }: Batch): Promise<void> {
    const { file, files, maxBytes, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const isFull = maxBytes > 0 && this.#size > 0 && this.#size + bytes.length > maxBytes;
    if (this.#opened.inode === null) return;
    if (!isFull && nowMs - this.#lookedAtMs < lookMs) return;
    this.#lookedAtMs = nowMs;
    // Another process may have set it aside, or someone deleted it.
    if (!(await isInPlace(file, this.#opened))) return this.#reopenNow();
    if (!isFull) return;
    try {
      await setAside(file, files);
    } catch (error) {
      // Too large a file is better than one with gaps.
      this.#complain(error, 'The audit log cannot be set aside, and grows');
      return;
    }
    await this.#reopenNow();
  }

  async #reopenNow(): Promise<void> {
    const { file, problem } = this.#options;
    const opened = await openAppendFile(file);
    // Of the same file the lock is this process's own, and goes with what was open before.
    const isSame = opened.inode !== null && opened.inode === this.#opened.inode;
    if (!isSame && !lockAppendFile(opened)) {
      await closeFile(opened.fd);
      throw new AppendFileError(inUseText(file));
    }
    this.#reopenDue = false;
    await closeFile(this.#opened.fd);
    if (isSame && !lockAppendFile(opened)) problem(inUseText(file));
    // Whoever sets files aside made it. Its lines are worth more than its mode.
    if (opened.open) problem(openToOthersText(file));
    this.#opened = opened;
    this.#size = opened.size;
    this.#beginLineAgain();
    if (opened.torn) this.#endTornLine();
  }

  /** Half a line in each of two files would be no line. */
  #beginLineAgain(): void {
    const batch = this.#batch;
    if (batch === null || batch.written === 0) return;
    batch.bytes = batch.bytes.subarray(batch.bytes.lastIndexOf(newline, batch.written - 1) + 1);
    batch.written = 0;
  }

  #endTornLine(): void {
    const end = Buffer.from([newline]);
    if (this.#batch !== null) {
      this.#batch.bytes = Buffer.concat([end, this.#batch.bytes]);
    } else {
      this.#waiting.unshift(end);
      this.#waitingBytes += end.length;
    }
  }

  #complain(error: unknown, what = 'The audit log cannot be written'): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#toldAtMs < problemMs) return;
    this.#toldAtMs = nowMs;
    const lost = this.#lost === 0 ? '' : ` ${this.#lost} lines are lost.`;
    this.#options.problem(
      `${what}: ${thrownLine(error)}. ${this.#heldBytes} bytes wait.${lost} The node goes on. Make room, or have another file written.`,
    );
  }

  #tellUnwritten(lines: number): void {
    const count = lines + this.#lost;
    if (count > 0) this.#options.problem(`The audit log ends without its last ${count} lines.`);
  }

  async #close(): Promise<void> {
    if (this.#over) return;
    const { clock } = this.#options;
    this.#idle = Promise.withResolvers();
    if (!this.#working) this.#idle.resolve();
    // A disk that was full may have room by now.
    this.#hurry.resolve();
    const patience = clock.setTimer(closeTimeoutMs, () => this.#idle?.resolve());
    await this.#idle.promise;
    patience.cancel();
    this.#over = true;
    const { bytes, written } = this.#batch ?? { bytes: Buffer.alloc(0), written: 0 };
    this.#tellUnwritten(linesIn(Buffer.concat([bytes.subarray(written), ...this.#waiting])));
    // The number of a file that is still being written to must not become another's.
    if (this.#writing) return;
    await promisify(fsync)(this.#opened.fd).catch(() => undefined);
    await closeFile(this.#opened.fd);
  }
}

function linesIn(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, at + 1)) lines += 1;
  return lines;
}

function isFullPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}
