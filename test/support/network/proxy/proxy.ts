/**
 * A proxy that does to connections what networks do: before a node it sees WebSocket messages,
 * before anything else (etcd) bytes.
 *
 * A cable pulled is `block`: nothing passes and no one is told; what was under way arrives after
 * `heal`, as TCP would send it again. `cut` is the other kind of end, a reset that both sides see.
 */
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { freePort } from '../../../../cluster/launcher/free-ports.ts';
import { type Disturbance, disturbance } from './disturbance.ts';
import { type Direction, directions, type End, Pair } from './pair.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface FaultProxyOptions {
  readonly target: Address;
  /** Default: a free port of 127.0.0.1. */
  readonly listen?: Address;
  /** What is delayed, and, messages only, lost, doubled, overtaken. Default `message`. */
  readonly unit?: 'message' | 'byte';
  /** From 0 to 1. Default: Math.random. */
  readonly chance?: () => number;
}

export class FaultProxy {
  readonly #options: FaultProxyOptions;
  readonly #pairs = new Set<Pair>();
  readonly #blocked = new Set<Direction>();
  readonly #disturbed = new Map<Direction, Disturbance>();
  #server: Server | null = null;
  readonly #address: Address;
  /** Connections accepted since the start. */
  accepted = 0;

  private constructor(options: FaultProxyOptions, address: Address) {
    this.#options = options;
    this.#address = address;
  }

  static async started(options: FaultProxyOptions): Promise<FaultProxy> {
    // It is listened on again after a cut: not of the range that outgoing connections get theirs.
    const { host, port } = options.listen ?? { host: '127.0.0.1', port: 0 };
    const address = { host, port: port === 0 ? await freePort() : port };
    const proxy = new FaultProxy(options, address);
    await proxy.#listen();
    return proxy;
  }

  /** `host:port`, the same for the proxy's life. */
  get address(): string {
    return `${this.#address.host}:${this.#address.port}`;
  }

  /** How many connections stand. */
  get standing(): number {
    return this.#pairs.size;
  }

  /** Resets every connection. New ones pass. */
  cut(): void {
    for (const pair of this.#pairs) pair.cut();
  }

  /**
   * From now on nothing passes in that direction, or in either, and no one is told. New connections
   * neither.
   */
  block(direction?: Direction): void {
    for (const each of direction === undefined ? directions : [direction]) {
      this.#blocked.add(each);
      for (const pair of this.#pairs) pair.block(each);
    }
  }

  /**
   * Every connection's other end is reset, while this end goes on as if it stood. New connections
   * pass.
   */
  halfOpen(believer: End): void {
    for (const pair of this.#pairs) pair.halfOpen(believer);
  }

  /** New connections are refused, as at an address where no one listens. Those that stand go on. */
  refuse(): void {
    this.#server?.close();
    this.#server = null;
  }

  /** Messages in that direction, or in both, are disturbed from now on. */
  disturb(given: Partial<Disturbance>, direction?: Direction): void {
    const whole = disturbance(given);
    for (const each of direction === undefined ? directions : [direction]) {
      this.#disturbed.set(each, whole);
      for (const pair of this.#pairs) pair.disturb(each, whole);
    }
  }

  /** Ends every fault. What was held back passes now; half-open connections end with a reset. */
  async heal(): Promise<void> {
    this.#blocked.clear();
    this.#disturbed.clear();
    for (const pair of this.#pairs) {
      for (const direction of directions) {
        pair.disturb(direction, null);
        pair.unblock(direction);
      }
    }
    if (this.#server === null) await this.#listen();
  }

  close(): void {
    this.refuse();
    this.cut();
  }

  #listen(): Promise<void> {
    const server = createServer((dialler) => this.#accepted(dialler));
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ ...this.#address }, resolve);
    });
  }

  #accepted(dialler: Socket): void {
    const { target: address, unit = 'message', chance = Math.random } = this.#options;
    this.accepted += 1;
    const target = dial(address.port, address.host);
    const pair: Pair = new Pair({
      dialler,
      target,
      unit,
      chance,
      ended: () => this.#pairs.delete(pair),
    });
    this.#pairs.add(pair);
    for (const direction of directions) {
      pair.disturb(direction, this.#disturbed.get(direction) ?? null);
      if (this.#blocked.has(direction)) pair.block(direction);
    }
  }
}
