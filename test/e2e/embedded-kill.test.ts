/**
 * The library mode's process dies by kill -9, at every named point and at random, comes back on the
 * same log and the participants' own files, and `recover` finishes what was decided and rolls back
 * what was not.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { crashPoints } from '../../src/coordinator/crash-points.ts';
import type { LogChoice } from '../../src/embedded.ts';
import { etcdsToTest, etcdVersion, TestEtcd } from '../support/etcd/etcd.ts';
import {
  checkOutcomes,
  EmbeddedProcess,
  type EmbeddedProcessSettings,
  type Told,
} from '../support/library/embedded-process.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { pause } from '../support/process/child.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

/**
 * Collection begins after minutes of ticks: its point is passed on the same code in
 * coordinator-crash.test.ts.
 */
const nodePoints = crashPoints.filter((point) => point !== 'after-collect');
const points = [
  ...nodePoints,
  'participant-prepared',
  'participant-committed',
  'participant-rolled-back',
] as const;

/** One log and one set of files, through the lives of several processes. */
class Lives {
  readonly directory = temporaryDirectory();
  readonly told: Told[] = [];
  readonly #log: (directory: string) => LogChoice;
  #seed: number;

  constructor(log: (directory: string) => LogChoice, seed = 1) {
    this.#log = log;
    this.#seed = seed;
  }

  get state(): string {
    return join(this.directory.path, 'state');
  }

  start(more: Partial<EmbeddedProcessSettings> = {}): EmbeddedProcess {
    this.#seed += 1;
    const log = this.#log(join(this.directory.path, 'log'));
    return new EmbeddedProcess({ log, state: this.state, seed: this.#seed, ...more });
  }

  /** What it told counts from here on. */
  async ended(life: EmbeddedProcess): Promise<void> {
    const { signal } = await life.exited;
    this.told.push(...life.told());
    if (signal !== 'SIGKILL')
      throw new Error(`It ended by itself:\n${life.child.lines.join('\n')}`);
  }

  async finish(): Promise<ReturnType<typeof checkOutcomes>> {
    const last = this.start({ recoverOnly: true });
    const { code } = await last.exited;
    if (code !== 0) throw new Error(`Recovery ended with ${code}:\n${last.child.lines.join('\n')}`);
    const report = await last.recovered();
    expect(report).toMatchObject({ unfinished: [], unjudged: [], failed: [] });
    return checkOutcomes(this.state, this.told);
  }
}

async function killedAtRandom(lives: Lives, rounds: number): Promise<void> {
  const random = seededRandom(7);
  for (let round = 0; round < rounds; round += 1) {
    const life = lives.start();
    await life.recovered();
    await pause(20 + random.fraction() * 300);
    await life.child.kill();
    await lives.ended(life);
  }
  const { transactions, committed, aborted } = await lives.finish();
  console.log(
    `${rounds} kills: ${transactions} transactions, ${committed} committed, ${aborted} aborted`,
  );
  expect(committed).toBeGreaterThan(rounds);
  expect(aborted).toBeGreaterThan(rounds);
}

/**
 * They end with their test. Those with a named point run beside each other: a process that starts
 * keeps no more than one core busy.
 */
function livesOf(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  log: (directory: string) => LogChoice,
): Lives {
  const lives = new Lives(log);
  onTestFinished(() => lives.directory.remove());
  return lives;
}

describe('a process of the library mode on LMDB', () => {
  const log = (directory: string): LogChoice => ({ kind: 'lmdb', directory });

  it.concurrent.for(points)('killed at %s', async (point, test) => {
    const { expect } = test;
    const lives = livesOf(test, log);
    // Something to recover, so that the points of recovery have something to break.
    const first = lives.start({ crashAt: { point: 'after-commit', times: 6 } });
    await lives.ended(first);
    const atStart = point.startsWith('recovery') || point === 'leadership-taken';
    const second = lives.start({ crashAt: { point, times: atStart ? 1 : 5 } });
    await lives.ended(second);
    const { transactions } = await lives.finish();
    expect(transactions).toBeGreaterThan(2);
  });

  it('killed again and again', (test) => killedAtRandom(livesOf(test, log), 8));
});

describe.each(await etcdsToTest())('a process of the library mode on etcd $etcd', (programs) => {
  let etcd: TestEtcd;

  beforeAll(async () => {
    etcd = await TestEtcd.start(programs);
    console.log(`etcd ${etcdVersion(programs)}`);
  });

  afterAll(() => etcd.dispose());

  function onEtcd(test: TestContext): Lives {
    const cluster = `test-${randomUUID()}`;
    const { endpoints } = etcd;
    return livesOf(test, (directory) => {
      return { kind: 'etcd', endpoints, cluster, directory, node: 'library', leaseTtlMs: 2_000 };
    });
  }

  it.concurrent.for(['decision-in-flight', 'decision-durable', 'before-finish'] as const)(
    'killed at %s',
    async (point, test) => {
      const lives = onEtcd(test);
      const life = lives.start({ crashAt: { point, times: 10 } });
      await lives.ended(life);
      await lives.finish();
    },
  );

  it('killed again and again', (test) => killedAtRandom(onEtcd(test), 4));
});
