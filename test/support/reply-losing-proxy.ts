/** A TCP proxy before a node or an etcd, that can cut, hold back or swallow what passes. */
import {
  type AddressInfo,
  createServer,
  connect as dial,
  type Server,
  type Socket,
} from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly node: Socket;
}

export class ReplyLosingProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #target: number;
  #swallowing = false;
  #refusing = false;
  #port = 0;
  /** Called with each piece that the node sends, before it is passed on. True: cut here, and drop it. */
  cutWhen: ((bytes: Buffer) => boolean) | null = null;
  accepted = 0;
  /** Bytes of replies that were lost. */
  lostBytes = 0;
  #losing = false;
  #losingFrom: Buffer | null = null;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#accepted(client));
  }

  static async started(target: number): Promise<ReplyLosingProxy> {
    const proxy = new ReplyLosingProxy(target);
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

  /** From now on nothing passes, either way, and nobody is told: what a pulled cable does. */
  blackhole(): void {
    this.#swallowing = true;
    for (const { client, node } of this.#pairs) {
      client.pause();
      node.pause();
    }
  }

  /** Requests still arrive and are carried out; their replies vanish. */
  loseReplies(): void {
    this.#losing = true;
  }

  /** The same, from the first request on that contains the marker: what was asked before it is answered. */
  loseRepliesFrom(marker: string): void {
    this.#losingFrom = Buffer.from(marker);
  }

  /** New connections pass; those that fell into the hole, or lost a reply, are of no more use. */
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
    const pair = { client, node };
    this.#pairs.add(pair);
    node.on('error', () => undefined);
    client.on('data', (bytes: Buffer) => {
      if (this.#losingFrom !== null && bytes.includes(this.#losingFrom)) this.#losing = true;
      node.write(bytes);
    });
    node.on('data', (bytes: Buffer) => {
      if (this.#losing) {
        this.lostBytes += bytes.length;
        return;
      }
      if (this.cutWhen?.(bytes) === true) {
        this.cutWhen = null;
        this.cut();
        return;
      }
      client.write(bytes);
    });
    const ended = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      node.destroy();
    };
    client.on('close', ended);
    node.on('close', ended);
    if (this.#swallowing) {
      client.pause();
      node.pause();
    }
  }
}
