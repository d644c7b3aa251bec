/** What the libraries say of etcd, in words: the errors are real ones, of the real client. */
import { createServer as createWeb } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { createServer as createSecureServer } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { thrownLine } from '../../../src/core/thrown.ts';
import { etcd3Client } from '../../../src/decision-log/etcd/client.ts';
import { etcdErrorText, inWords } from '../../../src/decision-log/etcd/error-text.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { testAuthority } from '../../support/network/certificates.ts';
import { patienceMs } from '../../support/process/slowness.ts';

const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((done) => server.close(done));
});

async function at(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** What is awaited comes before a call's own second, unless this process is paused meanwhile. */
async function failure(endpoint: string, moreMs = patienceMs): Promise<unknown> {
  const wallMs = (): number => systemClock.wallMs() + moreMs;
  const client = etcd3Client({ clock: { ...systemClock, wallMs }, tls: undefined }, endpoint);
  try {
    return await client.kv.range({ key: Buffer.from('a') }).then(
      () => null,
      (error: unknown) => error,
    );
  } finally {
    client.close();
  }
}

describe('an error of gRPC', () => {
  it('where nothing listens', async () => {
    const error = await failure('http://127.0.0.1:1');
    const text = 'no connection: connect ECONNREFUSED 127.0.0.1:1';
    expect(etcdErrorText(error)).toBe(text);
    expect(thrownLine(inWords(error))).toBe(`Error: ${text}`);
    // Whatever tells of it later, as the cause of another one.
    expect(thrownLine(new Error('Etcd is gone', { cause: error }))).not.toContain('UNAVAILABLE');
  });

  it('where something listens that is silent', async () => {
    const port = await at(createServer((socket) => setTimeout(() => socket.destroy(), 1_500)));
    expect(etcdErrorText(await failure(`http://127.0.0.1:${port}`, 0))).toBe(
      'no connection came about in time',
    );
  });

  it('where something else than etcd listens', async () => {
    const port = await at(createWeb((_, response) => response.end('hello')));
    expect(etcdErrorText(await failure(`http://127.0.0.1:${port}`))).toBe(
      'no connection: what listens there is no etcd, or wants TLS',
    );
    expect(etcdErrorText(await failure(`https://127.0.0.1:${port}`))).toBe(
      'no connection: what listens there speaks no TLS',
    );
  });

  it('where its certificate is of an authority that is not trusted', async () => {
    const names = ['IP:127.0.0.1'] as const;
    const { certificate: cert, key } = await (await testAuthority()).node('etcd', { names });
    const port = await at(createSecureServer({ cert, key }));
    expect(etcdErrorText(await failure(`https://127.0.0.1:${port}`))).toBe(
      'no connection: no authority that is trusted here has signed its certificate: give the one that has',
    );
  });

  it('of a name that no one knows', () => {
    const said = '14 UNAVAILABLE: Name resolution failed for target dns:etcd-9:2379';
    expect(etcdErrorText(new Error(said))).toBe('the name in etcd-9:2379 is not known here');
  });

  it('leaves what etcd itself says, and what is no error of a call', () => {
    const said = new Error('14 UNAVAILABLE: etcdserver: no leader');
    expect(etcdErrorText(said)).toBe('etcdserver: no leader');
    const other = new Error('etcd at http://e1 did not answer in 1500 ms.');
    expect(inWords(other)).toBe(other);
    expect(etcdErrorText(other)).toBe('etcd at http://e1 did not answer in 1500 ms.');
    expect(inWords('text')).toBe('text');
  });
});
