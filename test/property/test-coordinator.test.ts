/**
 * `verdict/testing` with participants that throw, hang, are slow and answer with what is no vote,
 * every fault that can be injected, and crashes of all: what is told is what each of them holds.
 */
import { expect, it, onTestFinished } from 'vitest';
import { type BranchRequest, type Client, isVerdictError } from '../../src/client.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import {
  type FaultName,
  startTestCoordinator,
  type TestCoordinator,
  type TestParticipant,
} from '../../src/testing.ts';
import { pause } from '../support/process/child.ts';
import { oddThrows } from '../support/samples/odd-throws.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

const seed = 20_301;
const calls = 100;
const names = ['a', 'b', 'c'];
const faults: readonly FaultName[] = [
  'crash before the vote',
  'crash after the vote',
  'crash before the commit',
  'crash after the commit',
  'coordinator gone before the decision',
  'coordinator gone after the decision',
  'reply to the vote lost',
  'commit delivered twice',
];
const random = seededRandom(seed);
const isNow = (chance: number): boolean => random.fraction() < chance;
const drawn = <Value>(values: readonly Value[]): Value =>
  values[Math.floor(random.fraction() * values.length)] as Value;

interface Held {
  readonly tag: string;
  state: 'prepared' | 'committed' | 'rolled-back';
  applied: number;
}

/** What one participant keeps for good, by txid and branch. */
type Store = Map<string, Held>;

/** Waits, and now and then throws; `gone`: the participant crashed, and nothing of it goes on. */
async function whim(gone: AbortSignal, until?: AbortSignal): Promise<void> {
  if (isNow(0.01) && until !== undefined) while (!until.aborted) await pause(5);
  else await pause(isNow(0.03) ? 30 + random.fraction() * 60 : random.fraction() * 3);
  if (gone.aborted) throw new Error('It crashed.');
  if (isNow(0.02)) throw drawn([...oddThrows.values()]);
}

function serve(
  coordinator: TestCoordinator,
  name: string,
  store: Store,
): Promise<TestParticipant<ParticipantHandle>> {
  const keyOf = ({ txid, branch }: { txid: string; branch: string }): string => `${txid}/${branch}`;
  return coordinator.participant((verdict, gone) =>
    serveParticipant<{ tag: string }>({
      name,
      logger: silentLogger,
      options: { retryDelayMs: 10, maxRetryDelayMs: 50, patienceMs: 200, queryTimeoutMs: 300 },
      prepare: async (call) => {
        await whim(gone, call.signal);
        const key = keyOf(call);
        store.set(key, { tag: call.payload.tag, state: 'prepared', applied: 0 });
        await whim(gone);
        if (isNow(0.05)) return drawn<never>([true, 1, null, undefined, {}] as never[]);
        if (isNow(0.05)) {
          store.delete(key);
          return isNow(0.5) ? vote.abort('No.', { retryable: isNow(0.5) }) : vote.readonly();
        }
        return vote.commit();
      },
      commit: async (call) => {
        await whim(gone);
        const held = store.get(keyOf(call));
        if (held?.state === 'prepared') {
          held.state = 'committed';
          held.applied += 1;
        }
        await whim(gone);
      },
      rollback: async (call) => {
        await whim(gone);
        const held = store.get(keyOf(call));
        if (held?.state === 'prepared') held.state = 'rolled-back';
        await whim(gone);
      },
      inDoubt: () =>
        [...store]
          .filter(([, { state }]) => state === 'prepared')
          .map(([key]) => {
            const [txid, branch] = key.split('/');
            return { txid, branch } as never;
          }),
      ...verdict,
    }),
  );
}

interface Told {
  readonly tag: string;
  readonly ended: 'committed' | 'aborted' | 'unknown';
}

async function call(client: Client, tag: string): Promise<Told> {
  const members = names.filter(() => isNow(0.7));
  const branches: BranchRequest[] = (members.length === 0 ? ['a'] : members).map((participant) => ({
    participant,
    payload: { tag },
  }));
  const how = { timeoutMs: 1_500, retry: isNow(0.5) };
  const requestId = isNow(0.5) ? { requestId: tag } : {};
  const ended = isNow(0.4)
    ? client.run(
        async (tx) => {
          for (const branch of branches) await tx.enlist(branch);
        },
        { timeoutMs: 1_500 },
      )
    : client.transact({ ...requestId, timeoutMs: 600, branches }, how);
  return ended.then(
    ({ outcome }) => ({ tag, ended: outcome }),
    (error: unknown) => {
      const isUnknown = isVerdictError(error) && error.acted === 'unknown';
      return { tag, ended: isUnknown ? 'unknown' : 'aborted' };
    },
  );
}

it('what is told is what every participant holds in the end', async () => {
  const coordinator = await startTestCoordinator({
    options: { prepareTimeoutMs: 150, retryDelayMs: 10, maxRetryDelayMs: 50, breakerAfter: 0 },
  });
  onTestFinished(() => coordinator.close());
  const stores = new Map<string, Store>(names.map((name) => [name, new Map()]));
  const participants = await Promise.all(
    [...stores].map(([name, store]) => serve(coordinator, name, store)),
  );
  const client = await coordinator.connect({ name: 'load' });
  let isOver = false;
  const breaking = (async () => {
    while (!isOver) {
      await pause(50 + random.fraction() * 120);
      const draw = random.fraction();
      if (draw < 0.7 && coordinator.faultsLeft.length < 2) coordinator.inject(drawn(faults));
      else if (draw < 0.8) await coordinator.goneFor(random.fraction() * 100);
      else if (draw < 0.9) {
        await drawn(participants).restart();
      }
    }
  })();
  const told: Told[] = [];
  await Promise.all(
    Array.from({ length: 8 }, async (_, worker) => {
      for (let turn = worker; turn < calls; turn += 8) told.push(await call(client, `t${turn}`));
    }),
  );
  isOver = true;
  await breaking;
  await coordinator.whenAllSettled({ timeoutMs: 20_000 });
  const wrong: string[] = [];
  for (const { tag, ended } of told) {
    const of = new Map<string, string[]>();
    for (const [name, store] of stores) {
      for (const [key, held] of store) {
        if (held.tag !== tag) continue;
        const [txid = ''] = key.split('/');
        of.set(txid, [...(of.get(txid) ?? []), `${name} ${held.state} ${held.applied}`]);
      }
    }
    const committed = [...of].filter(([, each]) => each.some((text) => text.endsWith(' 1')));
    for (const [txid, each] of of) {
      const all = each.every((text) => text.endsWith('committed 1'));
      const none = each.every((text) => text.endsWith('rolled-back 0'));
      if (!all && !none) wrong.push(`${tag} ${txid}, ${ended}: ${each}`);
    }
    if (committed.length > 1) wrong.push(`${tag} committed ${committed.length} times`);
    if (ended === 'aborted' && committed.length > 0) wrong.push(`${tag} aborted: ${committed}`);
  }
  const counts = Object.groupBy(told, ({ ended }) => ended);
  expect(wrong).toEqual([]);
  expect(counts.committed?.length).toBeGreaterThan(calls / 6);
  expect(counts.aborted?.length).toBeGreaterThan(calls / 20);
}, 120_000);
