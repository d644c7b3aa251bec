/** Listeners by address, dials, and every connection that stands. */
import type { FromNode, ToNode } from '../../../src/core/messages.ts';
import type {
  Acceptor,
  CloseInfo,
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Dialer,
} from '../../../src/ports/transport.ts';
import { widestLimits } from '../../../src/wire/limits.ts';
import { readers } from '../../../src/wire/readers.ts';
import { type Direction, validate } from '../../../src/wire/validate.ts';
import type { SimProcess } from './process.ts';
import type { Reach } from './reach.ts';
import { Wire, type WireEnd, type WireFaults, type WireWatcher } from './wire.ts';
import type { World } from './world.ts';

interface Listening {
  readonly process: SimProcess;
  readonly heartbeatMs: number;
  readonly accept: (connection: Connection<FromNode>) => ConnectionHandler<ToNode>;
}

export class Network {
  readonly #world: World;
  readonly #reach: Reach;
  readonly #faults: WireFaults;
  readonly #watcher: WireWatcher;
  readonly #listening = new Map<string, Listening>();
  /** Machines that answer nothing, not even with a refusal. */
  readonly #vanished = new Set<string>();
  readonly #wires = new Set<Wire>();
  #serial = 0;

  constructor(options: {
    readonly world: World;
    readonly reach: Reach;
    readonly faults: WireFaults;
    readonly watcher: WireWatcher;
  }) {
    this.#world = options.world;
    this.#reach = options.reach;
    this.#faults = options.faults;
    this.#watcher = options.watcher;
    options.reach.onChange(() => this.reconsider());
  }

  /** After a pause, a wake-up or a cut. */
  reconsider(): void {
    for (const wire of [...this.#wires]) wire.reconsider();
  }

  get wires(): readonly Wire[] {
    return [...this.#wires];
  }

  acceptor(
    process: SimProcess,
    options: { readonly address: string; heartbeatMs: number },
  ): Acceptor {
    const { address, heartbeatMs } = options;
    return {
      listen: async (accept) => {
        this.#listening.set(address, { process, heartbeatMs, accept });
        this.#vanished.delete(process.name);
        return {
          address,
          port: 7070,
          close: async () => {
            if (this.#listening.get(address)?.process === process) this.#listening.delete(address);
            for (const wire of this.#wires) {
              if (wire.acceptor.process === process)
                wire.acceptor.close(1001, 'The node is stopping.');
            }
          },
        };
      },
    };
  }

  /** `tells`: its kernel lives on, and resets its connections; else the machine is gone with it. */
  died(process: SimProcess, options: { readonly tells: boolean }): void {
    if (!options.tells) this.#vanished.add(process.name);
    for (const wire of [...this.#wires]) {
      for (const end of [wire.dialler, wire.acceptor]) {
        if (end.process === process) end.abandon(options);
      }
      wire.reconsider();
    }
    for (const [address, listening] of this.#listening) {
      if (listening.process === process && options.tells) this.#listening.delete(address);
    }
  }

  dialer(process: SimProcess): Dialer {
    // Its machine is back.
    this.#vanished.delete(process.name);
    return { connect: (options, events) => this.#dial(process, options, events) };
  }

  #dial(
    from: SimProcess,
    options: ConnectOptions,
    events: Parameters<Dialer['connect']>[1],
  ): { cancel(): void } {
    let over = !from.effect();
    const fail = (delayMs: number, info: Pick<CloseInfo, 'kind' | 'reason'>): void => {
      from.io(delayMs, () => {
        if (over) return;
        over = true;
        events.failed({ code: 1006, ...info });
      });
    };
    const address = hostOf(options.url);
    const timedOut = { kind: 'silent', reason: 'The handshake took too long.' } as const;
    fail(options.timeoutMs, timedOut);
    // The name of the machine is that of its address.
    const machine = address.split(':')[0] ?? '';
    const reachable = (): boolean =>
      this.#reach.reaches(from.name, machine) &&
      this.#reach.reaches(machine, from.name) &&
      !this.#vanished.has(machine);
    this.#world.after(this.#faults.latencyMs(), () => {
      if (over || !from.alive || !reachable()) return;
      const listening = this.#listening.get(address);
      if (listening === undefined || !listening.process.alive) {
        fail(this.#faults.latencyMs(), { kind: 'refused', reason: 'Nobody listens there.' });
        return;
      }
      listening.process.io(0, () => {
        if (over || !from.alive || !reachable()) return;
        const wire = this.#open(from, listening, options.heartbeatMs);
        wire.acceptor.handler = listening.accept(
          wire.acceptor as Connection<never> as Connection<FromNode>,
        ) as ConnectionHandler<never>;
        from.io(this.#faults.latencyMs(), () => {
          if (over || !wire.dialler.isOpen) {
            wire.dialler.terminate();
            return;
          }
          over = true;
          wire.dialler.handler = events.opened(
            wire.dialler as Connection<never> as Connection<ToNode>,
          ) as ConnectionHandler<never>;
        });
      });
    });
    return {
      cancel: () => {
        over = true;
      },
    };
  }

  #open(from: SimProcess, listening: Listening, heartbeatMs: number): Wire {
    this.#serial += 1;
    const wire = new Wire(
      {
        world: this.#world,
        serial: this.#serial,
        reaches: (one, other) =>
          this.#reach.reaches(one.name, other.name) && !this.#vanished.has(other.name),
        faults: this.#faults,
        watcher: this.#watcher,
        heartbeatMs: Math.min(heartbeatMs, listening.heartbeatMs),
        receive: (end, message) =>
          this.#receive(end, message as Record<string, unknown> & { type: string }),
        over: (done) => this.#wires.delete(done),
      },
      from,
      listening.process,
    );
    this.#wires.add(wire);
    return wire;
  }

  /** As the codec does for whatever comes in. */
  #receive(end: WireEnd, message: Record<string, unknown> & { type: string }): void {
    const direction = end.wire.acceptor === end ? 'to-node' : 'from-node';
    const decoded = validate<Direction>(message, readers[direction], widestLimits);
    if (decoded.ok) end.handler?.message(decoded.message);
    else this.#world.broken(`A message that its own codec refuses: ${decoded.problem.message}`);
  }
}

/** Of `ws://n1:7070/v1`. */
function hostOf(url: string): string {
  return url.split('/')[2] ?? '';
}
