/** Each of examples/ by its one command, as a newcomer runs it: its books are in order. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { skipWithout } from '../support/nodes/docker.ts';
import { example } from '../support/process/example.ts';
import { lacking } from '../support/process/lacking.ts';
import { mariadbMissing } from '../support/resources/mariadb.ts';

describe('the examples', () => {
  it('are named, with what they show', async () => {
    const { status, told } = await example([]);
    expect(status).toBe(0);
    expect(told).toMatch(/^ {2}python +Two banks in Python/m);
  });

  it('say which there are where there is none of the name', async () => {
    const { status, told } = await example(['pyhton']);
    expect(status).toBe(2);
    expect(told).toContain('There is no example "pyhton". There are: ');
  });
});

describe('the example over HTTP', () => {
  it('orders once for three clicks, and has a status for each outcome', async () => {
    const { status, told } = await example(['http']);
    expect(told).toMatch(/^three clicks at once, at two services: 1 order: 201 ordered$/m);
    expect(told).toMatch(/^the same key with other content: 422 /m);
    expect(told).toMatch(/^more lamps than there are: 409 Out of stock$/m);
    expect(told).toMatch(/^by somebody without money: 402 /m);
    expect(told).toContain('The books are in order.');
    expect(status).toBe(0);
  });
});

describe('the example of one service', () => {
  it('takes what is ordered once for each request, and never more than there is', async () => {
    const { status, told } = await example(['service']);
    const [first, again, more] = told.match(/^(?:committed|aborted).*$/gm) ?? [];
    expect(first).toMatch(/^committed as \S+: \{ left: 8 \}$/);
    expect([again, more]).toEqual([first, 'aborted: Only 8 of lamp left.']);
    expect(status).toBe(0);
  });
});

describe('the example with the light client', () => {
  it('pays once on each runtime, from one file', async () => {
    const { status, told } = await example(['light']);
    const runtimes = process.env['CI'] === undefined ? ['Node'] : ['Node', 'Bun', 'Deno'];
    for (const runtime of runtimes) {
      expect(told).toContain(`On ${runtime}:`);
    }
    expect(told.match(/^paid 500\npaid 500\nnot paid: /gm)?.length).toBe(
      told.match(/^On /gm)?.length,
    );
    expect(told).toContain('The books are in order.');
    expect(status).toBe(0);
  });
});

describe('the example in Python', () => {
  skipWithout(lacking(pythonMissing()));

  it('moves money once for each request, and never more than there is', async () => {
    const { status, told } = await example(['python']);
    expect(told).toMatch(
      /rent-11.*\n(committed as \S+)\nrent-11.*\n\1\nrent-12.*\naborted: anna has/,
    );
    expect(told).toContain('The books are in order.');
    expect(status).toBe(0);
  });
});

describe('the example of three NestJS services', () => {
  it('gives one key one answer, and its books are in order', async ({ skip }) => {
    const missing = await mariadbMissing();
    if (missing !== null) skip(missing);
    const { status, told } = await example(['shop']);
    expect(told).toMatch(/order-1, twice.*\n( {2}placed as \w+, 9800 cents)\n\1\n/);
    expect(told).toMatch(/order-4, twice.*\n( {2}409: carl has too little money\.)\n\1\n/);
    expect(told).toContain('The books are in order.');
    expect(status).toBe(0);
  });
});

function pythonMissing(): string | null {
  const { error, status } = spawnSync('python3', ['-c', 'import sqlite3'], { timeout: 20_000 });
  if (error === undefined && status === 0) return null;
  return 'there is no python3 with sqlite3 here';
}
