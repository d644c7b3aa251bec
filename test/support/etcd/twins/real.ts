/**
 * A real etcd that is asked each question once: the log's own time-out is short, for the log asks
 * again.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Etcd3 } from 'etcd3';
import type { EtcdPrograms } from '../../../../cluster/etcd/find.ts';
import { etcd3Client } from '../../../../src/decision-log/etcd/client.ts';
import { realClock } from '../../logs/stores.ts';
import { patienceMs } from '../../process/slowness.ts';
import { TestEtcd } from '../etcd.ts';

export interface RealEtcd {
  readonly etcd: TestEtcd;
  readonly real: Etcd3;
}

export async function startEtcd(programs: EtcdPrograms, quotaBytes?: number): Promise<RealEtcd> {
  const etcd = await TestEtcd.start(programs, quotaBytes === undefined ? {} : { quotaBytes });
  const [endpoint = ''] = etcd.endpoints;
  return { etcd, real: etcd3Client({ clock: realClock }, endpoint) };
}

export async function stopEtcd({ etcd, real }: RealEtcd): Promise<void> {
  real.close();
  await etcd.dispose();
}

export async function withEtcd(
  programs: EtcdPrograms,
  body: (started: RealEtcd) => Promise<void>,
): Promise<void> {
  const started = await startEtcd(programs);
  try {
    await body(started);
  } finally {
    await stopEtcd(started);
  }
}

export const patiently = (): { readonly deadline: number } => ({
  deadline: Date.now() + patienceMs,
});

/** Until the client has found it again, after it was away. */
export async function answering(real: Etcd3): Promise<void> {
  for (;;) {
    try {
      await real.kv.range({ key: Buffer.from('/') });
      return;
    } catch {
      await sleep(20);
    }
  }
}
