/**
 * A participant that refuses this node, because its journal serves another cluster: whoever looks
 * at the node is told.
 */
import { expect, it } from 'vitest';
import { otherClusterCloseCode, otherClusterReason } from '../../../src/core/other-cluster.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { LoopNode } from '../../support/nodes/loop-node.ts';
import { settle } from '../../support/samples/manual-clock.ts';

it('is named with the ids of both clusters, and does not fill the log', async () => {
  const lines: Record<string, unknown>[] = [];
  const error = (what: object): number => lines.push({ ...what });
  const logger = { ...silentLogger, error } as typeof silentLogger;
  const node = await LoopNode.started({}, { node: 'loop', logger });
  const refuse = async (code: number, reason: string): Promise<void> => {
    const peer = await node.peer({ name: 'payment', roles: ['participant'] });
    peer.drop(code, reason);
    await settle();
  };
  await refuse(1000, otherClusterReason('one'));
  await refuse(otherClusterCloseCode, 'FORBIDDEN');
  expect(lines).toEqual([]);
  for (let time = 0; time < 200; time += 1) {
    await refuse(otherClusterCloseCode, otherClusterReason('one'));
  }
  const { clusterId } = node.node.given.log.meta;
  const line = { event: 'other-cluster', participant: 'payment', instance: 'payment-1' };
  expect(lines[0]).toMatchObject({ ...line, served: 'one', clusterId });
  expect(lines.length).toBeLessThan(100);
  expect(node.faults).toEqual([]);
  await node.stop();
});
