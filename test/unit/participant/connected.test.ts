/** `connected()`, which readiness probes ask for: of a participant that has ended, or ends. */
import { expect, it } from 'vitest';
import { prepareOf, rig, tell } from '../../support/participants/participant-rig.ts';
import { txidOf } from '../../support/samples/messages.ts';

const closed = { code: 'CLOSED', acted: 'nothing', retryable: false };

it('is so no more once it is being closed, and not afterwards', async () => {
  const { participant, node } = await rig();
  await node('n1');
  await participant.connected();
  const closing = participant.close();
  await expect(participant.connected()).rejects.toMatchObject(closed);
  await closing;
  await expect(participant.connected()).rejects.toMatchObject(closed);
});

it('is so no more once its journal has failed: the participant is dead', async () => {
  const { participant, node, fatal, journal } = await rig();
  const n1 = await node('n1');
  journal.fault = new Error('EIO');
  await tell(n1, prepareOf(txidOf(1)));
  expect(fatal).toHaveLength(1);
  await expect(participant.connected()).rejects.toMatchObject(closed);
});

it('ends its wait at once where the participant is closed, or the caller gives up', async () => {
  const { participant } = await rig();
  const controller = new AbortController();
  const waiting = participant.connected();
  const givenUp = participant.connected({ signal: controller.signal });
  controller.abort('enough');
  await expect(givenUp).rejects.toMatchObject({ code: 'ABORTED_BY_CALLER', cause: 'enough' });
  const closing = participant.close();
  await expect(waiting).rejects.toMatchObject(closed);
  await closing;
});
