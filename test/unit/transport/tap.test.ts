import { expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { atEndOfTurn } from '../../../src/system/turn.ts';
import { Tap } from '../../../src/transport/websocket/tap.ts';

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
