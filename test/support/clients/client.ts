/** A client on scripted nodes and a manual clock. */
import { type Client, type ConnectOptions, connect } from '../../../src/client.ts';
import { MemoryDialer } from '../network/memory-dialer.ts';
import { ScriptedNode, serveNodes } from '../nodes/scripted-node.ts';
import { ManualClock, settle } from '../samples/manual-clock.ts';
import { seededRandom } from '../samples/seeded-random.ts';

export interface ClientSetting {
  readonly client: Client;
  readonly clock: ManualClock;
  readonly dialer: MemoryDialer;
  readonly node: ScriptedNode;
  readonly nodes: readonly ScriptedNode[];
}

export async function connectedClient(
  nodes: readonly ScriptedNode[] = [new ScriptedNode('a')],
  options: Partial<ConnectOptions> = {},
): Promise<ClientSetting> {
  const clock = new ManualClock();
  const dialer = new MemoryDialer();
  serveNodes(dialer, nodes);
  const client = await connect({
    urls: nodes.map((node) => node.name),
    dialer,
    clock,
    random: seededRandom(),
    ...options,
  });
  await settle();
  return { client, clock, dialer, node: nodes[0] as ScriptedNode, nodes };
}

/** What became of a promise, without waiting for it. */
export function watch<Value>(promise: Promise<Value>): {
  readonly state: () => 'waiting' | 'resolved' | 'rejected';
  readonly value: () => Value;
  readonly error: () => unknown;
} {
  let state: 'waiting' | 'resolved' | 'rejected' = 'waiting';
  let value: Value;
  let error: unknown;
  promise.then(
    (result) => {
      state = 'resolved';
      value = result;
    },
    (reason: unknown) => {
      state = 'rejected';
      error = reason;
    },
  );
  return { state: () => state, value: () => value, error: () => error };
}
