/** A function of a transaction that returns what would do its work when the transaction is over. */
import { Readable } from 'node:stream';
import { of } from 'rxjs';
import { expect, it, vi } from 'vitest';
import { type Transaction, withTransaction } from '../../../src/client.ts';
import { notDeferred } from '../../../src/core/fields.ts';
import { begun, rolledBack } from '../../support/clients/answers.ts';
import { connectedClient, watch } from '../../support/clients/client.ts';
import { settle } from '../../support/samples/manual-clock.ts';

async function* pages(tx: Transaction): AsyncGenerator<string> {
  yield await tx.enlist({ participant: 'p' });
}

function* all(tx: Transaction): Generator<Promise<string>> {
  yield tx.enlist({ participant: 'p' });
}

function iteratorOf(of: AsyncIterable<unknown>): AsyncIterator<unknown> {
  return of[Symbol.asyncIterator]();
}

/** As zen-observable has it, without a `pipe`. */
class Other {
  subscribe(): void {}
  ['@@observable'](): this {
    return this;
  }
}

/** As the browser's own says what it is. */
class Native {
  readonly [Symbol.toStringTag] = 'Observable';
  subscribe(): void {}
}

it.each([
  ['an async generator', pages, 'returned a generator'],
  ['a generator', all, 'returned a generator'],
  ['an iterator of a stream', () => iteratorOf(Readable.from([1])), "a stream's iterator"],
  ['an Observable', () => of(1), 'returned an Observable'],
  ["another library's", () => new Other(), 'returned an Observable'],
  ["the browser's", () => new Native(), 'returned an Observable'],
])('is refused, and rolled back: %s', async (_name, work, message) => {
  const { client, node } = await connectedClient();
  const running = watch(client.run(work as never));
  await settle();
  (await node.next('begin')).reply(begun);
  (await node.next('rollback')).reply(rolledBack);
  await settle();
  expect(running.error()).toBeInstanceOf(TypeError);
  expect(String(running.error())).toContain(message);
  await client.close();
});

it('is refused of one that joined, also where its caller goes on', async () => {
  const { client, node } = await connectedClient();
  let joined: unknown;
  const running = watch(
    withTransaction(client, async () => {
      joined = await withTransaction(client, pages as never).catch((error: unknown) => error);
    }),
  );
  // It loads a module first, which takes long on a busy machine.
  await vi.waitUntil(async () => (await node.waiting()) > 0, { timeout: 20_000 });
  (await node.next('begin')).reply(begun);
  (await node.next('rollback')).reply(rolledBack);
  await settle();
  expect(String(joined)).toContain('joined the transaction');
  expect(running.value()).toMatchObject({ outcome: 'aborted', reason: rolledBack.reason });
  await client.close();
});

it('lets everything else be', () => {
  const list = [1, 2].values();
  const stream = new ReadableStream();
  const next = { next: 5, throw: () => 1, subscribe: 'no' };
  const redis = { subscribe: () => undefined, publish: () => undefined };
  // Mocks of services, and stubs that call elsewhere.
  const answers = (_target: object, name: PropertyKey) =>
    name === 'then' ? undefined : () => undefined;
  const mock = new Proxy({}, { get: answers });
  for (const value of [undefined, null, 5, '', list, stream, next, redis, mock, () => pages])
    expect(notDeferred(value, 'It')).toBe(value);
});
