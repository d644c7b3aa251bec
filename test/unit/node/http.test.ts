/** What `/readyz` says beside its status. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { healthHandler } from '../../../src/node/http.ts';

async function readyz(isOpen: boolean, problems: readonly string[]): Promise<unknown> {
  const health = { ready: false, problems: () => problems, confirmedLeaders: () => [null] };
  const server = createServer(healthHandler(() => health, isOpen)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/readyz`);
    expect(response.status).toBe(503);
    return await response.json();
  } finally {
    server.close();
  }
}

it('a node that lets everyone in says what is to be mended', async () => {
  const told = { ready: false, shards: 1, led: 0 };
  expect(await readyz(true, [])).toEqual(told);
  expect(await readyz(true, ['Mend it.'])).toEqual({ ...told, problems: ['Mend it.'] });
});

it('a stranger hears no word of it elsewhere', async () => {
  expect(await readyz(false, ['Mend it.'])).toEqual({ ready: false });
});
