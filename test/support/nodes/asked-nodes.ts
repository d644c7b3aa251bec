/** What nodes say when they are asked. */
import type { LeaderInfo } from '../../../src/core/messages.ts';
import { shardOf, type Txid } from '../../../src/core/txid.ts';
import type { NodeProcess } from './node-process.ts';

/** Null where the node does not answer now. */
export async function leadersAt(node: NodeProcess): Promise<readonly (LeaderInfo | null)[] | null> {
  if (!node.running) return null;
  try {
    const peer = await node.asked(1_000);
    const [welcome] = peer.received;
    await peer.close();
    return welcome?.type === 'welcome' ? welcome.leaders : null;
  } catch {
    return null;
  }
}

export async function decisionsAt(
  node: NodeProcess,
  txids: readonly Txid[],
): Promise<{ txid: Txid; committed: boolean }[]> {
  const peer = await node.asked();
  const [welcome] = peer.received;
  const leaders = welcome?.type === 'welcome' ? welcome.leaders : [];
  try {
    const replies = await Promise.all(
      txids.map((txid, index) => peer.ask({ type: 'query', id: index + 1, txid, inDoubt: false })),
    );
    return replies.flatMap((reply) => {
      if (reply.type !== 'decision') throw new Error(`${node.name} said ${JSON.stringify(reply)}`);
      const { txid, decision } = reply;
      // What its leader aborted is nowhere in the log; only that leader knows.
      if (decision === 'undecided' && leaders[shardOf(txid)]?.node === node.name)
        throw new Error(`${node.name} leads, and cannot say ${txid}`);
      const open = decision === 'undecided' || decision === 'expired';
      return open ? [] : [{ txid, committed: decision === 'commit' }];
    });
  } finally {
    await peer.close();
  }
}
