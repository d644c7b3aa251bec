/**
 * A client and participants that carry on while somebody else misbehaves: every one of their
 * transactions must commit.
 */
import type { Client } from '../../../src/client.ts';
import type { Cluster } from '../nodes/cluster.ts';
import { pause, within } from '../process/child.ts';
import type { RecordedCall } from './history.ts';

const plan = { a: {}, b: {} };
/** Enough to show that the node works after the attack, too. */
const callsAfter = 3;

/** Runs `attack` beside a good client's work; returns those of its calls that did not commit. */
export async function besides(
  cluster: Cluster,
  client: Client,
  attack: () => Promise<void>,
): Promise<readonly RecordedCall[]> {
  const { pid } = cluster.node.child;
  const calls: RecordedCall[] = [];
  let attacking = true;
  const work = (async () => {
    for (let after = 0; after < callsAfter; ) {
      calls.push(await cluster.history.transact(client, plan, { callTimeoutMs: 10_000 }));
      if (!attacking) after += 1;
      else await pause(5);
    }
  })();
  try {
    await attack();
  } finally {
    attacking = false;
    await within(work, 'the good client');
  }
  if (!cluster.node.running || cluster.node.child.pid !== pid) {
    throw new Error(`The node went down:\n${cluster.node.output()}`);
  }
  const alarms = cluster.node.alarms();
  if (alarms.length > 0) throw new Error(`The node wrote:\n${alarms.join('\n')}`);
  return calls.filter(({ ended }) => ended !== 'ok');
}
