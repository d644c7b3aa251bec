/** A peer that speaks over a bare WebSocket: what it sends is the test's own, right or wrong. */
import { readFileSync } from 'node:fs';
import { pack } from 'msgpackr';
import { WebSocket } from 'ws';
import type { FromNode } from '../../../src/core/messages.ts';
import { subprotocol } from '../../../src/wire/address.ts';
import { decodeFrame } from '../../../src/wire/codec.ts';
import { widestLimits } from '../../../src/wire/limits.ts';
import { readers } from '../../../src/wire/readers.ts';
import { eventually, within } from '../process/child.ts';
import type { TlsFiles } from './security.ts';

type Typed<T extends FromNode['type']> = Extract<FromNode, { readonly type: T }>;

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export class RawPeer {
  readonly socket: WebSocket;
  readonly received: FromNode[] = [];
  readonly closed: Promise<Closed>;
  isClosed = false;
  #taken = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        this.isClosed = true;
        resolve({ code, reason: reason.toString() });
      });
    });
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      const frame = isBinary ? data : data.toString('utf8');
      for (const each of decodeFrame(frame, {
        readers: readers['from-node'],
        limits: widestLimits,
      })) {
        if (!each.ok) throw new Error(`The node sent what is no message: ${each.problem.message}`);
        this.received.push(each.message);
      }
    });
  }

  /**
   * An open WebSocket that has said nothing. Rejects with the HTTP status where the upgrade is
   * refused.
   */
  static async open(
    url: string,
    options: {
      protocols?: string[];
      headers?: Record<string, string>;
      path?: string;
      timeoutMs?: number;
      tls?: TlsFiles | null;
    } = {},
  ): Promise<RawPeer> {
    const { tls = null } = options;
    const socket = new WebSocket(
      `${tls === null ? 'ws' : 'wss'}://${url}${options.path ?? '/v1'}`,
      options.protocols ?? [subprotocol],
      { perMessageDeflate: false, headers: options.headers ?? {}, ...credentialsOf(tls) },
    );
    const peer = new RawPeer(socket);
    const opened = new Promise<void>((resolve, reject) => {
      socket.once('open', () => resolve());
      socket.once('error', reject);
    });
    try {
      await within(opened, 'a WebSocket to open', options.timeoutMs);
    } catch (error) {
      socket.terminate();
      throw error;
    }
    return peer;
  }

  /** One that has said hello and was welcomed. */
  static async greeted(
    url: string,
    hello: { name: string; roles: readonly string[]; instance?: string } & Record<string, unknown>,
    timeoutMs?: number,
    tls: TlsFiles | null = null,
  ): Promise<RawPeer> {
    const more = timeoutMs === undefined ? {} : { timeoutMs };
    const peer = await RawPeer.open(url, { ...more, tls });
    peer.send({ type: 'hello', protocol: 1, instance: `${hello.name}-1`, ...hello });
    try {
      await peer.next('welcome', undefined, timeoutMs);
    } catch (error) {
      peer.socket.terminate();
      throw error;
    }
    return peer;
  }

  static participant(url: string, name: string, instance: string = `${name}-1`): Promise<RawPeer> {
    return RawPeer.greeted(url, { name, instance, roles: ['participant'] });
  }

  /** In one frame. */
  send(...messages: readonly object[]): void {
    this.sendFrame(Buffer.concat(messages.map((message) => pack(message))));
  }

  sendFrame(frame: Buffer | string): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(frame);
  }

  /** The next message of that type that was not taken yet; those before it are passed over. */
  async next<T extends FromNode['type']>(
    type: T,
    matches: (message: Typed<T>) => boolean = () => true,
    timeoutMs?: number,
  ): Promise<Typed<T>> {
    return eventually(
      () => {
        for (let at = this.#taken; at < this.received.length; at += 1) {
          const message = this.received[at] as FromNode;
          if (message.type !== type || !matches(message as Typed<T>)) continue;
          this.#taken = at + 1;
          return message as Typed<T>;
        }
        return null;
      },
      () =>
        `${type}; there came ${JSON.stringify(this.received.slice(this.#taken - 3).slice(0, 9))}`,
      timeoutMs,
    );
  }

  /** Asks something with an id and returns the message that carries it. */
  async ask(message: { type: string; id: number } & Record<string, unknown>): Promise<FromNode> {
    this.send(message);
    return eventually(
      () => this.received.find((each) => 'id' in each && each.id === message.id) ?? null,
      () => `the reply to ${message.type} ${message.id}`,
    );
  }

  count(type: FromNode['type']): number {
    return this.received.filter((message) => message.type === type).length;
  }

  async close(): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }
}

function credentialsOf(tls: TlsFiles | null): { ca?: string; cert?: string; key?: string } {
  if (tls === null) return {};
  const read = ({ file }: { readonly file: string }): string => readFileSync(file, 'utf8');
  return { ca: read(tls.ca), cert: read(tls.cert), key: read(tls.key) };
}
