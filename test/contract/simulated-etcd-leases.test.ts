/** Leases of the simulated etcd that run out, against those of a real one. It takes as long as they live. */
import { describe, it } from 'vitest';
import { etcd3Client } from '../../src/decision-log/etcd/client.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd.ts';
import { doing, type OpDraft, type Step } from '../support/etcd-twins/steps.ts';
import { expectAlike } from '../support/etcd-twins/twins.ts';
import { realClock } from '../support/stores.ts';

const etcds = await etcdsToTest();
/** Longer than the steps before them take on the busiest machine. */
const [shortS, longS] = [5, 6];

function held(lease: number, ...keys: readonly number[]): readonly OpDraft[] {
  return keys.map((key) => ({ op: 'put', key, value: 'v', lease }));
}

const steps: readonly Step[] = [
  { do: 'watch', spans: [{ from: 1, to: 7 }] },
  { do: 'grant', ttlS: 600 },
  { do: 'grant', ttlS: longS },
  { do: 'grant', ttlS: shortS },
  { do: 'grant', ttlS: shortS },
  doing(...held(1, 6), ...held(2, 4, 1), ...held(3, 5, 2, 3)),
  // One that no longer hangs on it, and one that is gone already.
  doing({ op: 'put', key: 5, value: 'w', lease: 0 }, { op: 'remove', at: { from: 2, to: null } }),
  { do: 'wait', ms: shortS * 1_000 + 50 },
  // Etcd looks for such leases now and then only. One that has run out is over all the same, and no beat brings it back.
  { do: 'beat', lease: 3 },
  // Nothing hangs on it: no revision is spent on its end.
  { do: 'beat', lease: 4 },
  { do: 'left', lease: 3 },
  { do: 'left', lease: 4 },
  doing(...held(3, 2)),
  { do: 'revoke', lease: 3 },
  { do: 'wait', ms: (longS - shortS) * 1_000 },
  { do: 'beat', lease: 2 },
  { do: 'beat', lease: 1 },
];

describe.skipIf(etcds.length === 0)('the simulated etcd and a real one', () => {
  // At once: all that they do is wait.
  it.concurrent.each(etcds)('let leases run out alike: $etcd', async (programs) => {
    const etcd = await TestEtcd.start(programs);
    const [endpoint = ''] = etcd.endpoints;
    const real = etcd3Client({ endpoints: etcd.endpoints, clock: realClock }, endpoint);
    try {
      await expectAlike(real, steps);
    } finally {
      real.close();
      await etcd.dispose();
    }
  });
});
