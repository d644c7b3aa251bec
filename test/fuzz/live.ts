/**
 * A node, participants and clients of real processes at work, and a process that attacks the node
 * with frames. Afterwards the node must be the same process, hold no more memory than before, and
 * have decided nothing wrong.
 */
import { fileURLToPath } from 'node:url';
import { readLog } from '../support/logs/log-contents.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import { Child, eventually, pause } from '../support/process/child.ts';
import type { AttackEnd, AttackSettings } from './attack-entry.ts';
import { GoodWork, type Latencies } from './good-work.ts';

export interface LiveOptions {
  readonly frames: number;
  readonly seed: number;
  readonly progress?: (text: string) => void;
}

export interface LiveResult {
  readonly frames: number;
  readonly connections: number;
  readonly faults: readonly string[];
  readonly quiet: Latencies;
  readonly attacked: Latencies;
  /** After a forced collection: before the attack, and when all of it was over. */
  readonly memory: { readonly before: Memory; readonly after: Memory };
  /** Calls of good clients by how they ended, and decisions in the log. */
  readonly calls: string;
  readonly decisions: number;
  readonly tookMs: number;
}

export interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

/**
 * Stated bounds on what an attack may leave behind. Freed pages return to the system when the
 * allocator likes.
 */
export const maxHeapGrownBytes: number = 24 * 1_048_576;
export const maxRssGrownBytes: number = 96 * 1_048_576;

const participants = ['a', 'b'] as const;
/** Request ids are used again and again: past the window, they are others. */
const requestWindowMs = 5_000;
const quietMs = 4_000;
const settleTimeoutMs = 60_000;
const attackTimeoutMs = 20 * 60_000;
const probe = fileURLToPath(new URL('./memory-probe-entry.ts', import.meta.url));

/**
 * One heap for each of glibc's threads keeps freed pages by chance: the same program held 150 to
 * 201 MiB more, run by run. With two, what is looked at is the node.
 */
const allocator = ['MALLOC_ARENA_MAX=2', 'MALLOC_TRIM_THRESHOLD_=131072'] as const;

export async function fuzzLive(options: LiveOptions): Promise<LiveResult> {
  const cluster = await Cluster.started({
    participants,
    // What ended must be forgotten before the memory is looked at.
    options: { maxTransactionTimeoutMs: 4_000, maxRecent: 500, handshakeTimeoutMs: 2_000 },
    requestWindowMs,
    nodeSettings: {
      through: ['env', ...allocator, `NODE_OPTIONS=--import ${probe}`],
      logLevel: 'info',
    },
  });
  try {
    return await new Live(cluster, options).run();
  } finally {
    await cluster.remove();
  }
}

class Live {
  readonly #cluster: Cluster;
  readonly #options: LiveOptions;
  readonly #faults: string[] = [];

  constructor(cluster: Cluster, options: LiveOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  async run(): Promise<LiveResult> {
    const startedMs = performance.now();
    const cluster = this.#cluster;
    const { pid } = cluster.node.child;
    const work = new GoodWork({
      clients: [await cluster.client(), await cluster.client()],
      participants,
      history: cluster.history,
    });
    this.#tell('quiet: warming up');
    await pause(quietMs / 2);
    work.measure();
    this.#tell('quiet: measuring');
    await pause(quietMs);
    const quiet = work.measure();
    const before = await this.#memory();
    work.measure();
    const end = await this.#attack();
    const attacked = work.measure();
    this.#tell('the attack is over');
    await pause(quietMs / 2);
    await work.stop();
    await this.#retireHostile();
    this.#faults.push(...(await this.#unsettled(end)));
    if (!cluster.node.running || cluster.node.child.pid !== pid) {
      this.#faults.push(`the node went down:\n${cluster.node.output()}`);
    }
    this.#faults.push(...cluster.node.alarms(), ...work.faults);
    for (const { name, running, child } of cluster.participants.values()) {
      if (!running) this.#faults.push(`${name} went down: ${JSON.stringify(child.exit)}`);
    }
    if (this.#faults.length > 0) {
      // Why one of them stayed away, or what it waits for.
      for (const { name, child } of cluster.participants.values()) {
        this.#faults.push(`the last lines of ${name}:\n${child.lines.slice(-30).join('\n')}`);
      }
    }
    const after = await this.#settledMemory(before);
    return {
      frames: end.frames,
      connections: end.connections,
      faults: this.#faults,
      quiet,
      attacked,
      memory: { before, after },
      calls: work.summary(),
      decisions: readLog(cluster.log).records.length,
      tookMs: performance.now() - startedMs,
    };
  }

  async #attack(): Promise<AttackEnd> {
    const { frames, seed } = this.#options;
    const settings: AttackSettings = { port: this.#cluster.node.port, frames, seed, participants };
    const child = new Child('test/fuzz/attack-entry.ts', { args: [JSON.stringify(settings)] });
    try {
      const line = await eventually(
        () => {
          const last = child.lines.at(-1) ?? '';
          if (last.startsWith('{"end":')) return last;
          const told = /^\{"done":(\d+)\}$/.exec(last);
          if (told !== null) this.#tell(`${told[1]} of ${frames} frames`);
          // What it wrote is the reason.
          if (child.exit !== null) throw new Error(`The attack ended:\n${child.lines.join('\n')}`);
          return null;
        },
        () => 'the attack to end',
        attackTimeoutMs,
      );
      const { end } = JSON.parse(line) as { end: AttackEnd };
      this.#faults.push(...end.faults);
      return end;
    } finally {
      await child.kill();
    }
  }

  /**
   * Hostile participants voted commit, and will never acknowledge: their instances never come back.
   */
  async #retireHostile(): Promise<void> {
    const cluster = this.#cluster;
    const operator = await cluster.operator();
    let id = 0;
    await eventually(
      async () => {
        const owed = new Map<string, { participant: string; instance: string }>();
        for (const { area, branches = [] } of readLog(cluster.log).records) {
          if (area !== 'decisions') continue;
          for (const { participant, instance } of branches) {
            if ((participants as readonly string[]).includes(participant)) continue;
            owed.set(JSON.stringify([participant, instance]), { participant, instance });
          }
        }
        for (const instance of owed.values()) {
          id += 1;
          await operator.ask({ type: 'retire', id, ...instance });
        }
        return owed.size === 0 ? true : null;
      },
      () => 'the hostile participants to be retired',
      settleTimeoutMs,
    );
    id += 1;
    // Forced aborts are swept once a minute: not to wait for that, the leader is made to look.
    await operator.ask({ type: 'recover', id });
    await operator.close();
  }

  async #unsettled({ votes }: AttackEnd): Promise<string[]> {
    const violations = await this.#cluster.settled({ requestWindowMs });
    const given = new Set(votes);
    // I3 for the participants of the attack, which keep no store: no one but themselves can have
    // voted for them.
    for (const { txid, outcome, branches = [] } of readLog(this.#cluster.log).records) {
      for (const { participant, branch } of outcome === 'commit' ? branches : []) {
        if ((participants as readonly string[]).includes(participant)) continue;
        if (given.has(`${participant} ${txid}/${branch}`)) continue;
        violations.push(`${txid} is committed, and ${participant}/${branch} never voted for it`);
      }
    }
    return violations;
  }

  async #memory(): Promise<Memory> {
    const { child } = this.#cluster.node;
    const isMemory = (line: string): boolean => line.startsWith('{"memory":');
    const before = child.lines.filter(isMemory).length;
    child.signal('SIGUSR2');
    const line = await eventually(
      () => {
        const lines = child.lines.filter(isMemory);
        return lines.length > before ? (lines.at(-1) ?? null) : null;
      },
      () => 'the node to tell of its memory',
    );
    return (JSON.parse(line) as { memory: Memory }).memory;
  }

  /** Once it is within the bounds, or what it is when it never comes to be. */
  async #settledMemory(before: Memory): Promise<Memory> {
    let after = await this.#memory();
    const within = (): boolean =>
      after.heapUsed - before.heapUsed <= maxHeapGrownBytes &&
      after.rss - before.rss <= maxRssGrownBytes;
    for (let left = 20; left > 0 && !within(); left -= 1) {
      await pause(1_000);
      after = await this.#memory();
    }
    if (!within()) {
      this.#faults.push(
        `the memory did not come down: ${JSON.stringify(before)} before, ${JSON.stringify(after)} after`,
      );
    }
    return after;
  }

  #tell(text: string): void {
    this.#options.progress?.(text);
  }
}
