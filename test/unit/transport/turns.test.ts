import { connect as connectTcp } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { FromNode, ToNode } from '../../../src/core/messages.ts';
import type { Connection, ConnectionHandler } from '../../../src/ports/transport.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { Inbox } from '../../../src/transport/websocket/inbox.ts';
import { webSocketAcceptor } from '../../../src/transport/websocket/listen.ts';
import { Share, Turns, type Worker } from '../../../src/transport/websocket/turns.ts';
import type { Decoded } from '../../../src/wire/codec.ts';
import { openFrame } from '../../../src/wire/codec.ts';
import { readers } from '../../../src/wire/readers.ts';
import { encodeFrame } from '../../support/network/encode-frame.ts';
import { upgradeRequest, wireFrame } from '../../support/network/hand-made-frames.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';
import { txidOf } from '../../support/samples/messages.ts';

const working = (branch: string): ToNode => ({ type: 'working', txid: txidOf(1), branch });

/** Handles jobs of one millisecond each. */
class Jobs implements Worker {
  readonly share = new Share();
  left = 0;
  held = false;
  readonly #name: string;
  readonly #clock: ManualClock;
  readonly #done: string[];

  constructor(name: string, clock: ManualClock, done: string[]) {
    this.#name = name;
    this.#clock = clock;
    this.#done = done;
  }

  work(untilMs: number): boolean {
    while (this.left > 0) {
      this.left -= 1;
      this.#done.push(this.#name);
      this.#clock.jump(1);
      if (this.#clock.monotonicMs() >= untilMs) break;
    }
    return this.left > 0;
  }

  hold(held: boolean): void {
    this.held = held;
  }
}

function world() {
  const clock = new ManualClock();
  const done: string[] = [];
  const turns = new Turns(clock);
  const make = (name: string) => {
    const jobs = new Jobs(name, clock, done);
    return {
      jobs,
      comes: (count: number) => {
        jobs.left += count;
        turns.offer(jobs);
      },
    };
  };
  return { clock, done, turns, make };
}

describe('the turns of the event loop', () => {
  it('go at once to whoever needs little', () => {
    const { done, make } = world();
    const a = make('a');
    a.comes(1);
    expect(done).toEqual(['a']);
    expect(a.jobs.held).toBe(false);
  });

  it('are shared: what one has sent too much of waits, unread, while others are served between', async () => {
    const { done, make } = world();
    const [flood, good] = [make('flood'), make('good')];
    flood.comes(100);
    expect(done).toEqual(['flood']);
    expect(flood.jobs.held).toBe(true);
    good.comes(1);
    await settle();
    good.comes(1);
    await settle();
    good.comes(1);
    const before = done.filter((name) => name === 'good').length;
    expect(before).toBe(3);
    expect(flood.jobs.left).toBeGreaterThan(90);
    for (let turn = 0; turn < 200 && flood.jobs.left > 0; turn += 1) await settle();
    expect(flood.jobs.left).toBe(0);
    expect(flood.jobs.held).toBe(false);
  });

  it('go round among those that wait, and cost no more for many of them than for one', async () => {
    const { clock, done, make } = world();
    const floods = Array.from({ length: 20 }, (_each, index) => make(`f${index}`));
    for (const flood of floods) flood.comes(50);
    const light = make('light');
    light.comes(1);
    done.length = 0;
    const startMs = clock.monotonicMs();
    await settle();
    // The budget beside others at work, and not a slice for each.
    expect(clock.monotonicMs() - startMs).toBeLessThan(5);
    for (let turn = 0; turn < 60; turn += 1) await settle();
    expect(new Set(done).size).toBe(20);
  });

  it('pass over one that has left', async () => {
    const { done, turns, make } = world();
    const flood = make('flood');
    flood.comes(10);
    turns.leave(flood.jobs);
    expect(flood.jobs.held).toBe(false);
    await settle();
    expect(done).toEqual(['flood']);
  });
});

describe('an inbox', () => {
  it.each(['binary', 'text'] as const)(
    'has each message made in its turn, not thousands at once (%s)',
    (form) => {
      const frame = encodeFrame([working('a'), working('b'), working('c')], form);
      const limits = { maxFrameBytes: 1_000, maxDepth: 32, maxBranches: 1, maxLocks: 1 };
      const opened = openFrame(frame, { readers: readers['to-node'], limits });
      const made: number[] = [];
      const inbox = new Inbox<'to-node'>({
        decode: () => ({
          length: opened.length,
          at: (index) => {
            if (index < opened.length) made.push(index);
            return opened.at(index);
          },
        }),
        answered: () => undefined,
      });
      inbox.frame({ bytes: Buffer.alloc(0), isBinary: true });
      expect(inbox.take()).toEqual({ ok: true, message: working('a') });
      expect(made).toEqual([0]);
      expect(inbox.isEmpty).toBe(false);
      expect(inbox.take()).toEqual({ ok: true, message: working('b') });
      expect(inbox.take()).toEqual({ ok: true, message: working('c') });
      expect(inbox.take()).toBeNull();
      expect(made).toEqual([0, 1, 2]);
      // Made for whoever asks, and not before.
      expect(opened.at(1)).not.toBe(opened.at(1));
    },
  );

  it('lets no pong overtake a message', () => {
    const order: string[] = [];
    const message = (branch: string): Decoded<'to-node'> => ({
      ok: true,
      message: working(branch) as Extract<ToNode, { type: 'working' }>,
    });
    const inbox = new Inbox<'to-node'>({
      decode: () => [message('one'), message('two')],
      answered: () => order.push('pong'),
    });
    inbox.pong(Buffer.alloc(4));
    inbox.frame({ bytes: Buffer.alloc(0), isBinary: true });
    inbox.pong(Buffer.alloc(4));
    for (let next = inbox.take(); next !== null; next = inbox.take()) order.push('message');
    expect(order).toEqual(['pong', 'message', 'message', 'pong']);
    expect(inbox.isEmpty).toBe(true);
  });
});

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function listen(accept: (connection: Connection<FromNode>) => ConnectionHandler<ToNode>) {
  const listener = await webSocketAcceptor({ clock: systemClock, port: 0 }).listen((connection) => {
    connection.greeted?.();
    return accept(connection);
  });
  cleanUps.push(() => listener.close());
  return listener;
}

async function until(condition: () => boolean): Promise<void> {
  for (let left = 2_000; left > 0; left -= 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('It never came true.');
}

describe('a listener', () => {
  it('serves others while one connection’s frame of a thousand dear messages is worked off', async () => {
    const handled: string[] = [];
    const listener = await listen(() => ({
      message: (message) => {
        if (message.type !== 'working') return;
        handled.push(message.branch);
        // Dear: it takes a good part of a millisecond.
        const untilMs = performance.now() + (message.branch === 'dear' ? 0.5 : 0);
        while (performance.now() < untilMs);
      },
      invalid: () => undefined,
      closed: () => undefined,
    }));
    const open = async () => {
      const socket = new WebSocket(`ws://${listener.address}/v1`, ['verdict.v1']);
      cleanUps.push(() => socket.terminate());
      await new Promise((resolve) => socket.once('open', resolve));
      return socket;
    };
    const [flood, good] = [await open(), await open()];
    const dear = encodeFrame(Array(1_000).fill(working('dear')), 'binary');
    flood.send(dear);
    flood.send(encodeFrame([working('last')], 'binary'));
    await until(() => handled.length > 0);
    for (let round = 0; round < 3; round += 1) {
      good.send(encodeFrame([working('good')], 'binary'));
      await until(() => handled.filter((each) => each === 'good').length > round);
    }
    // Three round trips before the one frame was through: at once it would have been through before
    // the first.
    expect(handled).not.toContain('last');
    await until(() => handled.includes('last'));
    expect(handled.filter((each) => each === 'dear')).toHaveLength(1_000);
    expect(handled.at(-1)).toBe('last');
  });

  it('drops a peer that pings without end and reads no pong', async () => {
    let dropped = false;
    const listener = await listen(() => ({
      message: () => undefined,
      invalid: () => undefined,
      closed: () => {
        dropped = true;
      },
    }));
    const socket = connectTcp(listener.port, '127.0.0.1');
    cleanUps.push(() => socket.destroy());
    socket.on('error', () => undefined);
    socket.write(upgradeRequest(listener.address));
    socket.pause();
    const pings = Buffer.concat(Array(1_000).fill(wireFrame(0x89, Buffer.alloc(125))));
    for (let sent = 0; sent < 2_000 && !dropped; sent += 1) {
      socket.write(pings);
      await settle();
    }
    await until(() => dropped);
  });
});
