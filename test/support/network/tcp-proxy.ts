/** A TCP proxy before a node or an etcd, that can cut, hold back or swallow what passes. */
import {
  type AddressInfo,
  createServer,
  connect as dial,
  type Server,
  type Socket,
} from 'node:net';

/** Of the one who dialled (`request`), or of the one who was dialled (`reply`). */
export type Direction = 'request' | 'reply';

/**
 * `hold`: this piece and what follows it on that connection, that way, waits for `release`.
 * `lose-replies`: this piece passes, and nothing comes back on that connection any more.
 */
export type Verdict = 'pass' | 'hold' | 'lose-replies';

interface Pair {
  readonly connection: number;
  readonly client: Socket;
  readonly node: Socket;
  readonly held: { request: Buffer[] | null; reply: Buffer[] | null };
  repliesLost: boolean;
}

export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #target: number;
  #swallowing = false;
  #refusing = false;
  #port = 0;
  /**
   * Where the node first sends this, every connection is cut. What came before it passes, also
   * where both come in one piece: on a slow machine messages that were sent apart are read
   * together.
   */
  cutBefore: string | null = null;
  /** Asked about each piece, until it says other than `pass`. */
  rule: ((direction: Direction, bytes: Buffer, connection: number) => Verdict) | null = null;
  /** Told of each piece, before anything is done with it. */
  seen: ((direction: Direction, bytes: Buffer, connection: number) => void) | null = null;
  /** What comes back takes this much longer. */
  replyDelayMs = 0;
  accepted = 0;
  /** Where replies are lost, the end of a connection is, too: no one hears of anything. */
  losesEnds = false;
  /** Bytes of replies that were lost. */
  lostBytes = 0;
  #losing = false;
  #losingFrom: Buffer | null = null;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#accepted(client));
  }

  static async started(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    proxy.#port = (proxy.#server.address() as AddressInfo).port;
    return proxy;
  }

  get url(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Resets every connection. */
  cut(): void {
    for (const { client, node } of this.#pairs) {
      client.resetAndDestroy();
      node.resetAndDestroy();
    }
    this.#pairs.clear();
  }

  /** From now on nothing passes, either way, and no one is told: what a pulled cable does. */
  blackhole(): void {
    this.#swallowing = true;
    for (const { client, node } of this.#pairs) {
      client.pause();
      node.pause();
    }
  }

  /** Requests still arrive and are carried out; their replies vanish, on every connection. */
  loseReplies(): void {
    this.#losing = true;
  }

  /**
   * The same, from the first request on that contains the marker: what was asked before it is
   * answered.
   */
  loseRepliesFrom(marker: string): void {
    this.#losingFrom = Buffer.from(marker);
  }

  /**
   * New connections pass; those that fell into the hole stay there, and those that lost a reply are
   * of no more use.
   */
  heal(): void {
    this.#losing = false;
    this.#losingFrom = null;
    this.#swallowing = false;
    this.#refusing = false;
  }

  /** New connections are reset at once. */
  refuse(): void {
    this.#refusing = true;
  }

  /** Whether what is held back has that in it. */
  holds(text: string): boolean {
    return [...this.#pairs].some(({ held }) =>
      [held.request, held.reply].some(
        (list) => list !== null && Buffer.concat(list).includes(text),
      ),
    );
  }

  /** Lets pass what was held. */
  release(): void {
    for (const { client, node, held } of this.#pairs) {
      for (const bytes of held.request ?? []) node.write(bytes);
      for (const bytes of held.reply ?? []) client.write(bytes);
      held.request = null;
      held.reply = null;
    }
  }

  /** Resets the connections whose replies are being lost. */
  cutDeaf(): void {
    for (const pair of this.#pairs) {
      if (!pair.repliesLost) continue;
      this.#pairs.delete(pair);
      pair.client.resetAndDestroy();
      pair.node.resetAndDestroy();
    }
  }

  /** How many connections stand. */
  get standing(): number {
    return this.#pairs.size;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accepted(client: Socket): void {
    this.accepted += 1;
    client.on('error', () => undefined);
    if (this.#refusing) {
      client.resetAndDestroy();
      return;
    }
    const node = dial(this.#target, '127.0.0.1');
    const pair: Pair = {
      connection: this.accepted,
      client,
      node,
      held: { request: null, reply: null },
      repliesLost: false,
    };
    this.#pairs.add(pair);
    node.on('error', () => undefined);
    client.on('data', (bytes: Buffer) => this.#passed(pair, 'request', bytes));
    node.on('data', (bytes: Buffer) => {
      const cutAt = this.cutBefore === null ? -1 : bytes.indexOf(this.cutBefore);
      if (cutAt < 0) return this.#passed(pair, 'reply', bytes);
      this.cutBefore = null;
      // What follows must not overtake the end.
      node.pause();
      client.write(bytes.subarray(0, cutAt), () => this.cut());
    });
    const ended = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      node.destroy();
    };
    client.on('close', ended);
    node.on('close', () => {
      if (!(this.losesEnds && pair.repliesLost)) ended();
    });
    if (this.#swallowing) {
      client.pause();
      node.pause();
    }
  }

  #passed(pair: Pair, direction: Direction, bytes: Buffer): void {
    this.seen?.(direction, bytes, pair.connection);
    const verdict = this.rule?.(direction, bytes, pair.connection) ?? 'pass';
    if (verdict !== 'pass') this.rule = null;
    if (verdict === 'hold') pair.held[direction] = [];
    if (verdict === 'lose-replies') pair.repliesLost = true;
    if (direction === 'request' && this.#losingFrom !== null) {
      this.#losing ||= bytes.includes(this.#losingFrom);
    }
    if (direction === 'reply' && (pair.repliesLost || this.#losing)) {
      this.lostBytes += bytes.length;
      return;
    }
    const held = pair.held[direction];
    if (held !== null) {
      held.push(bytes);
      return;
    }
    const to = direction === 'request' ? pair.node : pair.client;
    if (direction === 'request' || this.replyDelayMs === 0) to.write(bytes);
    else setTimeout(() => to.write(bytes), this.replyDelayMs);
  }
}
