/**
 * The last version that landed, replaced by this one under load and back again, node by node and
 * participant by participant on their journals. Clients of both are there all the time: no request
 * with an id fails but for a participant that was killed, and all is done once or not at all.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CallerProcess } from '../support/clients/caller-process.ts';
import type { RecordedCall } from '../support/clients/history.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { skipWithout } from '../support/nodes/docker.ts';
import { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { eventually } from '../support/process/child.ts';
import { earlierBuild, earlierCommit } from '../support/process/earlier-build.ts';
import { lacking } from '../support/process/lacking.ts';
import { slownessFactor } from '../support/process/slowness.ts';

const [programs] = await etcdsToTest();
const earlier = earlierBuild();
const missing = lacking(typeof earlier === 'string' ? earlier : null);
const participants = ['a', 'b', 'c'];

describe.skipIf(programs === undefined)(`from ${earlierCommit} to this version, and back`, () => {
  skipWithout(missing);
  let etcd: TestEtcd;

  beforeAll(async () => {
    if (programs !== undefined) etcd = await TestEtcd.start(programs);
  });
  afterAll(async () => {
    await etcd?.dispose();
    if (typeof earlier !== 'string') earlier.remove();
  });

  const timeout = 240_000 * slownessFactor;
  it('under load, with clients, nodes and participants of both', { timeout }, async () => {
    const { path: build } = typeof earlier === 'string' ? expect.fail(earlier) : earlier;
    const cluster = await EtcdCluster.started({
      etcd,
      nodes: [],
      participants: [],
      identities: { participants },
      shards: 2,
      options: { participantWaitMs: 20_000, transactionTimeoutMs: 40_000 },
      secured: false,
    });
    const callers: CallerProcess[] = [];
    /** What is done under the load of clients of both versions. Resolves with their calls. */
    const underLoad = async (
      step: (goesOn: () => Promise<void>) => Promise<void>,
    ): Promise<readonly RecordedCall[]> => {
      const { endpoints, cluster: name } = cluster.place;
      const before = cluster.history.calls.length;
      const tls = await cluster.tls('client');
      const settings = { urls: cluster.urls, endpoints, cluster: name, participants, ...tls };
      const old = new CallerProcess(settings, [], build);
      callers.push(old);
      const load = await cluster.load({ loops: 2, pauseMs: 10 });
      const goesOn = async (): Promise<void> => {
        await load.moreOk(5);
        await old.commits();
      };
      await goesOn();
      await step(goesOn);
      await load.stop();
      old.finish();
      await eventually(
        () => old.log(),
        () => 'the caller to end',
      );
      await old.child.kill();
      cluster.history.calls.push(...old.calls);
      return cluster.history.calls.slice(before);
    };
    const replaceNodes = (more: { readonly build?: string }) =>
      underLoad(async (goesOn) => {
        for (const node of cluster.nodes.values()) {
          await node.stop();
          expect(await node.start(more), node.output()).toBe(true);
          await goesOn();
        }
      });
    const replaceParticipants = () =>
      underLoad(async (goesOn) => {
        for (const more of [{}, { build }]) {
          for (const participant of cluster.participants.values()) {
            // In the midst of whatever it holds in doubt.
            await participant.kill();
            await participant.start(more);
            await goesOn();
          }
        }
      });
    try {
      for (const _ of ['n1', 'n2', 'n3']) await cluster.addNode({ build });
      for (const name of participants) await cluster.addParticipant(name, {}, { build });
      const forward = await replaceNodes({});
      expect(forward.filter(failed)).toEqual([]);
      const between = await replaceParticipants();
      expect(between.filter(failed).filter(({ retryable }) => !retryable)).toEqual([]);
      const back = await replaceNodes({ build });
      expect(back.filter(failed)).toEqual([]);
      expect(await cluster.settled()).toEqual([]);
    } finally {
      for (const { child } of callers) await child.kill();
      await cluster.remove();
    }
  });
});

/** With a request id a call is repeated by the SDK until someone knows how it ended. */
function failed({ requestId, ended }: RecordedCall): boolean {
  return requestId !== null && ended !== 'ok';
}
