/**
 * Every decision log gives the same answers to the same commands: in memory, in LMDB, in etcd, and
 * in the simulated etcd that the simulation runs the log on. Where one differed, what is shown of
 * the others would say nothing about it.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LogReading } from '../../src/ports/decision-log.ts';
import { etcdsToTest, etcdVersion, TestEtcd } from '../support/etcd/etcd.ts';
import {
  type DecisionLogFixture,
  embeddedFixture,
  etcdFixture,
  memoryFixture,
  simulatedFixture,
} from '../support/logs/log-fixtures.ts';
import { type Command, command } from '../support/logs/script/commands.ts';
import { runScript, type ScriptAnswer } from '../support/logs/script/run.ts';

const programs = await etcdsToTest();
const scripts = fc.array(command, { minLength: 1, maxLength: 30, size: 'max' });

describe('decision logs agree', () => {
  const etcds: TestEtcd[] = [];
  beforeAll(async () => {
    for (const each of programs) etcds.push(await TestEtcd.start(each));
  });
  afterAll(async () => {
    for (const etcd of etcds) await etcd.dispose();
  });

  async function answersOf(
    make: () => Promise<DecisionLogFixture>,
    script: readonly Command[],
  ): Promise<readonly ScriptAnswer[]> {
    const fixture = await make();
    try {
      return await runScript(fixture, script);
    } finally {
      await fixture.dispose();
    }
  }

  async function expectAsInMemory(
    make: () => Promise<DecisionLogFixture>,
    numRuns: number,
  ): Promise<ReadonlySet<string>> {
    const met = new Set<string>();
    await fc.assert(
      fc.asyncProperty(scripts, async (script) => {
        const expected = await answersOf(memoryFixture, script);
        for (const each of expected) for (const kind of kindsOf(each)) met.add(kind);
        expect(await answersOf(make, script)).toEqual(expected);
      }),
      { numRuns },
    );
    return met;
  }

  it('memory and the simulated etcd', async () => {
    const met = await expectAsInMemory(simulatedFixture, 200);
    // Narrow inputs would prove little.
    expect([...met]).toEqual(
      expect.arrayContaining([
        'decide: written',
        'decide: aborted',
        'decide: duplicate',
        'decide: LeadershipLostError',
        'decide-other-epoch: RangeError',
        'finish: LeadershipLostError',
        'settle: true',
        'settle: false',
        'settle: LeadershipLostError',
        'tick: LeadershipLostError',
        'collect: some',
        'collect: none',
        'collect: LeadershipLostError',
        'request: LeadershipLostError',
        'pending: LeadershipLostError',
        'read: commit',
        'read: commit, finished',
        'read: abort, finished',
        'read: none',
        'resolve: abort',
        'resolve: commit',
        'resolve: none',
      ]),
    );
  });

  it('memory and LMDB', async () => {
    await expectAsInMemory(embeddedFixture, 20);
  });

  it.each(programs.map((each, index) => [etcdVersion(each), index] as const))(
    'memory and etcd %s',
    async (_, index) => {
      await expectAsInMemory(() => etcdFixture(etcds[index]?.endpoints ?? []), 25);
    },
  );
});

function kindsOf({ command, answer }: ScriptAnswer): readonly string[] {
  const kinds = (Array.isArray(answer) ? answer.flat() : [answer]).map(kindOf);
  return kinds.map((kind) => `${command}: ${kind}`);
}

function kindOf(answer: unknown): string {
  if (typeof answer !== 'object' || answer === null) return String(answer);
  if ('rejected' in answer) return String(answer.rejected);
  if ('type' in answer) return String(answer.type);
  if ('collected' in answer) return answer.collected === 0 ? 'none' : 'some';
  if (!('record' in answer)) return 'other';
  const { record } = answer as Pick<LogReading, 'record'>;
  return record === null ? 'none' : `${record.outcome}${record.finished ? ', finished' : ''}`;
}
