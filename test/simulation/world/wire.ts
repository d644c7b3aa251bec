/**
 * One connection: two ends, each with what it has sent on its way, in order.
 *
 * It behaves as a WebSocket over TCP does: nothing is lost or overtaken while it stands; what is
 * sent into a cut waits there and arrives when the cut is mended, unless one side has given up by
 * then. Heart-beats are not sent one by one: when they would go unanswered is known from the cuts
 * and pauses.
 */
import type { CloseInfo, Connection, ConnectionHandler } from '../../../src/ports/transport.ts';
import { copyOf } from './copy.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

type Message = { readonly type: string } & object;

/** What the network may do to a message, besides delivering it. */
export interface WireFaults {
  /** How long it is on its way. */
  latencyMs(message?: Message): number;
  /** Breaks the connection as this message is sent. */
  breaks(message: Message): boolean;
  /** The receiver reads it together with what comes next, in one turn. */
  waitsForNext(message: Message): boolean;
  /** Further messages that the other side gets, and when. */
  extras(message: Message): readonly { readonly message: Message; readonly afterMs: number }[];
}

export interface WireWatcher {
  sent(from: SimProcess, to: SimProcess, message: Message): void;
}

export interface WireOptions {
  readonly world: World;
  readonly serial: number;
  readonly reaches: (from: SimProcess, to: SimProcess) => boolean;
  readonly faults: WireFaults;
  readonly watcher: WireWatcher;
  readonly heartbeatMs: number;
  readonly receive: (end: WireEnd, message: Message) => void;
  /** Both ends are closed. */
  readonly over: (wire: Wire) => void;
}

const maxPingsUnanswered = 2;
/** A process that has much to do reads as late. */
const maxUnreadMs = 20;
/** As the WebSocket transport has it. */
const closeTimeoutMs = 2_000;

export class Wire {
  readonly options: WireOptions;
  readonly dialler: WireEnd;
  readonly acceptor: WireEnd;
  readonly openedAtMs: number;
  /** Since when heart-beats would go unanswered; null while they do not. */
  silentSinceMs: number | null = null;
  #blocked = 0;

  constructor(options: WireOptions, from: SimProcess, to: SimProcess) {
    this.options = options;
    this.openedAtMs = options.world.nowMs;
    this.dialler = new WireEnd(this, from);
    this.acceptor = new WireEnd(this, to);
    this.dialler.peer = this.acceptor;
    this.acceptor.peer = this.dialler;
  }

  /** Something about cuts, pauses or deaths has changed. */
  reconsider(): void {
    const { world, heartbeatMs } = this.options;
    const silent = this.#isSilent();
    if (silent && this.silentSinceMs === null) {
      this.silentSinceMs = world.nowMs;
      this.#blocked += 1;
      const spell = this.#blocked;
      for (const end of [this.dialler, this.acceptor]) {
        const patienceMs = heartbeatMs * world.chance.between(maxPingsUnanswered, 3);
        end.process.io(patienceMs, () => {
          if (this.silentSinceMs !== null && this.#blocked === spell) end.giveUp();
        });
      }
    } else if (!silent) {
      this.silentSinceMs = null;
    }
    this.dialler.flush();
    this.acceptor.flush();
    if (!this.dialler.isOpen && !this.acceptor.isOpen) this.options.over(this);
  }

  #isSilent(): boolean {
    const { reaches } = this.options;
    const [a, b] = [this.dialler, this.acceptor];
    if (!a.isOpen || !b.isOpen) return true;
    if (a.process.paused || b.process.paused) return true;
    return !reaches(a.process, b.process) || !reaches(b.process, a.process);
  }
}

export class WireEnd implements Connection<Message> {
  readonly wire: Wire;
  readonly process: SimProcess;
  readonly remoteAddress = 'simulated';
  peer!: WireEnd;
  handler: ConnectionHandler<Message> | null = null;
  isOpen = true;
  /** Closed by this side; what still comes in is handled until the other side agrees. */
  #closing = false;
  /** What waits before a cut. */
  #waiting: (() => void)[] = [];
  #arrivesAtMs = 0;
  /** Under way. By order and not by time: sums of two may differ in their last bit. */
  readonly #arriving: (() => void)[] = [];
  /** What has come in and was not read yet. */
  #unread: Message[] = [];

  constructor(wire: Wire, process: SimProcess) {
    this.wire = wire;
    this.process = process;
  }

  send(message: Message): void {
    if (!this.isOpen || this.#closing || !this.process.effect()) return;
    const { world, faults, watcher, serial } = this.wire.options;
    const copy = copyOf(message);
    if (world.tracing) world.note(this.process.name, `#${serial} sends ${describe(copy)}`);
    watcher.sent(this.process, this.peer.process, copy);
    if (faults.breaks(copy)) {
      this.snap();
      return;
    }
    this.#carry(copy);
    for (const { message: extra, afterMs } of faults.extras(copy)) {
      world.after(afterMs, () => {
        if (this.isOpen) this.#carry(copyOf(extra));
      });
    }
  }

  #carry(message: Message): void {
    this.#underWay(() => {
      const { peer } = this;
      if (!peer.isOpen) return;
      peer.#unread.push(message);
      const { waitsForNext } = this.wire.options.faults;
      if (peer.#unread.length === 1 && waitsForNext(message)) {
        peer.process.io(maxUnreadMs, () => peer.#read());
      } else {
        peer.#read();
      }
    }, message);
  }

  /** With no turn between one message and the next: as from one piece of a stream. */
  #read(): void {
    const unread = this.#unread;
    this.#unread = [];
    for (const message of unread) if (this.isOpen) this.wire.options.receive(this, message);
  }

  /** In order behind what was sent before; waits where the way is cut. */
  #underWay(arrive: () => void, message?: Message): void {
    const { world, faults, reaches } = this.wire.options;
    if (this.#waiting.length > 0 || !reaches(this.process, this.peer.process)) {
      this.#waiting.push(arrive);
      return;
    }
    this.#arrivesAtMs = Math.max(this.#arrivesAtMs, world.nowMs + faults.latencyMs(message));
    this.#arriving.push(arrive);
    this.peer.process.io(this.#arrivesAtMs - world.nowMs, () => this.#arriving.shift()?.());
  }

  flush(): void {
    const { reaches } = this.wire.options;
    if (this.#waiting.length === 0 || !reaches(this.process, this.peer.process)) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const arrive of waiting) this.#underWay(arrive);
  }

  close(code: number, reason: string): void {
    if (!this.isOpen || this.#closing || !this.process.effect()) return;
    this.#closing = true;
    const info: CloseInfo = { code, reason, kind: 'closed' };
    this.#underWay(() => {
      const { peer } = this;
      peer.#read();
      if (peer.isOpen) peer.#end(info);
      peer.#underWay(() => this.#end(info));
    });
    this.process.io(closeTimeoutMs, () => this.#end(info));
  }

  terminate(): void {
    if (!this.isOpen) return;
    this.process.io(0, () =>
      this.#end({ code: 1006, reason: 'Terminated by this side.', kind: 'closed' }),
    );
    this.#resetPeer();
  }

  /** Its heart-beats went unanswered. */
  giveUp(): void {
    this.#end({ code: 1006, reason: 'The peer is silent.', kind: 'silent' });
  }

  /** The network breaks it, in both directions; what is on its way is lost. */
  snap(): void {
    const { world, faults } = this.wire.options;
    world.note(this.process.name, `#${this.wire.options.serial} breaks`);
    for (const end of [this, this.peer]) {
      end.process.io(faults.latencyMs() * 2, () => end.#end(reset));
    }
  }

  /** Its process is gone: the kernel tells the other side, where it can, or no one does. */
  abandon(options: { readonly tells: boolean }): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#waiting = [];
    if (options.tells) this.#resetPeer();
  }

  #resetPeer(): void {
    const { peer } = this;
    this.#underWay(() => peer.#end(reset));
  }

  #end(info: CloseInfo): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#waiting = [];
    const { world, serial } = this.wire.options;
    world.note(this.process.name, `#${serial} ended (${info.kind})`);
    this.handler?.closed(info);
    if (info.kind === 'silent') this.#resetPeer();
    this.wire.reconsider();
  }

  answeredPingAgeMs(): number {
    const { wire, process } = this;
    const { world, heartbeatMs } = wire.options;
    // Pings leave at a fixed rhythm from the opening on; the latest one before the silence was
    // answered.
    let latestMs = wire.silentSinceMs ?? world.nowMs;
    // Just woken: no ping since the pause has been answered yet.
    if (world.nowMs - process.resumedAtMs < 5) latestMs = Math.min(latestMs, process.pausedAtMs);
    const beats = Math.max(0, Math.floor((latestMs - wire.openedAtMs) / heartbeatMs));
    return world.nowMs - (wire.openedAtMs + beats * heartbeatMs);
  }

  bufferedBytes(): number {
    return 0;
  }
}

const reset: CloseInfo = { code: 1006, reason: 'The connection was reset.', kind: 'reset' };

function describe(message: Message): string {
  const { type, txid, id, outcome, decision, vote, code } = message as Readonly<
    Record<string, unknown>
  >;
  const parts = [type, id, txid, outcome, decision, vote, code];
  return parts.filter((part) => part !== undefined).join(' ');
}
