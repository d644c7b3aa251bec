/**
 * A Dialer whose other side is the test. Every dial waits in `attempts` until the test accepts or
 * refuses it, or `onAttempt` does. What the dialling side sends is in `sent`; what the test
 * delivers is handled at once.
 */

import type { ErrorCode } from '../../../src/core/catalogue.ts';
import type { FromNode, ToNode } from '../../../src/core/messages.ts';
import type {
  CloseInfo,
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Dialer,
} from '../../../src/ports/transport.ts';

type DialEvents = Parameters<Dialer['connect']>[1];

export class MemoryDialer implements Dialer {
  /** Dials that were neither answered nor cancelled. */
  readonly attempts: DialAttempt[] = [];
  /** Every address dialled, in order. */
  readonly dialled: string[] = [];
  /** Called for each dial, after the turn in which it was made. */
  onAttempt: ((attempt: DialAttempt) => void) | null = null;

  readonly #looks = new Set<() => void>();

  connect(options: ConnectOptions, events: DialEvents): { cancel(): void } {
    const attempt = new DialAttempt(options, events, () => {
      const at = this.attempts.indexOf(attempt);
      if (at >= 0) this.attempts.splice(at, 1);
    });
    this.attempts.push(attempt);
    this.dialled.push(options.url);
    for (const look of [...this.#looks]) look();
    queueMicrotask(() => {
      if (!attempt.over) this.onAttempt?.(attempt);
    });
    return { cancel: () => attempt.cancel() };
  }

  /**
   * As `next`, but waits for the dial: what comes before it may load modules, which takes any
   * number of turns.
   */
  async arrival(url: string): Promise<DialAttempt> {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!this.attempts.some((each) => each.options.url === url)) return;
        this.#looks.delete(look);
        resolve();
      };
      this.#looks.add(look);
      look();
    });
    return this.next(url);
  }

  /** The oldest dial that waits, of this address where one is named. */
  next(url?: string): DialAttempt {
    const attempt = this.attempts.find((each) => url === undefined || each.options.url === url);
    if (attempt === undefined)
      throw new Error(`Nobody dials${url === undefined ? '' : ` ${url}`}.`);
    return attempt;
  }
}

export class DialAttempt {
  readonly options: ConnectOptions;
  over = false;
  readonly #events: DialEvents;
  readonly #settled: () => void;

  constructor(options: ConnectOptions, events: DialEvents, settled: () => void) {
    this.options = options;
    this.#events = events;
    this.#settled = settled;
  }

  accept(): MemoryConnection {
    this.#end();
    const connection = new MemoryConnection();
    connection.attach(this.#events.opened(connection));
    return connection;
  }

  refuse(info: Partial<CloseInfo> = {}): void {
    this.#end();
    this.#events.failed({ code: 1006, reason: 'no one listens', kind: 'refused', ...info });
  }

  cancel(): void {
    if (!this.over) this.#end();
  }

  #end(): void {
    if (this.over) throw new Error('This dial was answered before.');
    this.over = true;
    this.#settled();
  }
}

export class MemoryConnection implements Connection<ToNode> {
  readonly remoteAddress = 'memory';
  /** Everything that was sent, forever. */
  readonly sent: ToNode[] = [];
  /** How this side closed, if it did. */
  closedWith: { code: number; reason: string } | null = null;
  /** Called for each message sent, after the turn in which it was sent. */
  onSent: ((message: ToNode) => void) | null = null;
  /** Makes `send` throw, as the transport does for what it cannot send. */
  sendFault: Error | null = null;
  #handler: ConnectionHandler<FromNode> | null = null;
  #open = true;
  #taken = 0;

  get open(): boolean {
    return this.#open;
  }

  attach(handler: ConnectionHandler<FromNode>): void {
    this.#handler = handler;
  }

  send(message: ToNode): void {
    if (!this.#open) return;
    if (this.sendFault !== null) throw this.sendFault;
    this.sent.push(message);
    queueMicrotask(() => this.onSent?.(message));
  }

  close(code: number, reason: string): void {
    if (!this.#open) return;
    this.closedWith = { code, reason };
    this.#endLater({ code, reason, kind: 'closed' });
  }

  terminate(): void {
    if (!this.#open) return;
    this.#endLater({ code: 1006, reason: 'Terminated by this side.', kind: 'closed' });
  }

  answeredPingAgeMs(): number {
    return 0;
  }

  bufferedBytes(): number {
    return 0;
  }

  /** What was sent since the last call. */
  take(): ToNode[] {
    const messages = this.sent.slice(this.#taken);
    this.#taken = this.sent.length;
    return messages;
  }

  /** The node says something. Lost when the connection is closed. */
  deliver(...messages: FromNode[]): void {
    for (const message of messages) if (this.#open) this.#handler?.message(message);
  }

  /** What lay in a buffer when the connection ended, and is handed over all the same. */
  deliverLate(message: FromNode): void {
    this.#handler?.message(message);
  }

  deliverInvalid(problem: { code: ErrorCode; message: string; id?: number }): void {
    if (this.#open) this.#handler?.invalid(problem);
  }

  /** The node's side ends the connection. */
  drop(info: Partial<CloseInfo> = {}): void {
    if (!this.#open) return;
    this.#open = false;
    this.#handler?.closed({ code: 1006, reason: '', kind: 'reset', ...info });
  }

  #endLater(info: CloseInfo): void {
    this.#open = false;
    queueMicrotask(() => this.#handler?.closed(info));
  }
}
