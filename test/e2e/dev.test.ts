/** `verdict dev` as a person starts it: what it prints to try works, and nothing stays behind. */
import { existsSync, readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { type CliProcess, runCli, startCli, until } from '../support/process/cli-process.ts';

let running: CliProcess | null = null;

afterEach(async () => {
  running?.process.kill('SIGTERM');
  await running?.ended;
  running = null;
});

function dataOf(out: string): string {
  return /Its data is in (\S+),/.exec(out)?.[1] ?? '';
}

describe('verdict dev', () => {
  it('runs the shop, on which a transaction can be played, and removes its data', async () => {
    const url = `127.0.0.1:${await freePort()}`;
    const dev = startCli(['dev', '--listen', url, '--shop']);
    running = dev;
    await until('what to try', () => dev.out().includes('/readyz'));
    const data = dataOf(dev.out());
    expect(existsSync(data)).toBe(true);
    await until('the shop', () => dev.errors().includes('All services are connected.'));
    const script = [
      'begin order',
      'register inventory payload={"items":[{"sku":"sku-001","quantity":1}]}',
      'register payment payload={"account":"customer-001","amountCents":500}',
      'commit',
      'status wait=20000',
    ].join('\n');
    const played = await runCli(['exec', '-', '--url', url], script);
    const results = played.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(results).toMatchObject([
      { op: 'begin', tx: 'order' },
      { participant: 'inventory' },
      { participant: 'payment' },
      { op: 'commit', outcome: 'committed' },
      { op: 'status', state: 'COMMITTED' },
    ]);
    expect(played.exitCode).toBe(exitCodes.ok);
    const simulation = await runCli(
      ['exec', '-', '--url', url],
      'begin\nregister inventory vote=abort\n',
    );
    expect(simulation.exitCode).toBe(exitCodes.badLines);
    dev.process.kill('SIGTERM');
    expect((await dev.ended).exitCode).toBe(exitCodes.ok);
    expect(existsSync(data)).toBe(false);
  });

  it('runs alone, too', async () => {
    const url = `127.0.0.1:${await freePort()}`;
    const dev = startCli(['dev', '--listen', url]);
    running = dev;
    await until('what to try', () => dev.out().includes('/readyz'));
    expect(dev.out()).toContain('verdict exec -');
    const data = dataOf(dev.out());
    dev.process.kill('SIGINT');
    expect((await dev.ended).exitCode).toBe(exitCodes.ok);
    expect(existsSync(data)).toBe(false);
  });

  it('takes its data with it where it is interrupted before it listens', async () => {
    const directory = temporaryDirectory();
    const url = `127.0.0.1:${await freePort()}`;
    const dev = startCli(['dev', '--listen', url], { env: { TMPDIR: directory.path } });
    running = dev;
    const left = (): string[] => readdirSync(directory.path);
    await until('its data', () => left().length > 0);
    dev.process.kill('SIGINT');
    await dev.ended;
    expect(left()).toEqual([]);
    directory.remove();
  });
});
