/**
 * The etcd of the simulation, by default without its faults, for tests that await like those of a
 * real one. Its time is simulated: it goes from event to event while somebody waits for an answer,
 * and stands still while no one does - or, where what is told unasked is waited for, goes on in
 * small steps.
 */
import type { EtcdStub } from '../../../src/decision-log/etcd/client.ts';
import { type EtcdFaults, SimEtcd } from '../../simulation/etcd/server.ts';
import { SimProcess } from '../../simulation/world/process.ts';
import { Reach } from '../../simulation/world/reach.ts';
import { World } from '../../simulation/world/world.ts';

const member = 'etcd1';
/** Before the event loop has its turn. */
const eventsInARow = 200;
const idlePauseMs = 2;

const faultless: EtcdFaults = {
  latencyMs: () => 0.2,
  fate: () => 'done',
  lateMs: () => 0,
  showsAtOnce: () => true,
  deafWatch: () => false,
  refusesLate: () => false,
};

export class SimulatedEtcd {
  readonly world: World = new World({ seed: 1, trace: false });
  readonly server: SimEtcd;
  readonly reach: Reach;
  readonly #broken = Promise.withResolvers<never>();
  readonly #goesOnUnasked: boolean;
  #waiting = 0;
  /** Events are being run, or will be in the event loop's next turn. */
  #goes = false;
  #idleTimer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(
    options: {
      readonly goesOnUnasked?: boolean;
      readonly faults?: Partial<EtcdFaults>;
    } = {},
  ) {
    this.#goesOnUnasked = options.goesOnUnasked ?? false;
    const { world } = this;
    this.reach = new Reach(world);
    this.server = new SimEtcd({
      world,
      members: [member],
      faults: { ...faultless, ...options.faults },
      reach: this.reach,
    });
    this.#broken.promise.catch(() => undefined);
    this.#goOn();
  }

  /** A process of its own, as every node is. */
  process(name: string): SimProcess {
    const { world } = this;
    return new SimProcess({ world, name, chance: world.stream(name), died: () => undefined });
  }

  stub(name = 'client'): EtcdStub {
    return this.server.stub(this.process(name), this.server.endpoints[0] ?? '');
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.world.after(ms, resolve);
    });
  }

  /** Time goes on until it is settled. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    this.#goOn();
    try {
      return await Promise.race([work(), this.#broken.promise]);
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Time goes on while any call of it, or of a leadership that it gives, is awaited. */
  awaited<T extends object>(target: T): T {
    const wrap = (value: unknown): unknown => {
      if (value instanceof Promise) return this.during(async () => wrap(await value));
      return isLeadership(value) ? this.awaited(value) : value;
    };
    return new Proxy(target, {
      get: (_, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...given: unknown[]) => wrap(Reflect.apply(value, target, given));
      },
    });
  }

  close(): void {
    this.#closed = true;
    this.#stopIdling();
  }

  /**
   * Events are run from the event loop's own turns: there, promises settle where the simulation
   * wants them to.
   */
  #goOn(): void {
    if (this.#closed || this.#goes) return;
    this.#stopIdling();
    if (this.#waiting > 0) {
      this.#goes = true;
      setImmediate(() => this.#run(() => this.#waiting === 0));
    } else if (this.#goesOnUnasked) {
      this.#idleTimer = setTimeout(() => this.#idle(), idlePauseMs);
    }
  }

  #stopIdling(): void {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
  }

  #idle(): void {
    this.#goes = true;
    let over = false;
    this.world.after(idlePauseMs, () => {
      over = true;
    });
    this.#run(() => over);
  }

  #run(over: () => boolean): void {
    for (let left = eventsInARow; left > 0 && !over(); left -= 1) {
      if (this.#closed) return;
      this.world.step();
      if (this.world.violation === null) continue;
      this.#broken.reject(this.world.violation);
      return;
    }
    this.#goes = false;
    this.#goOn();
  }
}

function isLeadership(value: unknown): value is object {
  return typeof value === 'object' && value !== null && 'decide' in value;
}
