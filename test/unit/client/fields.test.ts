import { describe, expect, it } from 'vitest';
import {
  connect,
  type TransactOptions,
  type TransactRequest,
  type Txid,
} from '../../../src/client.ts';
import { connectedClient } from '../../support/clients/client.ts';
import { txidOf } from '../../support/samples/messages.ts';

const branches = [{ participant: 'inventory', payload: { take: 1 } }];

type Calls = Readonly<Record<string, (...given: unknown[]) => Promise<unknown>>>;

it.each<[string, unknown[], RegExp]>([
  ['begin', [{ timeout: 5 }], /"timeout" in begin\..* timeoutMs/],
  ['begin', [{ timeoutMs: '10' }], /timeoutMs in begin must be a number of milliseconds, not "10"/],
  ['begin', [{}, { timeout: 5 }], /"timeout" in begin's options/],
  ['run', [async () => 1, { attempts: 3 }], /"attempts" in run's options\..* maxAttempts/],
  ['run', [async () => 1, { transaction: { locks: [] } }], /"locks" in transaction/],
  ['run', [5], /run wants a function/],
  ['status', [txidOf(1), { shared: 'x' }], /"shared" in status's options\..* share/],
  ['status', [txidOf(1), { signal: 5 }], /signal in status's options must be an AbortSignal/],
  ['status', [{ txid: txidOf(1) }], /status wants a txid, not an object/],
  ['transact', [{ branches: [] }, { retry: { attempts: 3 } }], /"attempts" in retry/],
  ['transact', [{ branches: [] }, { retry: 'true' }], /retry must be an object, not "true"/],
  ['transact', [{ branches: [], locks: [{ keys: [], mod: 'shared' }] }], /"mod" in locks.* mode/],
])('client.%s(%j) is refused at once', async (call, given, said) => {
  const { client } = await connectedClient();
  const refused = (client as unknown as Calls)[call]?.(...given);
  await expect(refused).rejects.toThrow(TypeError);
  await expect(refused).rejects.toThrow(said);
});

it.each<[string, unknown[], RegExp]>([
  ['lock', ['a', { modus: 'shared' }], /"modus" in lock's options\..* mode/],
  ['lock', ['a', { waitMs: '5' }], /waitMs in lock's options must be a number of milliseconds/],
  ['enlist', [{ participant: 'a', payloud: 1 }], /"payloud" in enlist\..* payload/],
  ['commit', [{ anwser: 'applied' }], /"anwser" in commit's options\..* answer/],
  ['rollback', [{ a: 1 }], /reason of a rollback must be a string, not an object/],
  ['status', [{ timeout: 1 }], /"timeout" in the call's options/],
])('tx.%s(%j) is refused at once', async (call, given, said) => {
  const { client } = await connectedClient();
  const tx = client.transaction(txidOf(1), { share: 'x' });
  const refused = (tx as unknown as Calls)[call]?.(...given);
  await expect(refused).rejects.toThrow(TypeError);
  await expect(refused).rejects.toThrow(said);
});

it('the context of run, and another transaction, may be given as options', async () => {
  const { client, node } = await connectedClient();
  const tx = client.transaction(txidOf(1), client.transaction(txidOf(1), { share: 'x' }));
  const context = { attempt: 1, signal: undefined };
  void tx.lock('a', context).catch(() => undefined);
  expect((await node.next('lock')).message).toMatchObject({ keys: ['a'], share: 'x' });
});

it('a transaction is handed on with its share', async () => {
  const { client } = await connectedClient();
  const go = (...given: unknown[]): unknown => client.transaction(...(given as [Txid, never]));
  expect(() => go(txidOf(1))).toThrow('transaction needs { share }');
  expect(() => go(txidOf(1), { chare: 'x' })).toThrow('There is no field "chare"');
  expect(() => go(5, { share: 'x' })).toThrow('5 is no txid');
});

it.each<[object, RegExp]>([
  [{ timeout: 5 }, /"timeout" in connect's options\..* timeoutMs/],
  [{ timeoutMs: '5' }, /timeoutMs in connect's options must be a number/],
  [{ defaults: { timeout: 5 } }, /"timeout" in defaults/],
])('connect(%j) is refused at once', async (options, said) => {
  await expect(connect({ urls: ['127.0.0.1:7070'], ...options })).rejects.toThrow(said);
});

describe('a field that does not exist', () => {
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
