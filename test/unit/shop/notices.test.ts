import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readNotices } from '../../../cluster/shop/internals/notices.ts';
import { readMailbox } from '../../../cluster/shop/mailbox.ts';
import { openNotices } from '../../../cluster/shop/notices.ts';
import type { RunningService } from '../../../cluster/shop/service.ts';
import { epochZero } from '../../../src/core/txid.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import type { PrepareResult } from '../../../src/ports/resource.ts';
import { never, temporaryDirectory, txidAt } from '../../support/logs/stores.ts';
import { eventually } from '../../support/process/child.ts';

let directory: ReturnType<typeof temporaryDirectory>;
let service: RunningService;

beforeEach(async () => {
  directory = temporaryDirectory();
  service = await openNotices(directory.path, silentLogger);
});
afterEach(async () => {
  await service.close();
  directory.remove();
});

const refAt = (sequence: number) => ({ txid: txidAt(epochZero, sequence), branch: 'notification' });

async function prepare(sequence: number, payload: unknown): Promise<PrepareResult<unknown>> {
  const working = (): void => undefined;
  const ref = refAt(sequence);
  return service.resource.prepare({ ...ref, payload, signal: never, timeoutMs: 1_000, working });
}

async function send(sequence: number, orderId: string): Promise<void> {
  expect(await prepare(sequence, { orderId, to: 'me', text: 'Thanks.' })).toMatchObject({
    vote: 'commit',
  });
  await service.resource.commit({ ...refAt(sequence), payload: undefined });
}

function delivered(count: number): Promise<true> {
  return eventually(
    () => (readMailbox(directory.path).length === count ? true : null),
    () => `${count} messages`,
  );
}

describe("the shop's notices", () => {
  it('reach the mailbox with the commit, and are read from both places as one', async () => {
    await send(1, 'o-1');
    await delivered(1);
    await prepare(2, { orderId: 'o-2', to: 'me', text: 'Thanks.' });
    const content = await readNotices(directory.path);
    expect([...(content?.records ?? [])]).toEqual([
      [
        'message/o-1',
        { value: { ...refAt(1), orderId: 'o-1', to: 'me', text: 'Thanks.' }, version: 1 },
      ],
    ]);
    expect(content?.prepared).toMatchObject([refAt(2)]);
  });

  it('show a second message for one order', async () => {
    await send(1, 'o-1');
    await send(2, 'o-1');
    await delivered(2);
    const content = await readNotices(directory.path);
    expect(content?.records.get('message/o-1')?.version).toBe(2);
  });

  it('count once what came twice, and drop the line that a crash cut short', async () => {
    await send(1, 'o-1');
    await delivered(1);
    await service.close();
    const [message] = readMailbox(directory.path);
    appendFileSync(join(directory.path, 'sent.jsonl'), `${JSON.stringify(message)}\n{"id":"cut`);
    service = await openNotices(directory.path, silentLogger);
    await send(2, 'o-2');
    await delivered(2);
    expect(readMailbox(directory.path).map(({ txid }) => txid)).toEqual([
      refAt(1).txid,
      refAt(2).txid,
    ]);
  });

  it('vote abort where the payload cannot be read', async () => {
    expect(await prepare(1, { orderId: 'o-1' })).toMatchObject({
      vote: 'abort',
      reason: { message: expect.stringContaining('payload.to') },
    });
  });
});
