/** A peer that has sent more than it may: it is left unread, and not cut off. */
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { atEndOfTurn } from '../../../src/system/turn.ts';
import { webSocketAcceptor } from '../../../src/transport/websocket/listen.ts';
import {
  cleanUp,
  cleanUps,
  dial,
  endOf,
  type ServerEnd,
  until,
  working,
} from '../../support/network/websocket-rig.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

afterEach(cleanUp);

const turn = (): Promise<void> => new Promise((resolve) => atEndOfTurn(resolve));

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1) await turn();
}

async function slowed(waits: (bytes: number) => number) {
  // Time of the node stands still, and that of the peer goes on.
  const clock = new ManualClock(systemClock.monotonicMs());
  const ends: ServerEnd[] = [];
  const listener = await webSocketAcceptor({ clock, port: 0 }).listen((connection) => {
    const end: ServerEnd = endOf(connection);
    ends.push(end);
    connection.greeted?.();
    connection.paceInput?.(waits);
    return end.handler;
  });
  cleanUps.push(() => listener.close());
  const peer = await dial(`ws://${listener.address}/v1`);
  await until(() => ends.length === 1);
  return { clock, peer: peer.connection, end: ends[0] as ServerEnd };
}

it('is read again after the time that was asked for', async () => {
  let came = 0;
  const { clock, peer, end } = await slowed((bytes) => {
    came += bytes;
    return came > 0 ? 300 : 0;
  });
  peer.send(working('first'));
  await until(() => end.messages.length === 1);
  expect(came).toBeGreaterThan(0);
  const before = came;
  peer.send(working('second'));
  await turns(200);
  expect(end.messages).toHaveLength(1);
  await clock.advance(299);
  await turns(200);
  expect(came).toBe(before);
  await clock.advance(1);
  await until(() => end.messages.length === 2);
});

it('is looked at every second, however much it owes', async () => {
  const { clock, peer, end } = await slowed(() => 3_600_000);
  peer.send(working('first'));
  await until(() => end.messages.length === 1);
  peer.send(working('second'));
  await clock.advance(1_000);
  await until(() => end.messages.length === 2);
});

it('leaves no timer behind when it is gone', async () => {
  const { clock, peer, end } = await slowed(() => 1_000);
  peer.send(working('first'));
  await until(() => end.messages.length === 1);
  end.connection.terminate();
  await end.closed;
  expect(clock.timers).toBe(0);
});
