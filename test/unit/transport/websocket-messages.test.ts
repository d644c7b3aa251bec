import { afterEach, describe, expect, it } from 'vitest';
import { abortReason } from '../../../src/core/catalogue.ts';
import type { FromNode } from '../../../src/core/messages.ts';
import {
  bare,
  cleanUp,
  dial,
  goaway,
  listen,
  until,
  welcome,
  working,
} from '../../support/network/websocket-rig.ts';
import { txidOf } from '../../support/samples/messages.ts';

afterEach(cleanUp);

describe('messages', () => {
  it('travel in order both ways, those of one turn in one frame', async () => {
    const { url, next } = await listen();
    const client = await dial(url);
    const server = await next();
    for (let n = 0; n < 50; n += 1) client.connection.send(working(`b${n}`));
    await until(() => server.messages.length === 50);
    expect(server.messages).toEqual(Array.from({ length: 50 }, (_, n) => working(`b${n}`)));

    const { frames, socket } = await bare(url);
    expect([socket.protocol, socket.extensions]).toEqual(['', '']);
    const bareEnd = await next();
    for (let n = 0; n < 50; n += 1) bareEnd.connection.send(goaway(`g${n}`));
    server.connection.send(goaway('other peer'));
    await until(() => frames.length > 0 && client.messages.length > 0);
    expect(frames.map((frame) => frame.isBinary)).toEqual([true]);
    bareEnd.connection.send(goaway('a later turn'));
    await until(() => frames.length === 2);
    expect(client.messages).toEqual([goaway('other peer')]);
  });

  it('are split where a frame would pass the limit; one larger than that goes alone', async () => {
    const { url, next } = await listen({ maxFrameBytes: 2_048 });
    const { frames } = await bare(url);
    const server = await next();
    for (let n = 0; n < 5; n += 1) server.connection.send(goaway('x'.repeat(900)));
    server.connection.send(goaway('x'.repeat(3_000)));
    server.connection.send(goaway('x'));
    await until(() => frames.length === 5);
    const sizes = frames.map((frame) => Math.floor(frame.data.length / 100));
    expect(sizes).toEqual([18, 18, 9, 30, 0]);
  });

  it('are split where a frame would hold more of them than a peer takes', async () => {
    const { url, next } = await listen();
    const client = await dial(url);
    const server = await next();
    for (let n = 0; n < 10_000; n += 1) server.connection.send(goaway(''));
    await until(() => client.messages.length === 10_000);
  });

  it('are text for a peer that speaks text, one JSON map a line, and binary again when it does', async () => {
    const { url, next } = await listen();
    const { socket, frames } = await bare(url);
    const server = await next();
    socket.send(`${JSON.stringify(working('a'))}\n${JSON.stringify(working('b'))}`);
    await until(() => server.messages.length === 2);
    server.connection.send(goaway('one'));
    server.connection.send(goaway('zwei ü'));
    await until(() => frames.length === 1);
    expect(frames[0]?.isBinary).toBe(false);
    expect(
      frames[0]?.data
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([goaway('one'), goaway('zwei ü')]);
    const client = await dial(url);
    const other = await next();
    client.connection.send(working('c'));
    await until(() => other.messages.length === 1);
    other.connection.send(goaway('binary'));
    await until(() => client.messages.length === 1);
  });

  it('that break a rule are told to the handler, and the next one counts', async () => {
    const { url, next } = await listen();
    const { socket } = await bare(url);
    const server = await next();
    socket.send(`{"id":7}\n${JSON.stringify(working('a'))}`);
    await until(() => server.messages.length === 1);
    expect(server.problems).toMatchObject([{ code: 'INVALID_MESSAGE', id: 7 }]);
  });

  it('larger than the node takes are refused before they are sent, once the welcome has told', async () => {
    const { url, next } = await listen();
    const client = await dial(url);
    const server = await next();
    client.connection.send(working('x'.repeat(5_000)));
    server.connection.send(welcome);
    await until(() => client.messages.length === 1);
    expect(() => client.connection.send(working('x'.repeat(5_000)))).toThrow(RangeError);
  });
});

describe('a message too large for any frame', () => {
  it('goes without its results, or as an error, and the node that sends it does not fail', async () => {
    const problems: Error[] = [];
    const { url, next } = await listen({
      maxBufferedBytes: 400_000,
      maxFrameBytes: 10_000,
      problem: (error) => problems.push(error),
    });
    const client = await dial(url);
    const server = await next();
    const big = 'x'.repeat(150_000);
    const outcome: FromNode = {
      type: 'outcome',
      id: 1,
      txid: txidOf(1),
      outcome: 'aborted',
      results: null,
      reason: { code: 'CONFLICT', message: 'stale', retryable: true },
    };
    const { connection } = server;
    // Larger than the limit told, smaller than what any peer takes: alone in its frame.
    connection.send({ ...outcome, results: { a: 'x'.repeat(50_000) } });
    connection.send({ ...outcome, id: 2, outcome: 'committed', results: { a: big } });
    connection.send({ ...outcome, id: 3, reason: { ...abortReason('CONFLICT'), detail: big } });
    connection.send({ type: 'forget', txids: Array.from({ length: 3_000 }, () => txidOf(1)) });
    expect(problems).toMatchObject([{ message: expect.stringContaining('forget') }]);
    connection.send({ type: 'info', id: 4, ...bigInfo(big) });
    await until(() => client.messages.length === 4);
    expect(client.messages).toMatchObject([
      { id: 1, results: { a: expect.stringMatching(/^x{50000}$/) } },
      { id: 2, outcome: 'committed', results: null },
      { id: 3, outcome: 'aborted', reason: { code: 'CONFLICT' } },
      { type: 'error', id: 4, code: 'TOO_LARGE' },
    ]);
  });
});

function bigInfo(text: string): Omit<Extract<FromNode, { type: 'info' }>, 'type' | 'id'> {
  return {
    node: 'a',
    cluster: 'c',
    version: text,
    uptimeMs: 1,
    ready: true,
    connections: 1,
    shards: [],
    participants: [],
  };
}
