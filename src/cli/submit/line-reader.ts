/**
 * Cuts a stream of bytes into lines, in constant memory: a line longer than the limit is skipped as
 * it passes and reported, never gathered.
 */

export type Line = {
  /** From 1; blank lines count. */
  readonly number: number;
  /** Bytes of the stream up to and with this line's end. */
  readonly endsAtByte: number;
} & (
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'bad'; readonly problem: string }
);

const newline = 0x0a;
const carriageReturn = 0x0d;
const bufferBytesMin = 4_096;

export class LineReader {
  readonly #maxLineBytes: number;
  // Drops a byte order mark at the start of any line: joined files have one in the middle.
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  /** The start of a line whose end has not come yet. Has room for one extra byte, its CR. */
  #held: Uint8Array = new Uint8Array(0);
  #heldBytes = 0;
  #overlong = false;
  #number = 0;
  #bytesBefore = 0;
  /** Bytes of the current line that passed in earlier chunks. */
  #lineBytes = 0;

  constructor(options: { readonly maxLineBytes: number }) {
    this.#maxLineBytes = options.maxLineBytes;
  }

  /** The lines that end in this chunk, without the blank ones. The chunk is not kept. */
  push(chunk: Uint8Array): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(newline, start);
      if (end === -1) break;
      this.#end(chunk.subarray(start, end), 1, lines);
      start = end + 1;
    }
    this.#hold(chunk.subarray(start));
    return lines;
  }

  /** The last line, where it has no newline. */
  end(): Line[] {
    const lines: Line[] = [];
    if (this.#lineBytes > 0) this.#end(new Uint8Array(0), 0, lines);
    return lines;
  }

  #hold(piece: Uint8Array): void {
    this.#lineBytes += piece.length;
    if (this.#overlong || piece.length === 0) return;
    const bytes = this.#heldBytes + piece.length;
    if (bytes > this.#maxLineBytes + 1) {
      this.#overlong = true;
      return;
    }
    if (bytes > this.#held.length) {
      const room = Math.max(bytes, this.#held.length * 2, bufferBytesMin);
      const larger = new Uint8Array(Math.min(room, this.#maxLineBytes + 1));
      larger.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = larger;
    }
    this.#held.set(piece, this.#heldBytes);
    this.#heldBytes = bytes;
  }

  #end(piece: Uint8Array, terminatorBytes: number, lines: Line[]): void {
    let bytes = piece;
    if (this.#lineBytes > 0) {
      this.#hold(piece);
      bytes = this.#held.subarray(0, this.#heldBytes);
    } else {
      this.#lineBytes = piece.length;
    }
    if (bytes.at(-1) === carriageReturn) bytes = bytes.subarray(0, -1);
    this.#number += 1;
    this.#bytesBefore += this.#lineBytes + terminatorBytes;
    const line = { number: this.#number, endsAtByte: this.#bytesBefore };
    if (this.#overlong || bytes.length > this.#maxLineBytes) {
      const problem = `The line has ${this.#lineBytes} bytes; at most ${this.#maxLineBytes} are taken. Split the transaction, or shorten its payloads.`;
      lines.push({ ...line, kind: 'bad', problem });
    } else {
      const text = this.#decode(bytes);
      if (text === null) lines.push({ ...line, kind: 'bad', problem: notUtf8 });
      else if (text.trim() !== '') lines.push({ ...line, kind: 'text', text });
    }
    this.#overlong = false;
    this.#heldBytes = 0;
    this.#lineBytes = 0;
  }

  #decode(bytes: Uint8Array): string | null {
    try {
      return this.#decoder.decode(bytes);
    } catch {
      return null;
    }
  }
}

const notUtf8 = 'The line is not UTF-8. Save the file as UTF-8, one JSON object a line.';
