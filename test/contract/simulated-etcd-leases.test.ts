/**
 * Leases of the simulated etcd that run out, against those of a real one. It takes as long as they
 * live.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { SimulatedEtcd } from '../support/etcd/simulated-etcd.ts';
import { answering, patiently, withEtcd } from '../support/etcd/twins/real.ts';
import { doing, type OpDraft, type Step } from '../support/etcd/twins/steps.ts';
import { expectAlike } from '../support/etcd/twins/twins.ts';

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
  // Etcd looks for such leases now and then only. One that has run out is over all the same, and no
  // beat brings it back.
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
  it.concurrent.each(etcds)('let leases run out alike: $etcd', (programs) =>
    withEtcd(programs, ({ real }) => expectAlike(real, steps)),
  );

  it.concurrent.each(etcds)(
    'give leases their whole time again under a new leader of etcd: $etcd',
    (programs) =>
      withEtcd(programs, async ({ etcd, real }) => {
        const simulated = new SimulatedEtcd();
        const stub = simulated.stub();
        const leases = { TTL: 600 };
        const inReal = await real.leaseClient.leaseGrant(leases, patiently());
        const inSimulated = await simulated.during(() => stub.leaseClient.leaseGrant(leases));
        await sleep(2_100);
        await simulated.during(() => simulated.sleep(2_100));
        const left = async (ask: () => Promise<{ readonly TTL: string }>) =>
          Number((await ask()).TTL);
        const leftInReal = () =>
          left(() => real.leaseClient.leaseTimeToLive({ ID: inReal.ID }, patiently()));
        const leftInSimulated = () =>
          left(() =>
            simulated.during(() => stub.leaseClient.leaseTimeToLive({ ID: inSimulated.ID })),
          );
        const [realBefore, simulatedBefore] = [await leftInReal(), await leftInSimulated()];
        expect(realBefore).toBeLessThan(598);
        expect(simulatedBefore).toBeLessThan(598);
        // A member that starts is made the leader, of itself.
        await etcd.restart();
        await answering(real);
        simulated.server.leases.prolongAll();
        expect(await leftInReal()).toBeGreaterThan(realBefore);
        expect(await leftInSimulated()).toBeGreaterThan(simulatedBefore);
        simulated.close();
      }),
  );
});
