/**
 * One WebSocket as a `Connection`: the same on the side that dials and the side that listens.
 *
 *     open --close()--> closing --peer's close frame, or closeTimeoutMs--> closed
 *       |---terminate(), silence, overflow, a frame that breaks the stream--> closed
 *
 * `closed` reaches the handler once, and never from inside a call that the handler's owner made.
 * From `closing` on nothing is delivered: a message that was on its way counts as lost.
 */
import type { Buffer } from 'node:buffer';
import type { WebSocket } from 'ws';
import type { Message } from '../../core/messages.ts';
import type { Who } from '../../ports/access.ts';
import type { Clock } from '../../ports/clock.ts';
import type { CloseInfo, Connection, ConnectionHandler, Door } from '../../ports/transport.ts';
import type { DecodedFrame, Direction, MessageOf } from '../../wire/codec.ts';
import { FrameError } from '../../wire/frame-error.ts';
import { maxHelloBytes } from '../../wire/limits.ts';
import { fitText } from '../../wire/utf8.ts';
import type { Account } from './account.ts';
import { Heartbeat } from './heartbeat.ts';
import { IdleFrames } from './idle-frames.ts';
import { Inbox, type ReceivedFrame } from './inbox.ts';
import { Outbox } from './outbox.ts';
import { Tap } from './tap.ts';
import { Share, type Turns, type Worker } from './turns.ts';
import { Unfinished } from './unfinished.ts';

/** How long the peer may take to answer a close frame before its socket is destroyed. */
export const closeTimeoutMs = 2_000;

/** WebSocket: a close reason is at most 123 bytes of UTF-8. */
const maxCloseReasonBytes = 123;

/** `Received`: the direction that is read here. `Out`: what is sent. */
export interface SocketOptions<Received extends Direction, Out> {
  readonly socket: WebSocket;
  readonly remoteAddress: string;
  readonly clock: Clock;
  readonly heartbeatMs: number;
  readonly maxBufferedBytes: number;
  readonly maxFrameBytes: number;
  readonly maxMessageBytes: number;
  /** Sent in place of a message that is too large; null: nothing. Absent: a RangeError. */
  readonly smaller?: (message: Out) => Out | null;
  /** Where this side listens: who the peer showed to be as it came. */
  readonly authenticated?: Who | null;
  /** Where this side asked for a proof. */
  readonly check?: ((proof: string) => Who | null) | undefined;
  readonly proof?: string | undefined;
  readonly isPrivate?: boolean;
  readonly door?: Door;
  /** What may come in before `greeted`; absent: as much as afterwards. */
  readonly maxHelloBytes?: number;
  /** What it shares with all others; absent: nothing. */
  readonly accounts?: { readonly input: Account; readonly output: Account };
  readonly decode: (data: Uint8Array | string) => DecodedFrame<Received>;
  /** What it shares the event loop by with others; absent: it handles all that comes at once. */
  readonly turns?: Turns;
}

export class WebSocketConnection<Received extends Direction, Out extends Message>
  implements Connection<Out>, Worker
{
  readonly remoteAddress: string;
  readonly authenticated: Who | null;
  readonly check: ((proof: string) => Who | null) | undefined;
  readonly proof: string | undefined;
  readonly isPrivate: boolean;
  readonly door: Door;
  readonly share: Share = new Share();
  readonly #options: SocketOptions<Received, Out>;
  readonly #socket: WebSocket;
  readonly #outbox: Outbox;
  readonly #heartbeat: Heartbeat;
  readonly #inbox: Inbox<Received>;
  readonly #unfinished = new Unfinished();
  readonly #idle: IdleFrames;
  readonly #tap: Tap;
  #bytesTooLate = 0;
  #greeted: boolean;
  #over = false;
  #handler: ConnectionHandler<MessageOf<Received>> | null = null;
  #open = true;
  /** Why this side ended the connection, once it did: it saw the reason first. */
  #ended: CloseInfo | null = null;

  constructor(options: SocketOptions<Received, Out>) {
    const { socket, clock } = options;
    this.remoteAddress = options.remoteAddress;
    this.authenticated = options.authenticated ?? null;
    this.check = options.check;
    this.proof = options.proof;
    this.isPrivate = options.isPrivate === true;
    this.door = options.door ?? 'all';
    this.#greeted = options.maxHelloBytes === undefined;
    this.#options = options;
    this.#socket = socket;
    this.#idle = new IdleFrames(clock);
    this.#tap = new Tap(socket);
    this.#outbox = new Outbox({
      maxFrameBytes: options.maxFrameBytes,
      maxMessageBytes: options.maxMessageBytes,
      // Without a callback an error of the write would have nowhere to go but the 'error' event.
      write: (frame) => socket.send(frame, { binary: typeof frame !== 'string' }, this.#written),
    });
    this.#heartbeat = new Heartbeat({
      clock,
      intervalMs: options.heartbeatMs,
      ping: (token) => {
        if (socket.readyState === socket.OPEN) socket.ping(token, undefined, ignoreError);
      },
      silent: () => this.#drop('silent', 'The peer answered none of two pings.'),
    });
    this.#inbox = new Inbox<Received>({
      decode: (frame) => this.#decode(frame),
      answered: (token) => this.#heartbeat.answered(token),
    });
    socket.binaryType = 'nodebuffer';
    socket.on('error', this.#failed);
    socket.on('close', this.#closed);
  }

  /** Delivers from now on. Called once, in the turn that made it: nothing is read before. */
  start(handler: ConnectionHandler<MessageOf<Received>>): void {
    this.#handler = handler;
    this.#socket.on('message', this.#received);
    this.#socket.on('ping', (data) => {
      this.#unfinished.finished(data.length);
      this.#broughtNothing();
    });
    this.#socket.on('pong', (token) => {
      this.#unfinished.finished(token.length);
      if (this.#open && this.#heartbeat.expects(token)) this.#inbox.pong(token);
      else this.#broughtNothing();
    });
  }

  greeted(): void {
    this.#greeted = true;
  }

  paceInput(waitMs: (bytes: number) => number): void {
    this.#tap.pace(this.#options.clock, waitMs);
  }

  /** Bytes were read from the peer, and what of them makes whole messages was received. */
  came(bytes: number): void {
    this.#unfinished.came(bytes);
    this.#tap.came(bytes);
    if (!this.#open) {
      // Its close frame stands behind what was on its way, not behind more than that.
      this.#bytesTooLate += bytes;
      if (this.#bytesTooLate > this.#options.maxFrameBytes + spareBytes) this.#tap.shut();
      return;
    }
    const held = this.#unfinished.bytes;
    if (this.#isTooMuch(held)) this.#refuse(tooMuchBeforeHello());
    else if (held > this.#options.maxFrameBytes + spareBytes) {
      this.#refuse(new FrameError(1009, 'A message came in too many pieces.'));
    } else if (this.#options.accounts?.input.set(held + this.#inbox.bytes) === false) {
      this.#outbox.push({ type: 'error', ...noRoom, retryable: true, retryAfterMs });
      this.#close({ code: 1013, reason: noRoom.message, kind: 'failed' });
      this.#tap.shut();
    }
  }

  #isTooMuch(bytes: number): boolean {
    return !this.#greeted && bytes > (this.#options.maxHelloBytes ?? 0);
  }

  /** The largest frame the peer takes, once it has told. */
  set maxFrameBytes(bytes: number) {
    this.#outbox.maxFrameBytes = bytes;
  }

  /** How often the peer pings, once it has told. */
  set peerHeartbeatMs(intervalMs: number) {
    this.#heartbeat.keepUpWith(intervalMs);
  }

  send(message: Out): void {
    if (!this.#open) return;
    this.#push(message);
    const buffered = this.bufferedBytes();
    if (
      buffered > this.#options.maxBufferedBytes ||
      this.#options.accounts?.output.set(buffered) === false
    ) {
      this.#drop('failed', 'The peer does not read: too many bytes wait for it.');
    }
  }

  close(code: number, reason: string): void {
    this.#close({ code, reason, kind: 'closed' });
  }

  terminate(): void {
    this.#drop('closed', 'Terminated by this side.');
  }

  answeredPingAgeMs(): number {
    return this.#heartbeat.answeredAgeMs();
  }

  bufferedBytes(): number {
    return this.#outbox.bytes + this.#socket.bufferedAmount;
  }

  #push(message: Out): void {
    const { smaller } = this.#options;
    for (let next: Out | null = message; next !== null; ) {
      try {
        this.#outbox.push(next);
        return;
      } catch (error) {
        if (smaller === undefined || !(error instanceof RangeError)) throw error;
        next = smaller(next);
      }
    }
  }

  #close(info: CloseInfo): void {
    if (!this.#open) return;
    this.#outbox.flush();
    this.#ended ??= info;
    this.#stop();
    this.#socket.close(info.code, fitText(info.reason, maxCloseReasonBytes));
  }

  #drop(kind: CloseInfo['kind'], reason: string): void {
    this.#ended ??= { code: 1006, reason, kind };
    this.#stop();
    this.#outbox.clear();
    this.#socket.terminate();
  }

  /** Nothing is delivered from now on; the peer's close frame must still be read. */
  #stop(): void {
    this.#open = false;
    this.#heartbeat.stop();
    this.#tap.close();
    this.#inbox.clear();
    this.#options.turns?.leave(this);
  }

  readonly #written = (): void => {
    // A failed write adds nothing to 'close', which tells the handler and ends the counting.
    if (!this.#over) this.#options.accounts?.output.set(this.bufferedBytes());
  };

  readonly #received = (data: unknown, isBinary: boolean): void => {
    const bytes = data as Buffer;
    this.#unfinished.finished(bytes.length);
    if (!this.#open) {
      this.#broughtNothing();
      return;
    }
    if (this.#isTooMuch(bytes.length)) {
      this.#outbox.form = isBinary ? 'binary' : 'text';
      this.#refuse(tooMuchBeforeHello());
      return;
    }
    this.#inbox.frame({ bytes, isBinary });
    const { turns } = this.#options;
    if (turns === undefined) this.work(Number.POSITIVE_INFINITY);
    else turns.offer(this);
  };

  work(untilMs: number): boolean {
    const { clock } = this.#options;
    try {
      // A handler may end the connection on any message.
      while (this.#open) {
        const received = this.#inbox.take();
        if (received === null) return false;
        if (received.ok) this.#handler?.message(received.message);
        else this.#handler?.invalid(received.problem);
        if (this.#inbox.isEmpty) this.#options.accounts?.input.set(this.#unfinished.bytes);
        if (untilMs < Number.POSITIVE_INFINITY && clock.monotonicMs() >= untilMs) {
          return this.#open && !this.#inbox.isEmpty;
        }
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#refuse(error);
    }
    return false;
  }

  hold(held: boolean): void {
    this.#tap.hold(held);
  }

  #broughtNothing(): void {
    if (this.#idle.take()) return;
    if (this.#open) this.#refuse(tooManyIdle());
    this.#tap.shut();
  }

  #decode({ bytes, isBinary }: ReceivedFrame): DecodedFrame<Received> {
    this.#outbox.form = isBinary ? 'binary' : 'text';
    const frame = this.#options.decode(isBinary ? bytes : bytes.toString('utf8'));
    if (frame.length === 0 && !this.#idle.take()) throw tooManyIdle();
    return frame;
  }

  /** The stream cannot be trusted any more: says why, where still possible, and ends it. */
  #refuse(error: FrameError): void {
    const { code, message, closeCode } = error;
    // Both directions have the error message, whatever `Out` is here.
    this.#outbox.push({ type: 'error', code, message, retryable: false });
    this.#close({ code: closeCode, reason: message, kind: 'failed' });
    if (!this.#greeted) this.#tap.shut();
  }

  /** An 'error' event without a listener would end the process. 'close' always follows it. */
  readonly #failed = (error: Error & { code?: string }): void => {
    const lost = error.code !== undefined && resetCodes.has(error.code);
    this.#ended ??= { code: 1006, reason: error.message, kind: lost ? 'reset' : 'failed' };
  };

  readonly #closed = (code: number, reason: Buffer): void => {
    this.#stop();
    this.#outbox.clear();
    this.#over = true;
    this.#options.accounts?.input.set(0);
    this.#options.accounts?.output.set(0);
    this.#handler?.closed(
      this.#ended ?? {
        code,
        reason: reason.toString('utf8'),
        kind: code === 1006 ? 'reset' : 'closed',
      },
    );
  };
}

/** Of the headers of a message in pieces, and of what comes behind it. */
const spareBytes = 131_072;
const retryAfterMs = 1_000;
const noRoom = {
  code: 'BUSY',
  message:
    'Too many messages wait to be complete, or to be handled: this connection has its share of them.',
} as const;

function tooManyIdle(): FrameError {
  return new FrameError(1008, 'Too many frames that bring nothing: pings, pongs, empty messages.');
}

function tooMuchBeforeHello(): FrameError {
  return new FrameError(1009, `Before hello a peer may send ${maxHelloBytes} bytes at most.`);
}

const resetCodes: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);

function ignoreError(): void {
  // The 'close' event tells the handler; a failed write adds nothing to it.
}
