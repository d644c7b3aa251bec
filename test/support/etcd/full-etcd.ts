/** Fills a real etcd up to its quota, and makes room in it again as an operator does. */
import type { Etcd3 } from 'etcd3';
import { eventually } from '../process/child.ts';

/** The least of which etcd's own pages leave enough to fill. */
export const quotaBytes: number = 16 * 1024 * 1024;
const filler = '/filler';

export async function fill(etcd: Etcd3): Promise<void> {
  const value = Buffer.alloc(1024 * 1024);
  for (let index = 0; ; index += 1) {
    try {
      await etcd.kv.put({ key: Buffer.from(`${filler}${index}`), value });
    } catch (error) {
      if (!String(error).includes('database space exceeded')) throw error;
      break;
    }
  }
  // Small writes pass until the alarm, which is a write of etcd's own, has been applied.
  await eventually(
    async () => {
      const { alarms } = await etcd.maintenance.alarm({ action: 'Get' });
      return alarms.length === 1 ? true : null;
    },
    () => "etcd's alarm",
  );
}

export async function makeRoom(etcd: Etcd3): Promise<void> {
  const { header } = await etcd.kv.deleteRange({
    key: Buffer.from(filler),
    range_end: Buffer.from(`${filler}z`),
  });
  await etcd.kv.compact({ revision: header.revision, physical: true });
  await etcd.maintenance.defragment();
  const { alarms } = await etcd.maintenance.alarm({ action: 'Get' });
  for (const { memberID } of alarms) {
    await etcd.maintenance.alarm({ action: 'Deactivate', alarm: 'Nospace', memberID });
  }
}
