import { expect, it } from 'vitest';
import { connect } from '../../../src/client.ts';
import type { FromNode, ToNode } from '../../../src/core/messages.ts';
import type { Connection, Listener } from '../../../src/ports/transport.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { webSocketAcceptor } from '../../../src/transport/websocket/listen.ts';
import { leaderInfo, txidOf, welcomeOf } from '../../support/samples/messages.ts';

const txid = txidOf(1);

/** A node that welcomes and does with a transact what the test says. */
function serve(
  options: { port: number; revision: number },
  transacted: (message: ToNode & { type: 'transact' }, connection: Connection<FromNode>) => void,
): Promise<Listener> {
  const { port, revision } = options;
  return webSocketAcceptor({ clock: systemClock, port }).listen((connection) => ({
    message: (message) => {
      if (message.type === 'hello') {
        connection.send(welcomeOf('a', { leaders: [leaderInfo('a', { revision })], nodes: [] }));
      } else if (message.type === 'transact') {
        transacted(message, connection);
      }
    },
    invalid: ({ code, message }) => {
      throw new Error(`${code}: ${message}`);
    },
    closed: () => undefined,
  }));
}

it('keeps a request alive over real sockets while its node dies and comes back', async () => {
  const seen: (ToNode & { type: 'transact' })[] = [];
  const first = await serve({ port: 0, revision: 1 }, (message, connection) => {
    seen.push(message);
    connection.terminate();
    void first.close();
  });
  await using client = await connect({ urls: [first.address], name: 'test' });
  const call = client.transact<{ p: string }>({
    requestId: 'order-1',
    branches: [{ participant: 'p', payload: { blob: Uint8Array.of(1, 2, 3), big: 2n ** 60n } }],
  });
  while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await first.close();
  const second = await serve({ port: first.port, revision: 2 }, (message, connection) => {
    seen.push(message);
    connection.send({
      type: 'outcome',
      id: message.id,
      txid,
      outcome: 'committed',
      results: { p: 'x' },
    });
  });
  expect(await call).toMatchObject({ outcome: 'committed', results: { p: 'x' }, attempt: 2 });
  expect(seen.map((each) => each.attempt)).toEqual([1, 2]);
  const payload = seen[1]?.branches[0]?.payload as { blob: Uint8Array; big: bigint };
  expect([[...payload.blob], payload.big]).toEqual([[1, 2, 3], 2n ** 60n]);
  await client.close();
  await second.close();
});
