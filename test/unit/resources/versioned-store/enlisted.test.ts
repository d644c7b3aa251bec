import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vote } from '../../../../src/participant.ts';
import type { BranchRef } from '../../../../src/ports/resource.ts';
import { RefusedError } from '../../../../src/resources/versioned-store/refusals.ts';
import { settle } from '../../../support/samples/manual-clock.ts';
import { type Branch, StoreRig } from './rig.ts';

let rig: StoreRig;
beforeEach(async () => {
  rig = await StoreRig.open();
});
afterEach(() => rig.dispose());

describe('versioned store: work before the commit', () => {
  it('is prepared as it was done', async () => {
    const [branch, tx] = await rig.enlisted();
    const stock = await tx.readForUpdate<number>('x');
    await tx.write('x', (stock?.value ?? 0) - 3);
    expect(rig.value('x')).toBe(10);
    expect(await branch.prepare()).toEqual(vote.commit({ versions: { x: 2 } }));
    await expect(tx.read('y')).rejects.toThrow(/has ended/);
    await branch.commit();
    expect(rig.value('x')).toBe(7);
  });

  it('votes abort once it was refused', async () => {
    const [branch, tx] = await rig.enlisted();
    await expect(tx.expect('x', 7)).rejects.toThrow(RefusedError);
    expect(await branch.prepare()).toMatchObject({ vote: 'abort', reason: { code: 'CONFLICT' } });
  });

  it('ends with a rollback, also while it waits for a key', async () => {
    const holder = rig.data({ writes: [{ key: 'x', value: 11 }] });
    await holder.prepare();
    const [branch, tx] = await rig.enlisted();
    await tx.write('y', 0);
    const waiting = tx.write('x', 0);
    const refused = expect(waiting).rejects.toThrow(RefusedError);
    await settle();
    await branch.rollback();
    await refused;
    await expect(tx.write('y', 1)).rejects.toThrow(/has ended/);
    const next = rig.data({ writes: [{ key: 'y', value: 21 }] });
    expect(await next.prepare()).toMatchObject({ vote: 'commit' });
  });

  it.each([
    ['the rollback', async (branch: Branch): Promise<void> => branch.rollback()],
    ['the prepare', async (branch: Branch): Promise<void> => void (await branch.prepare())],
  ] as const)(
    'is refused where %s came before the answer to the enlist was heard',
    async (_, end) => {
      const branch = rig.data({ enlisted: true });
      const participant = {
        enlist: async (): Promise<BranchRef> => {
          await end(branch);
          return { txid: branch.txid, branch: 'store' };
        },
      };
      await expect(rig.store.enlist(participant, branch.txid)).rejects.toThrow(/ended before/);
    },
  );

  it('that a restart lost votes abort: what is left of it must not be committed', async () => {
    const [branch, tx] = await rig.enlisted();
    await tx.write('x', 0);
    await rig.reopen();
    expect(await branch.prepare()).toMatchObject({ vote: 'abort', reason: { retryable: true } });
    expect(rig.store.inDoubt()).toEqual([]);
  });

  it('is the same work for whoever enlists again', async () => {
    const [branch, tx] = await rig.enlisted();
    const participant = { enlist: async () => ({ txid: branch.txid, branch: 'store' }) };
    expect(await rig.store.enlist(participant, branch.txid)).toBe(tx);
  });

  it('cannot take a new key in its prepare where its read locks go with its vote', async () => {
    const [branch, tx] = await rig.enlisted('vote');
    await tx.read('x');
    const late = rig.rulesOf(branch.txid, async (work) => {
      await work.read('y');
      return vote.commit();
    });
    await expect(late.prepare()).rejects.toThrow(/Lock all before the commit/);
  });
});
