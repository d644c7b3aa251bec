/** Which isolation each way of reading gives: docs on `openVersionedStore`. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vote } from '../../../../src/participant.ts';
import type { Branch } from './rig.ts';
import { StoreRig } from './rig.ts';

let rig: StoreRig;
beforeEach(async () => {
  rig = await StoreRig.open();
});
afterEach(() => rig.dispose());

/** Both may go off duty as long as the other is on: x and y, 10 and 20, must not both become 0. */
describe('write skew', () => {
  const offDuty = async (branch: Branch): Promise<boolean> => {
    const answer = await branch.prepare();
    if (answer.vote === 'commit') await branch.commit();
    else await branch.rollback();
    return answer.vote === 'commit';
  };

  async function bothEnd(branches: readonly Branch[]): Promise<boolean[]> {
    const ends = Promise.all(branches.map(offDuty));
    await rig.clock.advance(100);
    return ends;
  }

  it('is prevented where the reads are locked', async () => {
    const leave = (mine: string, others: string): Branch =>
      rig.rules(async (tx) => {
        const other = await tx.read<number>(others);
        await tx.read(mine);
        if (other?.value === 0) return vote.abort('Somebody must stay.');
        await tx.write(mine, 0);
        return vote.commit();
      });
    expect((await bothEnd([leave('x', 'y'), leave('y', 'x')])).filter(Boolean)).toHaveLength(1);
    expect([rig.value('x'), rig.value('y')].filter((value) => value === 0)).toHaveLength(1);
  });

  it.each(['together', 'one after the other'])(
    'is prevented where the versions read are stated: prepared %s',
    async (how) => {
      // Both read before either is prepared, as clients do.
      const versions = rig.store.readMany<number>(['x', 'y']);
      const reads = [...versions].map(([key, record]) => ({ key, version: record?.version }));
      const leave = (mine: string): Branch =>
        rig.data({ reads, writes: [{ key: mine, value: 0 }] });
      const done =
        how === 'together'
          ? await bothEnd([leave('x'), leave('y')])
          : [await offDuty(leave('x')), await offDuty(leave('y'))];
      expect(done.filter(Boolean)).toHaveLength(1);
      expect([rig.value('x'), rig.value('y')].filter((value) => value === 0)).toHaveLength(1);
    },
  );

  it('is what reads that are not stated allow', async () => {
    const leave = (mine: string): Branch => rig.data({ writes: [{ key: mine, value: 0 }] });
    expect(await bothEnd([leave('x'), leave('y')])).toEqual([true, true]);
    expect([rig.value('x'), rig.value('y')]).toEqual([0, 0]);
  });
});

describe('read locks', () => {
  const writeOf = (key: string): Branch => rig.data({ writes: [{ key, value: 0 }] });

  async function isFree(key: string): Promise<boolean> {
    const branch = writeOf(key);
    const answer = branch.prepare();
    await rig.clock.advance(100);
    const { vote: voted } = await answer;
    await branch.rollback();
    return voted === 'commit';
  }

  /**
   * Why: T1 reads x here and y there. Were x free with the vote, T2 could write both before T1
   * comes to read y: T1 would have seen x before T2, and y after it.
   */
  it.each([
    ['a stated version', { reads: [{ key: 'x', version: 1 }] }],
    ['a shared lock', { locks: ['x'] }],
  ])('of a one-shot branch that writes nothing are kept until the decision: %s', async (_, how) => {
    const reader = rig.data(how);
    expect(await reader.prepare()).toMatchObject({ vote: 'commit' });
    expect(await isFree('x')).toBe(false);
    await rig.reopen();
    expect(await isFree('x')).toBe(false);
    await reader.commit();
    expect(await isFree('x')).toBe(true);
  });

  it('of an enlisted branch are kept until the decision too, unless it says otherwise', async () => {
    const [branch, tx] = await rig.enlisted();
    await tx.read('x');
    expect(await isFree('x')).toBe(false);
    expect(await branch.prepare()).toMatchObject({ vote: 'commit' });
    expect(await isFree('x')).toBe(false);
    await branch.commit();
    expect(await isFree('x')).toBe(true);
  });

  it('go with the vote where every branch was done before, and are held up to it', async () => {
    const [branch, tx] = await rig.enlisted('vote');
    await tx.read('x');
    await tx.write('y', 21);
    expect(await isFree('x')).toBe(false);
    expect(await branch.prepare()).toMatchObject({ vote: 'commit' });
    expect(await isFree('x')).toBe(true);
    expect(await isFree('y')).toBe(false);
    await rig.reopen();
    expect(await isFree('x')).toBe(true);
    expect(await isFree('y')).toBe(false);
    await branch.commit();
    expect(rig.value('y')).toBe(21);
  });

  it('make the vote readonly where nothing was written', async () => {
    const [branch, tx] = await rig.enlisted('vote');
    await tx.read('x');
    expect(await branch.prepare()).toMatchObject({ vote: 'readonly' });
    expect(await isFree('x')).toBe(true);
  });
});
