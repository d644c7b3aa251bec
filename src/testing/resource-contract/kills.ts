/** Kills a resource in the middle of its branches' lives, and judges what it left of each. */
import assert from 'node:assert/strict';
import type { Random } from '../../ports/random.ts';
import type { BranchRef } from '../../ports/resource.ts';
import { realPause } from '../../system/real-time.ts';
import { isCrash, type ResourceHarness, type Writes } from './harness.ts';

/** What was asked of a branch, and what was answered. */
type Reached =
  | 'preparing'
  | 'prepared'
  | 'committing'
  | 'committed'
  | 'rolling-back'
  | 'rolled-back';

interface Life {
  readonly ref: BranchRef;
  /** Each branch writes two keys of its own: both or neither. */
  readonly writes: Writes;
  reached: Reached;
}

/** The branches are new; afterwards every one of them has ended, and nothing is in doubt. */
export async function killSomewhere(
  harness: ResourceHarness,
  options: { readonly branches: readonly BranchRef[]; readonly random: Random },
): Promise<void> {
  const { branches, random } = options;
  const lives = branches.map((ref): Life => {
    const writes = { [`${ref.txid}-left`]: 'written', [`${ref.txid}-right`]: 'written' };
    return { ref, writes, reached: 'preparing' };
  });
  const live = lives.map((life) => drive(harness, life, random.fraction()));
  await realPause(random.fraction() * 80);
  await harness.crash();
  await Promise.all(live);
  await harness.start();
  const doubts = [...(await harness.resource.inDoubt())];
  for (const life of lives) {
    const { txid, branch } = life.ref;
    const doubted = doubts.some((doubt) => doubt.txid === txid && doubt.branch === branch);
    await judge(harness, life, doubted);
  }
  assert.deepEqual([...(await harness.resource.inDoubt())], []);
}

/** As far as it comes before the crash. */
async function drive(harness: ResourceHarness, life: Life, chance: number): Promise<void> {
  const { resource } = harness;
  const { signal } = new AbortController();
  const call = { ...life.ref, payload: harness.payloadThatWrites(life.writes) };
  try {
    const working = (): void => undefined;
    const answer = await resource.prepare({ ...call, signal, timeoutMs: 30_000, working });
    assert.equal(answer.vote, 'commit');
    life.reached = 'prepared';
    if (chance < 0.2) return;
    await realPause(chance * 30);
    const commits = chance < 0.7;
    life.reached = commits ? 'committing' : 'rolling-back';
    await (commits ? resource.commit(call) : resource.rollback(call));
    life.reached = commits ? 'committed' : 'rolled-back';
  } catch (error) {
    if (!isCrash(error)) throw error;
  }
}

/** What a crash may have left of it, and what becomes of it then. */
async function judge(harness: ResourceHarness, life: Life, doubted: boolean): Promise<void> {
  const { ref, reached, writes } = life;
  const keys = Object.keys(writes);
  const look = (): Promise<(string | null)[]> =>
    Promise.all(keys.map((key) => harness.visible(key)));
  const all = keys.map(() => 'written');
  const none = keys.map(() => null);
  const found = await look();
  if (reached === 'prepared') assert.deepEqual(doubted, true);
  if (reached === 'committed' || reached === 'rolled-back') assert.deepEqual(doubted, false);
  if (reached === 'committed') assert.deepEqual(found, all);
  else if (reached === 'committing') assert.deepEqual(found, doubted ? none : all);
  else assert.deepEqual(found, none);
  const commits = reached === 'committing' || reached === 'committed' || reached === 'prepared';
  const call = { ...ref, payload: harness.payloadThatWrites(writes) };
  await (commits ? harness.resource.commit(call) : harness.resource.rollback(call));
  assert.deepEqual(await look(), commits ? all : none);
}
