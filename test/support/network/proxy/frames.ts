/**
 * Splits what one side of a WebSocket connection sends into its HTTP head, whole messages and
 * control frames, each with the very bytes that came: a message that is passed on twice or late is
 * still a valid one, mask and all.
 *
 *     head --upgraded--> frames
 *       |
 *       +--anything else (a health check)--> bytes, passed as they come
 */

export interface Unit {
  readonly kind: 'head' | 'message' | 'control' | 'bytes';
  readonly bytes: Buffer;
}

/** Above what any node or participant takes: what is larger is no message of ours. */
const maxMessageBytes = 72 * 1024 * 1024;
const maxHeadBytes = 64 * 1024;
const endOfHead = Buffer.from('\r\n\r\n');
/** RFC 6455, section 5.2. */
const finalBit = 0x80;
const maskBit = 0x80;
const firstControlOpcode = 0x8;

export class FrameSplitter {
  #state: 'head' | 'frames' | 'bytes';
  #rest: Buffer = Buffer.alloc(0);
  /** The frames of a message whose last one has not come. Control frames may stand between them. */
  #fragments: Buffer[] = [];
  #fragmentBytes = 0;

  /** `byte`: never looks for messages. */
  constructor(unit: 'message' | 'byte') {
    this.#state = unit === 'message' ? 'head' : 'bytes';
  }

  /** Throws a RangeError for what no peer of ours sends; the connection should then be cut. */
  push(bytes: Buffer): Unit[] {
    if (this.#state === 'bytes') return [{ kind: 'bytes', bytes }];
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const units: Unit[] = [];
    if (this.#state === 'head') {
      const head = this.#takeHead();
      if (head === null) return [];
      units.push(head);
    }
    if ((this.#state as string) === 'bytes') {
      if (this.#rest.length > 0) units.push({ kind: 'bytes', bytes: this.#rest });
      this.#rest = Buffer.alloc(0);
      return units;
    }
    for (let frame = this.#takeFrame(); frame !== null; frame = this.#takeFrame()) {
      const unit = this.#unitOf(frame);
      if (unit !== null) units.push(unit);
    }
    return units;
  }

  #takeHead(): Unit | null {
    const end = this.#rest.indexOf(endOfHead);
    if (end < 0) {
      if (this.#rest.length > maxHeadBytes) throw new RangeError('An HTTP head without an end.');
      return null;
    }
    const head = this.#rest.subarray(0, end + endOfHead.length).toString('latin1');
    this.#rest = this.#rest.subarray(end + endOfHead.length);
    const upgraded = /^upgrade: *websocket/im.test(head) && !/^HTTP\/1\.1 [^1]/.test(head);
    this.#state = upgraded ? 'frames' : 'bytes';
    // A compressed message depends on those before it: it could be neither left out nor passed on
    // late.
    const plain = head.replace(/^sec-websocket-extensions:.*\r\n/gim, '');
    return { kind: 'head', bytes: Buffer.from(plain, 'latin1') };
  }

  /** One whole frame, or null while some of it is missing. */
  #takeFrame(): Buffer | null {
    const rest = this.#rest;
    if (rest.length < 2) return null;
    const second = rest.readUInt8(1);
    let headerBytes = 2;
    let payloadBytes = second & 0x7f;
    if (payloadBytes === 126) {
      if (rest.length < 4) return null;
      payloadBytes = rest.readUInt16BE(2);
      headerBytes = 4;
    } else if (payloadBytes === 127) {
      if (rest.length < 10) return null;
      payloadBytes = Number(rest.readBigUInt64BE(2));
      headerBytes = 10;
    }
    if ((second & maskBit) !== 0) headerBytes += 4;
    const frameBytes = headerBytes + payloadBytes;
    if (frameBytes + this.#fragmentBytes > maxMessageBytes) {
      throw new RangeError(`A message of more than ${maxMessageBytes} bytes.`);
    }
    if (rest.length < frameBytes) return null;
    this.#rest = rest.subarray(frameBytes);
    return rest.subarray(0, frameBytes);
  }

  /** Null: the message goes on. */
  #unitOf(frame: Buffer): Unit | null {
    const first = frame.readUInt8(0);
    if ((first & 0x0f) >= firstControlOpcode) return { kind: 'control', bytes: frame };
    this.#fragments.push(frame);
    this.#fragmentBytes += frame.length;
    if ((first & finalBit) === 0) return null;
    const bytes = this.#fragments.length === 1 ? frame : Buffer.concat(this.#fragments);
    this.#fragments = [];
    this.#fragmentBytes = 0;
    return { kind: 'message', bytes };
  }
}
