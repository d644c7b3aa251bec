/**
 * Whatever a place is that takes a name, whatever name is put there: it is refused where it comes
 * in, or works to the end, and no one else notices.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { FromNode } from '../../src/core/messages.ts';
import { LoopNode as Loop, type LoopNode, obedient } from '../support/nodes/loop-node.ts';
import { hostileNames, refusedNames } from '../support/samples/hostile-names.ts';

const name = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...hostileNames) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
  { weight: 2, arbitrary: fc.constantFrom('plain', 'other', 'inventory') },
);
const form = fc.constantFrom('binary' as const, 'text' as const);

/** Every place of the protocol in which a name stands. */
const places = fc.record({
  client: name,
  clientInstance: name,
  participant: name,
  instance: name,
  sharedResource: fc.option(name, { nil: undefined }),
  branch: fc.option(name, { nil: undefined }),
  requestId: fc.option(name, { nil: undefined }),
  label: name,
  lockGroup: fc.option(name, { nil: undefined }),
  lockKey: name,
  resultKey: name,
  form,
});
type Places = typeof places extends fc.Arbitrary<infer P> ? P : never;

async function work(loop: LoopNode, given: Places): Promise<void> {
  const { form: spoken } = given;
  // Defined, not assigned: `__proto__` must become a key.
  const map = (key: string, value: unknown): object => Object.fromEntries([[key, value]]);
  const participant = await loop.peer(
    {
      name: given.participant,
      instance: given.instance,
      roles: ['participant'],
      form: spoken,
      ...(given.sharedResource === undefined ? {} : { sharedResource: given.sharedResource }),
    },
    obedient(map(given.resultKey, 1)),
  );
  const client = await loop.peer({
    name: given.client,
    instance: given.clientInstance,
    roles: ['client'],
    form: spoken,
  });
  const branch = given.branch === undefined ? {} : { branch: given.branch };
  const lockGroup = given.lockGroup === undefined ? {} : { lockGroup: given.lockGroup };
  const labels = map(given.label, 'x');
  const branches = [{ participant: given.participant, ...branch }];
  const once = await client.ask({
    type: 'transact',
    ...(given.requestId === undefined ? {} : { requestId: given.requestId }),
    ...lockGroup,
    locks: [{ keys: [given.lockKey] }],
    labels,
    branches,
  });
  const begun = await client.ask<'begun'>({ type: 'begin', labels, ...lockGroup });
  const txid = begun?.type === 'begun' ? begun.txid : null;
  if (txid !== null) {
    await client.ask({ type: 'enlist', txid, participant: given.participant, ...branch });
    await client.ask({ type: 'lock', txid, keys: [given.lockKey], mode: 'shared' });
    await client.ask({ type: 'status', txid });
    await client.ask({ type: 'commit', txid });
  }
  const operator = await loop.peer({ name: 'operator', roles: ['operator'], form: spoken });
  const replies: (FromNode | null)[] = [
    await operator.ask({ type: 'list' }),
    await operator.ask({ type: 'locks' }),
    await operator.ask({ type: 'info' }),
  ];
  // Half a character is no text: that ends the connection that sent it.
  const another = await loop.peer({ name: 'operator-2', roles: ['operator'], form: spoken });
  await another.ask({ type: 'locks', group: given.lockGroup ?? '' });
  await another.ask({ type: 'retire', participant: 'nobody', instance: given.instance });
  await another.ask({
    type: 'rebind',
    participant: 'nobody',
    sharedResource: given.instance,
    identity: given.instance,
  });
  expect(operator.isOpen).toBe(true);
  for (const reply of replies) expect(reply).not.toBeNull();
  // A lock's key may be longer than a name.
  const refused = [given.client, given.clientInstance, given.label].some((each) =>
    refusedNames.includes(each),
  );
  if (refused) expect(once?.type).not.toBe('outcome');
  for (const peer of [participant, client, operator, another]) peer.drop();
}

/** Somebody who has nothing to do with it. */
async function bystander(loop: LoopNode): Promise<void> {
  const good = await loop.peer({ name: 'good', roles: ['participant'] }, obedient({ left: 1 }));
  const client = await loop.peer({ name: 'shop', roles: ['client'] });
  const reply = await client.ask<'outcome'>({
    type: 'transact',
    branches: [{ participant: 'good' }],
  });
  expect(reply).toMatchObject({ outcome: 'committed', results: { good: { left: 1 } } });
  for (const peer of [good, client]) peer.drop();
}

it('a hostile name is refused where it comes in, or works, wherever it stands', async () => {
  const loop = await Loop.started({ transactionTimeoutMs: 1_000, participantWaitMs: 100 });
  await fc.assert(
    fc.asyncProperty(places, async (given) => {
      await work(loop, given);
      await bystander(loop);
      await loop.clock.advance(2_000);
      expect(loop.faults).toEqual([]);
    }),
    { numRuns: 400 },
  );
  await loop.stop();
});

it('each place refuses each name that is none', async () => {
  const loop = await Loop.started({ transactionTimeoutMs: 1_000, participantWaitMs: 100 });
  const plain: Places = {
    client: 'c',
    clientInstance: 'c-1',
    participant: 'p',
    instance: 'p-1',
    sharedResource: 'db',
    branch: 'b',
    requestId: 'r',
    label: 'l',
    lockGroup: 'g',
    lockKey: 'k',
    resultKey: 'a',
    form: 'binary',
  };
  for (const refused of ['__proto__', 'a\u202eb', 'a\u200bb', 'a\u0000b', '']) {
    for (const place of Object.keys(plain) as (keyof Places)[]) {
      await work(loop, {
        ...plain,
        requestId: `r-${place}`,
        [place]: place === 'form' ? 'text' : refused,
      });
      expect(loop.faults, `${place} ${JSON.stringify(refused)}`).toEqual([]);
    }
    await bystander(loop);
    await loop.clock.advance(2_000);
  }
  await loop.stop();
});
