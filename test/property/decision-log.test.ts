/**
 * Random sequences of what a leader does to its log, against a model that never forgets. Checked
 * after every step: I2 (the first recorded outcome is the only one ever answered), I5 and I9
 * (nothing above the floor is missing, nothing collected comes alive, the floor never comes down),
 * I8 (one commit a request).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  makePosition,
  type Position,
  positionOf,
  positionZero,
  type Txid,
} from '../../src/core/txid.ts';
import { openEmbeddedLog } from '../../src/decision-log/embedded/log.ts';
import { openMemoryLog } from '../../src/decision-log/memory/log.ts';
import { MemoryLogStore } from '../../src/decision-log/memory/store.ts';
import type { DecideResult, DecisionLog, Leadership } from '../../src/ports/decision-log.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { EtcdRig } from '../support/etcd/etcd-rig.ts';
import {
  commitOf,
  decideAll,
  never,
  realClock,
  temporaryDirectory,
  txidAt,
} from '../support/logs/stores.ts';

const etcds = await etcdsToTest();

const sequence = fc.integer({ min: 1, max: 12 });
const request = fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined });
const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('decide' as const),
      writes: fc.array(fc.record({ sequence, request, finished: fc.boolean() }), { maxLength: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('finish' as const),
      sequences: fc.array(sequence, { maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resolve' as const), sequence }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tick' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('collect' as const),
      below: fc.integer({ min: 1, max: 13 }),
      retentionMs: fc.integer({ min: 0, max: 3 }),
      retentionMsMin: fc.integer({ min: 0, max: 1 }),
      maxRecords: fc.integer({ min: 0, max: 4 }),
      kept: request,
      limit: fc.integer({ min: 1, max: 4 }),
    }),
  },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

interface ModelRecord {
  readonly outcome: 'commit' | 'abort';
  readonly request: string | undefined;
  /** The tick of its finishing; null while it is under decisions/. */
  finishedTick: number | null;
  collected: boolean;
}

/** The same rules, said naively over one list that keeps everything. */
class Model {
  readonly records = new Map<number, ModelRecord>();
  readonly requests = new Map<string, number>();
  floor = 0;
  tick = 0;

  present(sequence: number): ModelRecord | undefined {
    const record = this.records.get(sequence);
    return record?.collected === false ? record : undefined;
  }

  decide(write: { sequence: number; request: string | undefined; finished: boolean }): string {
    const there = this.present(write.sequence);
    if (there?.outcome === 'commit') return 'written';
    const holder = write.request === undefined ? undefined : this.requests.get(write.request);
    if (holder !== undefined) return `duplicate ${holder}`;
    if (there !== undefined || write.sequence <= this.floor) return 'aborted';
    const finishedTick = write.finished ? this.tick : null;
    const { request } = write;
    this.records.set(write.sequence, {
      outcome: 'commit',
      request,
      finishedTick,
      collected: false,
    });
    if (request !== undefined) this.requests.set(request, write.sequence);
    return 'written';
  }

  resolve(sequence: number): void {
    if (this.present(sequence) !== undefined || sequence <= this.floor) return;
    const fresh = { request: undefined, finishedTick: null, collected: false };
    this.records.set(sequence, { outcome: 'abort', ...fresh });
  }

  finish(sequence: number): void {
    const record = this.present(sequence);
    if (record !== undefined) record.finishedTick ??= this.tick;
  }

  collect(options: Extract<Command, { do: 'collect' }>): number {
    const finished = [...this.records]
      .filter(([, record]) => !record.collected && record.finishedTick !== null)
      .sort(([a], [b]) => a - b);
    let collected = 0;
    for (const [sequence, record] of finished) {
      const crowded = finished.length - collected > options.maxRecords;
      const retention = crowded ? options.retentionMsMin : options.retentionMs;
      const young = this.tick - (record.finishedTick as number) < retention;
      const held = record.request !== undefined && record.request === options.kept;
      if (young || held || sequence >= options.below || collected === options.limit) break;
      record.collected = true;
      if (record.request !== undefined) this.requests.delete(record.request);
      this.floor = Math.max(this.floor, sequence);
      collected += 1;
    }
    return collected;
  }
}

async function run(log: DecisionLog, commands: readonly Command[]): Promise<void> {
  const leadership = await log.campaign(0, { signal: never });
  const model = new Model();
  const outcomes = new Map<number, string>();
  let floor: Position = positionZero;
  for (const step of commands) {
    await apply({ step, leadership, log, model });
    for (let sequence = 1; sequence <= 12; sequence += 1) {
      const txid = txidAt(leadership.epoch, sequence);
      const reading = await log.read(txid);
      const expected = model.present(sequence);
      expect(reading.record?.outcome).toBe(expected?.outcome);
      expect(reading.record?.finished).toBe(
        expected === undefined ? undefined : expected.finishedTick !== null,
      );
      if (reading.record !== null) {
        const first = outcomes.get(sequence) ?? reading.record.outcome;
        outcomes.set(sequence, first);
        expect(reading.record.outcome, 'I2').toBe(first);
      } else if (outcomes.has(sequence)) {
        expect(positionOf(txid) <= reading.floor, 'I9').toBe(true);
      }
      expect(reading.floor >= floor, 'the floor never comes down').toBe(true);
      floor = reading.floor;
    }
    expect(leadership.requestCount()).toBe(model.requests.size);
    for (const id of ['a', 'b', 'c']) {
      const holder = model.requests.get(id);
      const entry = await leadership.readRequest(id);
      expect(entry?.txid).toBe(holder === undefined ? undefined : txidAt(leadership.epoch, holder));
    }
  }
  const pending = await leadership.pending({ after: null, limit: 100 });
  const expected = [...model.records].filter(([, record]) => record.finishedTick === null);
  expect(pending).toHaveLength(expected.length);
}

async function apply(context: {
  readonly step: Command;
  readonly leadership: Leadership;
  readonly log: DecisionLog;
  readonly model: Model;
}): Promise<void> {
  const { step, leadership, log, model } = context;
  const txid = (sequence: number): Txid => txidAt(leadership.epoch, sequence);
  switch (step.do) {
    case 'decide': {
      const writes = step.writes.map((write) =>
        commitOf(txid(write.sequence), {
          finished: write.finished,
          ...(write.request === undefined ? {} : { requestId: write.request }),
        }),
      );
      const results = await decideAll(leadership, writes);
      expect(results.map((result) => told(result, txid))).toEqual(
        step.writes.map((write) => model.decide({ ...write, request: write.request })),
      );
      return;
    }
    case 'finish':
      await leadership.finish(step.sequences.map(txid));
      for (const sequence of step.sequences) model.finish(sequence);
      return;
    case 'resolve':
      await log.resolve(txid(step.sequence));
      model.resolve(step.sequence);
      return;
    case 'tick':
      model.tick += 1;
      expect(await leadership.tick(1)).toBe(model.tick);
      return;
    case 'collect': {
      const { collected, floor } = await leadership.collect({
        ...step,
        below: makePosition(leadership.epoch, step.below),
        keepsRequest: (id) => id === step.kept,
      });
      expect(collected).toBe(model.collect(step));
      if (model.floor > 0) expect(floor).toBe(makePosition(leadership.epoch, model.floor));
      return;
    }
  }
}

function told(result: DecideResult, txid: (sequence: number) => Txid): string {
  if (result.type !== 'duplicate') return result.type;
  for (let sequence = 1; sequence <= 12; sequence += 1) {
    if (txid(sequence) === result.entry.txid) return `duplicate ${sequence}`;
  }
  return 'duplicate of an unknown one';
}

const commands = fc.array(command, { minLength: 1, maxLength: 30 });

describe('decision log against a model', () => {
  it('memory', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (steps) => {
        const store = new MemoryLogStore();
        await run(openMemoryLog({ store, node: 'a', url: 'ws://a', clock: realClock }), steps);
      }),
      { numRuns: 300 },
    );
  });

  it('embedded', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (steps) => {
        const directory = temporaryDirectory();
        const log = await openEmbeddedLog({
          directory: directory.path,
          node: 'a',
          url: 'ws://a',
          clock: realClock,
        });
        try {
          await run(log, steps);
        } finally {
          await log.close();
          directory.remove();
        }
      }),
      { numRuns: 25 },
    );
  });

  describe.skipIf(etcds.length === 0).each(etcds)('etcd at $etcd', (programs) => {
    it('etcd', async () => {
      const etcd = await TestEtcd.start(programs);
      try {
        await fc.assert(
          fc.asyncProperty(commands, async (steps) => {
            const rig = new EtcdRig(etcd.endpoints);
            try {
              await run(await rig.open('a'), steps);
            } finally {
              await rig.dispose();
            }
          }),
          { numRuns: 25 },
        );
      } finally {
        await etcd.dispose();
      }
    });
  });
});
