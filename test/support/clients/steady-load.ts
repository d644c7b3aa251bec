/**
 * Calls of every kind, one after the other in several loops, until it is told to stop; each is
 * recorded.
 */
import type { Client } from '../../../src/client.ts';
import { eventually, pause } from '../process/child.ts';
import { patienceMs } from '../process/slowness.ts';
import type { History, Plan, RecordedCall } from './history.ts';

export interface SteadyLoadSettings {
  readonly history: History;
  /** Dealt out to the loops in turn. */
  readonly clients: readonly Client[];
  readonly participants: readonly string[];
  readonly loops?: number;
  /** Between two calls of one loop: the faults are the point, not the pressure. */
  readonly pauseMs?: number;
  readonly callTimeoutMs?: number;
}

let serial = 0;

export class SteadyLoad {
  readonly calls: RecordedCall[] = [];
  readonly #settings: SteadyLoadSettings;
  readonly #loops: Promise<void>[];
  #stopping = false;

  constructor(settings: SteadyLoadSettings) {
    this.#settings = settings;
    this.#loops = Array.from({ length: settings.loops ?? 4 }, (_, index) => this.#loop(index));
  }

  /** Lets what is under way end, and returns all of it. */
  async stop(): Promise<readonly RecordedCall[]> {
    this.#stopping = true;
    await Promise.all(this.#loops);
    return this.calls;
  }

  /** Resolves when `count` more calls have been answered `ok` from now on: things go on. */
  async moreOk(count: number, timeoutMs: number = patienceMs): Promise<void> {
    const wanted = this.#ok + count;
    await eventually(
      () => (this.#ok >= wanted ? true : null),
      () => `${wanted} commits; there are ${this.#ok} among ${this.summary()}`,
      timeoutMs,
    );
  }

  /** How many calls ended how. */
  summary(): string {
    const counts = new Map<string, number>();
    for (const { ended, code } of this.calls) {
      const kind = code === null ? ended : `${ended} ${code}`;
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    return JSON.stringify(Object.fromEntries(counts));
  }

  get #ok(): number {
    return this.calls.filter(({ ended }) => ended === 'ok').length;
  }

  async #loop(index: number): Promise<void> {
    const { clients, pauseMs = 5 } = this.#settings;
    const client = clients[index % clients.length];
    if (client === undefined) throw new Error('A load without a client.');
    for (let turn = index; !this.#stopping; turn += 1) {
      this.calls.push(await this.#one(client, turn));
      await pause(pauseMs);
    }
  }

  #one(client: Client, turn: number): Promise<RecordedCall> {
    const { history, participants, callTimeoutMs = 20_000 } = this.#settings;
    const [first = '', second = ''] = participants;
    const all: Plan = Object.fromEntries(participants.map((name) => [name, {}]));
    serial += 1;
    const requestId = `load-${process.pid}-${serial}`;
    switch (turn % 6) {
      case 0:
      case 3:
        return history.transact(client, all, { requestId, callTimeoutMs });
      case 1:
        return history.transact(client, all, { callTimeoutMs });
      case 2:
        return history.transact(client, { ...all, [second]: { vote: 'abort' } }, { callTimeoutMs });
      case 4:
        return history.transact(
          client,
          { [first]: {}, [second]: { vote: 'readonly' } },
          { callTimeoutMs },
        );
      default:
        return history.interactive(client, all, { rollback: turn % 12 === 5 });
    }
  }
}
