import { describe, expect, it } from 'vitest';
import type { TransactOptions, TransactRequest } from '../../../src/client.ts';
import { connectedClient } from '../../support/clients/client.ts';
import { txidOf } from '../../support/samples/messages.ts';

const branches = [{ participant: 'inventory', payload: { take: 1 } }];

describe('a field that nobody knows', () => {
  it.each<[string, object, object, RegExp]>([
    [
      'of the request',
      { branches, requestID: 'order-1' },
      {},
      /"requestID" in transact\..*requestId/,
    ],
    ['of a branch', { branches: [{ participant: 'a', payloud: 1 }] }, {}, /"payloud" in a branch/],
    ['of the options', { branches }, { rety: true }, /"rety" in transact's options/],
  ])('%s is refused before anything is sent', async (_, request, options, said) => {
    const { client, node } = await connectedClient();
    const call = client.transact(request as TransactRequest, options as TransactOptions);
    await expect(call).rejects.toThrow(TypeError);
    await expect(call).rejects.toThrow(said);
    // The next one that comes in is a right one's.
    void client.status(txidOf(1)).catch(() => undefined);
    await node.next('status');
  });

  it('is left alone where it is undefined, as a spread may leave it', async () => {
    const { client, node } = await connectedClient();
    void client
      .transact({ branches, requestID: undefined } as TransactRequest)
      .catch(() => undefined);
    expect((await node.next('transact')).message).toMatchObject({ branches });
  });

  it.each([-1, Number.POSITIVE_INFINITY, Number.NaN])(
    'requestAgeMs %s is refused',
    async (requestAgeMs) => {
      const { client } = await connectedClient();
      const call = client.transact({ branches, requestId: 'order-1', requestAgeMs });
      await expect(call).rejects.toThrow(/requestAgeMs must be/);
    },
  );
});
