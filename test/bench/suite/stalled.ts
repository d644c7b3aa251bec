/**
 * One of twenty participants stands still: what becomes of the transactions that do not touch it.
 *
 * Quiet and stalled phases alternate, and each stalled one is compared with the quiet one before
 * it, since machines drift. In both, the same load on the twentieth is offered beside the measured
 * one: few loops with a pause, as long as they are told to wait, so that what its standing still
 * saves is little.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type Client, connect } from '../../../src/client.ts';
import { someOf, startServices } from '../../support/participants/services.ts';
import { Child, pause, within } from '../../support/process/child.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';
import { closedLoop, type Measured, median } from '../load.ts';
import type { Findings, Section } from './section.ts';

const loopsOnStalled = 8;
const pauseMs = 500;
const warmUpMs = 1_000;
const inFlight = 32;
const backTimeoutMs = 60_000;
/** Of a phase, against the suite's measurements: a stall shows itself only after some time-outs. */
const longer = 3;
const throughputAim = 0.95;
const p99Aim = 1.5;

export const stalled: Section = {
  name: 'stalled',
  title: 'One of twenty participants stands still',
  about:
    'Transactions of three branches over 19 participants, 32 in flight, on the embedded log. A ' +
    'twentieth is stopped (SIGSTOP) in every other phase, while eight loops go on asking for ' +
    'transactions with it. Each stalled phase is compared with the quiet one before it: those ' +
    'that do not touch the one that stands still must not notice.',
  run: async ({ directory, rounds, durationMs, progress }) =>
    findings(await oneStalled({ directory, rounds, durationMs: durationMs * longer, progress })),
};

function findings(result: StalledResult): Findings {
  const { rounds, told, backMs, throughputRatio, p99Ratio } = result;
  const phase = (round: number, name: string, { perSecond, p50Ms, p99Ms }: Measured) =>
    [`${round}`, name, perSecond, p50Ms, p99Ms] as const;
  return {
    tables: [
      {
        title: 'Transactions that do not touch it',
        columns: ['round', 'phase', 'tx/s', 'p50 ms', 'p99 ms'],
        rows: rounds.flatMap((round, index) => [
          phase(index + 1, 'quiet', round.quiet),
          phase(index + 1, 'stalled', round.stalled),
        ]),
      },
      ...toldTable(told),
      {
        title: 'From its going on to the first commit with it',
        columns: ['ms'],
        rows: [[backMs]],
      },
    ],
    charts: [],
    targets: [
      {
        what: '1 of 20 participants stalled: throughput of the others',
        aim: `>= ${percent(throughputAim)} of a quiet phase`,
        measured: percent(throughputRatio),
        met: throughputRatio >= throughputAim,
      },
      {
        what: '1 of 20 participants stalled: p99 of the others',
        aim: `<= ${p99Aim} times a quiet phase`,
        measured: `${p99Ratio.toFixed(2)} times`,
        met: p99Ratio <= p99Aim,
      },
    ],
  };
}

/** Empty where the phase was over before any of them was told. */
function toldTable(told: StalledResult['told']): Findings['tables'] {
  const rows = Object.entries(told);
  if (rows.length === 0) return [];
  const title = 'What those that touch it were told while it stood still';
  return [{ title, columns: ['answer', 'times'], rows }];
}

const percent = (part: number): string => `${Math.round(part * 100)} %`;

interface StalledResult {
  readonly rounds: readonly { readonly quiet: Measured; readonly stalled: Measured }[];
  /** Medians over the rounds. */
  readonly throughputRatio: number;
  readonly p99Ratio: number;
  /** Of those that touch it while it stands still: by what they were told. */
  readonly told: Readonly<Record<string, number>>;
  /** From SIGCONT to the first commit with it: the median. */
  readonly backMs: number;
}

async function oneStalled(given: {
  readonly directory: string;
  readonly rounds: number;
  readonly durationMs: number;
  readonly progress: (text: string) => void;
}): Promise<StalledResult> {
  const { directory, rounds, durationMs, progress } = given;
  await mkdir(directory, { recursive: true });
  const node = new Child('test/bench/node.ts', { args: [join(directory, 'node')] });
  const children: Child[] = [node];
  const clients: Client[] = [];
  try {
    const port = (await node.line(/^\d+$/)) ?? '';
    const names = Array.from({ length: 19 }, (_, index) => `p${index}`);
    const others = await startServices({ directory, port, names, processes: 2 });
    const one = await startServices({
      directory: join(directory, 'one'),
      port,
      names: ['stalled'],
      processes: 1,
    });
    children.push(...others.children, ...one.children);
    const [stopped] = one.children;
    if (stopped === undefined)
      throw new Error('The participant that is to stand still is missing.');
    const random = seededRandom(7);
    const [measuring, beside] = await Promise.all([
      connect({ urls: [`127.0.0.1:${port}`] }),
      connect({ urls: [`127.0.0.1:${port}`] }),
    ]);
    clients.push(measuring, beside);
    const transact = async (): Promise<void> => {
      const branches = someOf(names, 3, random).map((participant) => ({ participant }));
      const outcome = await measuring.transact({ branches });
      if (outcome.outcome !== 'committed') throw new Error(`aborted: ${outcome.reason.message}`);
    };
    const load = new BesideLoad(beside, names);
    const measured: { quiet: Measured; stalled: Measured }[] = [];
    const backs: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      progress(`round ${round + 1} of ${rounds}`);
      const quiet = await closedLoop({ inFlight, durationMs, warmUpMs, one: transact });
      stopped.signal('SIGSTOP');
      load.counting = true;
      const during = await closedLoop({ inFlight, durationMs, warmUpMs, one: transact });
      load.counting = false;
      measured.push({ quiet, stalled: during });
      const continuedMs = performance.now();
      stopped.signal('SIGCONT');
      backs.push((await within(load.committed(), 'a commit with it', backTimeoutMs)) - continuedMs);
      await pause(500);
    }
    await load.stop();
    return {
      rounds: measured,
      throughputRatio: median(
        measured.map((each) => each.stalled.perSecond / each.quiet.perSecond),
      ),
      p99Ratio: median(measured.map((each) => each.stalled.p99Ms / each.quiet.p99Ms)),
      told: load.told,
      backMs: median(backs),
    };
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(children.map((child) => child.kill()));
  }
}

/** Transactions with the one that is stalled now and then, and one of the others. */
class BesideLoad {
  readonly told: Record<string, number> = {};
  counting = false;
  #over = false;
  readonly #loops: Promise<void>[];
  #waiting: ((atMs: number) => void)[] = [];

  constructor(client: Client, names: readonly string[]) {
    this.#loops = Array.from({ length: loopsOnStalled }, (_, index) =>
      this.#loop(client, names[index % names.length] ?? ''),
    );
  }

  /** When the next commit comes. */
  committed(): Promise<number> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#loops);
  }

  async #loop(client: Client, other: string): Promise<void> {
    const branches = ['stalled', other].map((participant) => ({ participant }));
    while (!this.#over) {
      const ended = await client.transact({ branches });
      if (ended.outcome === 'committed') {
        for (const tell of this.#waiting.splice(0)) tell(performance.now());
      }
      const code = ended.outcome === 'committed' ? 'committed' : ended.reason.code;
      if (this.counting) this.told[code] = (this.told[code] ?? 0) + 1;
      const askedMs = ended.outcome === 'aborted' ? (ended.reason.retryAfterMs ?? 0) : 0;
      await pause(Math.max(pauseMs, askedMs));
    }
  }
}
