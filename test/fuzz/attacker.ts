/** Hostile connections of one kind, one after the other. */
import { pack } from 'msgpackr';
import { WebSocket } from 'ws';
import type { FromNode, PeerRole } from '../../src/core/messages.ts';
import type { Random } from '../../src/ports/random.ts';
import { subprotocol } from '../../src/wire/address.ts';
import { decodeFrame } from '../../src/wire/codec.ts';
import { FrameError } from '../../src/wire/frame-error.ts';
import { widestLimits } from '../../src/wire/limits.ts';
import { readers } from '../../src/wire/readers.ts';
import { pause, within } from '../support/process/child.ts';
import { limits } from '../support/samples/wire.ts';
import { type Frame, type Frames, written } from './frames.ts';
import type { Loot } from './loot.ts';
import { chance } from './values.ts';

export interface AttackerOptions {
  readonly url: string;
  /** Null: it never says hello. */
  readonly hello: {
    readonly name: string;
    readonly instance: string;
    readonly roles: readonly PeerRole[];
  } | null;
  readonly frames: Frames;
  readonly loot: Loot;
  readonly random: Random;
}

/** Frames between two signs of life that are waited for. */
const maxBatch = 20;
const lifeTimeoutMs = 20_000;
/**
 * Of what it is asked as a participant, this part is answered as it should be: else nothing would
 * ever commit.
 */
const honestPart = 0.6;

export class Attacker {
  connections = 0;
  /** What the node must not do: fall silent, or send what is no message. */
  readonly faults: string[] = [];
  readonly #options: AttackerOptions;
  #socket: WebSocket | null = null;
  #last: Frame = '';
  #signOfLife: () => void = () => undefined;

  constructor(options: AttackerOptions) {
    this.#options = options;
  }

  /**
   * Sends up to `count` frames, and waits until the node has been through them. Returns how many
   * there were.
   */
  async batch(count: number): Promise<number> {
    const socket = await this.#open();
    if (socket === null) return 0;
    const { frames, loot, hello } = this.#options;
    let sent = 0;
    while (sent < Math.min(count, maxBatch) && socket.readyState === socket.OPEN) {
      const { frame } = frames.next();
      this.#last = frame;
      socket.send(frame);
      sent += 1;
      const reading = read(frame);
      if (hello !== null) for (const each of reading ?? []) loot.sent(hello.name, each);
      // The node closes after this one, and would not read the next.
      if (reading === null || hello === null) break;
    }
    await this.#alive(socket);
    return sent;
  }

  close(): void {
    this.#socket?.terminate();
  }

  async #open(): Promise<WebSocket | null> {
    if (this.#socket?.readyState === WebSocket.OPEN) return this.#socket;
    const { url, hello } = this.#options;
    const socket = new WebSocket(`ws://${url}/v1`, [subprotocol], { perMessageDeflate: false });
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('pong', () => this.#signOfLife());
    socket.on('close', () => this.#signOfLife());
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#heard(data, isBinary));
    const opened = new Promise<boolean>((resolve) => {
      socket.once('open', () => resolve(true));
      socket.once('close', () => resolve(false));
    });
    if (!(await within(opened, 'a connection', lifeTimeoutMs))) {
      await pause(20);
      return null;
    }
    this.connections += 1;
    if (hello !== null) this.#say({ type: 'hello', protocol: 1, ...hello });
    return socket;
  }

  /** A pong comes after all that was sent before its ping was read. */
  async #alive(socket: WebSocket): Promise<void> {
    if (socket.readyState !== socket.OPEN) return;
    const over = new Promise<void>((resolve) => {
      this.#signOfLife = resolve;
    });
    socket.ping();
    try {
      await within(over, 'a sign of life', lifeTimeoutMs);
    } catch {
      this.faults.push(`no sign of life for ${lifeTimeoutMs} ms after ${written(this.#last)}`);
      socket.terminate();
    }
  }

  #say(message: object): void {
    const socket = this.#socket;
    if (socket?.readyState === WebSocket.OPEN) socket.send(pack(message));
  }

  #heard(data: Buffer, isBinary: boolean): void {
    const frame = isBinary ? data : data.toString('utf8');
    for (const each of decodeFrame(frame, {
      readers: readers['from-node'],
      limits: widestLimits,
    })) {
      if (each.ok) this.#learn(each.message);
      else this.faults.push(`the node sent what is no message: ${each.problem.message}`);
    }
  }

  #learn(message: FromNode): void {
    const { loot, hello, random } = this.#options;
    loot.heard(message);
    if (hello === null || !chance(random, honestPart)) return;
    if (message.type === 'prepare') {
      const { txid, branch } = message;
      const vote = { type: 'vote', txid, branch, vote: 'commit' } as const;
      loot.sent(hello.name, vote);
      this.#say(vote);
    } else if (message.type === 'commit' || message.type === 'rollback') {
      const { txid, branch } = message;
      const decision = message.type === 'commit' ? 'commit' : 'abort';
      this.#say({ type: 'ack', txid, branch, decision, ok: true });
    }
  }
}

/** The messages that a node takes out of the frame; null where it gives the stream up. */
function read(frame: Frame): ReturnType<typeof messages> | null {
  try {
    return messages(frame);
  } catch (error) {
    if (error instanceof FrameError) return null;
    throw error;
  }
}

function messages(frame: Frame) {
  return decodeFrame(frame, { readers: readers['to-node'], limits }).flatMap((each) =>
    each.ok ? [each.message] : [],
  );
}
