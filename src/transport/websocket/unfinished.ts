/** How many bytes came in that make no whole message yet: `ws` keeps them, and does not tell. */
export class Unfinished {
  bytes = 0;
  #anyFinished = false;

  /** A piece was read from the socket, and all whole messages in it have been `finished`. */
  came(bytes: number): void {
    this.bytes = Math.max(0, this.bytes + bytes);
    // Of a message in several frames, only one header was taken off.
    if (this.#anyFinished) this.bytes = Math.min(this.bytes, bytes);
    this.#anyFinished = false;
  }

  /** A whole message, a ping or a pong was read. It is told before the piece that it ends with. */
  finished(bytes: number): void {
    this.#anyFinished = true;
    this.bytes -= bytes + headerBytes(bytes);
  }
}

/** Of a masked frame. */
function headerBytes(bytes: number): number {
  if (bytes < 126) return 6;
  return bytes < 65_536 ? 8 : 14;
}
