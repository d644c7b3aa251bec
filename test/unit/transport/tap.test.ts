import { expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { atEndOfTurn } from '../../../src/system/turn.ts';
import { Tap } from '../../../src/transport/websocket/tap.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

const turn = (): Promise<void> => new Promise((resolve) => atEndOfTurn(resolve));

function setUp() {
  let isPaused = false;
  const socket = {
    pause: () => {
      isPaused = true;
    },
    resume: () => {
      isPaused = false;
    },
  };
  return { tap: new Tap(socket as unknown as WebSocket), paused: () => isPaused };
}

it('lets one connection bring 64 KiB a turn', async () => {
  const { tap, paused } = setUp();
  tap.came(65_535);
  expect(paused()).toBe(false);
  tap.came(1);
  expect(paused()).toBe(true);
  await turn();
  expect(paused()).toBe(false);
  tap.came(65_535);
  expect(paused()).toBe(false);
});

it('stays closed for as long as anybody holds it, and for good once it was shut', async () => {
  const { tap, paused } = setUp();
  tap.came(70_000);
  tap.hold(true);
  await turn();
  expect(paused()).toBe(true);
  tap.came(70_000);
  tap.hold(false);
  expect(paused()).toBe(true);
  await turn();
  expect(paused()).toBe(false);
  tap.shut();
  tap.hold(false);
  tap.came(70_000);
  await turn();
  expect(paused()).toBe(true);
});

it('rests as long as a quota says, a second at most at a time, so that pongs are read', async () => {
  const { tap, paused } = setUp();
  const clock = new ManualClock();
  const waits = [0, 300, 5_000];
  const asked: number[] = [];
  tap.pace(clock, (bytes) => {
    asked.push(bytes);
    return waits.shift() ?? 0;
  });
  tap.came(10);
  expect(paused()).toBe(false);
  tap.came(20);
  expect(paused()).toBe(true);
  await clock.advance(299);
  expect(paused()).toBe(true);
  await clock.advance(1);
  expect(paused()).toBe(false);
  tap.came(30);
  await clock.advance(1_000);
  expect(paused()).toBe(false);
  expect(asked).toEqual([10, 20, 30]);
});

it('has no timer left when it is closed', async () => {
  const { tap } = setUp();
  const clock = new ManualClock();
  tap.pace(clock, () => 500);
  tap.came(1);
  expect(clock.timers).toBe(1);
  tap.close();
  expect(clock.timers).toBe(0);
});
