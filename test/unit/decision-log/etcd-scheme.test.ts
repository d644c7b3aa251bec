/**
 * `http` or `https`, written as the members do not speak: the contract's real etcds answer so, and
 * others must not be mistaken.
 */
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { assertSchemes, schemeOf } from '../../../src/decision-log/etcd/scheme.ts';
import { systemClock } from '../../../src/system/clock.ts';

const answers: readonly (readonly [string, string, 'http' | 'https' | null])[] = [
  ['etcd', 'HTTP/1.0 200 OK\r\n\r\n{"etcdserver":"3.5.1","etcdcluster":"3.5.0"}', 'http'],
  [
    'an etcd with TLS',
    'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n',
    'https',
  ],
  [
    'a proxy with TLS',
    'HTTP/1.1 400 Bad Request\r\n\r\n<h1>The plain HTTP request was sent to HTTPS port</h1>',
    'https',
  ],
  ['another with TLS', '\x15\x03\x01\x00\x02\x02\x46', 'https'],
  ['something else', 'HTTP/1.1 200 OK\r\n\r\nhello', null],
  ['a proxy that forwards TLS alone', 'HTTP/1.1 400 Bad Request\r\n\r\n', null],
  ['nobody', '', null],
];

describe('what answers a plain question', () => {
  let servers: Server[] = [];
  afterEach(() => {
    for (const server of servers) server.close();
    servers = [];
  });
  const answering = async (answer: string): Promise<string> => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(answer, 'latin1'));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(server.address() as { port: number }).port}`;
  };

  it.each(answers)('%s', async (_who, answer, scheme) => {
    expect(schemeOf(Buffer.from(answer, 'latin1'))).toBe(scheme);
    const address = await answering(answer);
    for (const given of ['http', 'https']) {
      const asserted = assertSchemes({ clock: systemClock, endpoints: [`${given}://${address}`] });
      if (scheme === null || scheme === given) await asserted;
      else await expect(asserted).rejects.toThrow(`Write ${scheme}://${address}`);
    }
  });

  it('one of several that is written wrongly is named, though the others would do', async () => {
    const [right, wrong] = [
      await answering(answers[0]?.[1] ?? ''),
      await answering(answers[1]?.[1] ?? ''),
    ];
    await expect(
      assertSchemes({ clock: systemClock, endpoints: [`http://${right}`, `http://${wrong}`] }),
    ).rejects.toThrow(`Write https://${wrong}`);
  });

  it('one that says nothing is waited for no longer than a moment', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await assertSchemes({
      clock: systemClock,
      endpoints: [`https://127.0.0.1:${port}`, 'http://127.0.0.1:9'],
    });
  });
});
