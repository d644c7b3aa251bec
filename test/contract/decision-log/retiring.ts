/** What an operator has given up, and how others hear of it. */
import { describe, expect, it } from 'vitest';
import type { Retired } from '../../../src/core/retired.ts';
import type { LogRig } from './rig.ts';

const one = { participant: 'inventory', instance: 'i-1' };
const other = { participant: 'inventory', instance: 'i-2' };
const resource = { participant: 'inventory', sharedResource: 'i-1' };
const member = (instance: string, sharedResource: string | null = null) => ({
  participant: 'inventory',
  instance,
  sharedResource,
});

export function retiring(rig: LogRig): void {
  describe('retire', () => {
    it('is remembered, and heard of once', async () => {
      const heard: Retired[] = [];
      // A log in parts tells it once for each range of shards.
      rig.log.watchRetired((retired, shards) => {
        if ((shards?.first ?? 0) === 0) heard.push(retired);
      });
      for (const retired of [one, other, one, resource]) await rig.log.retire(retired);
      expect(heard).toEqual([one, other, resource]);
      expect(await rig.log.retired()).toHaveLength(3);
      await rig.log.close();
      const again = await rig.fixture.open('alpha');
      const all = await again.retired();
      expect(all).toHaveLength(3);
      expect(all).toEqual(expect.arrayContaining([one, other, resource]));
    });

    it.each([
      ['an instance', one, member('i-1', 'i-2'), member('i-2', 'i-1')],
      ['a resource', resource, member('i-2', 'i-1'), member('i-1', 'i-2')],
    ])('%s: every reading for it shows that, and forces nothing', async (_, what, gone, stays) => {
      await rig.log.retire(what);
      const txid = rig.txid(1);
      expect(await rig.log.read(txid, gone)).toMatchObject({ retired: true, record: null });
      expect(await rig.log.resolve(txid, gone)).toMatchObject({ retired: true, record: null });
      expect(await rig.log.read(txid, stays)).toMatchObject({ retired: false, record: null });
      expect(await rig.log.resolve(txid, stays)).toMatchObject({
        retired: false,
        record: { outcome: 'abort' },
      });
    });
  });
}

export function retiringAmongSeveral(rig: LogRig): void {
  it('retire is answered when every node that is up has heard of it', async () => {
    const others = [await rig.fixture.open('beta'), await rig.fixture.open('gamma')];
    const heard: string[] = [];
    for (const [index, log] of others.entries())
      log.watchRetired((retired, shards) => {
        if ((shards?.first ?? 0) === 0) heard.push(`${index} ${JSON.stringify(retired)}`);
      });
    const late = rig.fixture.open('delta');
    await rig.log.retire(one);
    expect(heard.sort()).toEqual([0, 1].map((index) => `${index} ${JSON.stringify(one)}`));
    expect(await (await late).retired()).toEqual([one]);
  });
}
