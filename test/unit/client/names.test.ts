/**
 * A name that no node takes is refused at the call, with the field named, also while there is no
 * node.
 */
import { describe, expect, it } from 'vitest';
import { connect, type TransactRequest } from '../../../src/client.ts';
import { connectedClient } from '../../support/clients/client.ts';

const branches = [{ participant: 'inventory' }];
const requests: readonly (readonly [string, TransactRequest])[] = [
  ['transact.branches[0].participant', { branches: [{ participant: '__proto__' }] }],
  [
    'transact.branches[1].branch',
    { branches: [...branches, { participant: 'p', branch: 'a\u202eb' }] },
  ],
  ['transact.requestId', { branches, requestId: 'a\u200bb' }],
  ['transact.labels', { branches, labels: { ['a\nb']: 'x' } }],
  ['transact.lockGroup', { branches, lockGroup: '' }],
  ['transact.locks[0].keys[1]', { branches, locks: [{ keys: ['a', '__proto__'] }] }],
];

describe('a client', () => {
  it.each(requests)('says that %s is no name', async (field, request) => {
    const { client, node } = await connectedClient();
    await expect(client.transact(request)).rejects.toMatchObject({
      code: 'INVALID_MESSAGE',
      acted: 'nothing',
      message: expect.stringContaining(field),
    });
    await expect(client.begin({ labels: { ['a\nb']: 'x' } })).rejects.toThrow('begin.labels');
    expect(node.all).toEqual([]);
    await client.close();
  });

  it('leaves what it was given as it was', async () => {
    const { client, node } = await connectedClient();
    const given = { participant: 'p', branch: undefined, payload: { own: 1 } } as never;
    const call = client.transact({ branches: [given] }).catch(() => undefined);
    await node.next('transact');
    expect(given).toEqual({ participant: 'p', branch: undefined, payload: { own: 1 } });
    await client.close();
    await call;
  });

  it('has a name itself', async () => {
    await expect(connect({ urls: ['127.0.0.1:1'], name: '__proto__' })).rejects.toThrow(
      'name must be a name of 1 to 128 bytes',
    );
  });
});
