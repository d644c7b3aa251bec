/** A participant's own `enlist`: where it does not get through, and what it enlisted with. */
import { describe, expect, it } from 'vitest';
import type { StandardSchema } from '../../../src/participant.ts';
import { watch } from '../../support/clients/client.ts';
import {
  commandOf,
  prepareOf,
  rig,
  said,
  tell,
} from '../../support/participants/participant-rig.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { leaderInfo, txidOf } from '../../support/samples/messages.ts';

const txid = txidOf(1);

it('given up while no leader is there, it says that the caller gave it up', async () => {
  const { participant } = await rig();
  const controller = new AbortController();
  const enlisting = watch(participant.enlist(txid, { signal: controller.signal }));
  await settle();
  controller.abort('enough');
  await settle();
  const givenUp = { code: 'ABORTED_BY_CALLER', acted: 'nothing', cause: 'enough' };
  expect(enlisting.error()).toMatchObject(givenUp);
});

it.each(['time-out', 'signal'] as const)(
  'the leader may have agreed where the connection was lost, and then it ended by its %s',
  async (by) => {
    const { participant, node, clock } = await rig();
    const n1 = await node('n1');
    n1.take();
    const controller = new AbortController();
    const how = { timeoutMs: 1_000, signal: controller.signal };
    const enlisting = watch(participant.enlist(txid, how));
    await settle();
    expect(n1.take().map(({ type }) => type)).toContain('enlist');
    n1.drop();
    await clock.advance(500);
    if (by === 'signal') controller.abort();
    else await clock.advance(1_000);
    await settle();
    expect(enlisting.error()).toMatchObject({
      code: by === 'signal' ? 'ABORTED_BY_CALLER' : 'CONNECTION_LOST',
      acted: 'unknown',
    });
  },
);

it('asks again where another address led to the same node, so that its connection was dropped', async () => {
  const { participant, node, clock } = await rig({ urls: ['n1:7070', 'also-n1:7070'] });
  const old = await node('n1');
  old.take();
  const enlisting = watch(participant.enlist(txid, { branch: 'stock' }));
  await settle();
  expect(old.take().map(({ type }) => type)).toEqual(['enlist']);
  const n1 = await node('also-n1', { node: 'n1', leaders: [leaderInfo('n1')] });
  await clock.advance(1_000);
  const asked = n1.take().find(({ type }) => type === 'enlist');
  if (asked?.type !== 'enlist') throw new Error('It did not ask again.');
  await tell(n1, { type: 'enlisted', id: asked.id, txid, branch: 'stock' });
  expect(enlisting.value()).toEqual({ txid, branch: 'stock' });
});

it('closed behind the agreement, it says so: the leader has the branch', async () => {
  const { participant, node, clock, journal } = await rig();
  const n1 = await node('n1');
  n1.take();
  const enlisting = watch(participant.enlist(txid, { branch: 'stock' }));
  await settle();
  const asked = n1.take().find(({ type }) => type === 'enlist');
  if (asked?.type !== 'enlist') throw new Error('It did not ask.');
  const written = journal.hold('vote');
  await tell(n1, { type: 'enlisted', id: asked.id, txid, branch: 'stock' });
  const closing = participant.close({ timeoutMs: 0 });
  await clock.advance(0);
  await settle();
  expect(enlisting.error()).toMatchObject({ code: 'CLOSED', acted: 'unknown' });
  written();
  await closing;
});

describe('a payload that is not what the schema wants', () => {
  const payload: StandardSchema<never> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: () => ({ issues: [{ message: 'must be an order' }] }),
    },
  };

  it('of a branch that enlisted itself: rolled back, for the application works already', async () => {
    const { participant, node, application } = await rig({ payload });
    const n1 = await node('n1');
    n1.take();
    const enlisting = participant.enlist(txid, { branch: 'stock' });
    await settle();
    const asked = n1.take().find(({ type }) => type === 'enlist');
    if (asked?.type !== 'enlist') throw new Error('It did not ask.');
    await tell(n1, { type: 'enlisted', id: asked.id, txid, branch: 'stock' });
    await enlisting;
    await tell(n1, prepareOf(txid));
    const [voted] = n1.take();
    expect(voted).toMatchObject({ vote: 'abort', reason: { code: 'INVALID_PAYLOAD' } });
    expect(application.calls).toEqual(['rollback stock']);
  });

  it('of any other: nothing is called with it', async () => {
    const { node, application } = await rig({ payload });
    const n1 = await node('n1');
    n1.take();
    await tell(n1, prepareOf(txid));
    await tell(n1, commandOf('rollback', txid));
    expect(said(n1)).toEqual(['vote abort', 'ack abort ok']);
    expect(application.calls).toEqual([]);
  });
});
