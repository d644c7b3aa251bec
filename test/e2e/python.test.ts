/** The participant and the client of examples/python, as they stand there, with a real node. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../src/client.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { skipWithout } from '../support/nodes/docker.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { Child, eventually, within } from '../support/process/child.ts';
import { lacking } from '../support/process/lacking.ts';

const python = 'python3';
const home = 'examples/python';
const started = 1_000_000;
const transfers = 120;
const centsEach = 10;

describe('examples/python', () => {
  skipWithout(lacking(pythonMissing()));

  let directory: ReturnType<typeof temporaryDirectory>;
  let node: NodeProcess;
  let banks: Child[];

  beforeEach(async () => {
    directory = temporaryDirectory();
    node = await NodeProcess.started({ data: join(directory.path, 'log'), options: quickOptions });
    banks = [bank('bank1'), bank('bank2')];
    for (const each of banks) expect(await each.line(/^connected to/)).not.toBeNull();
    inStore('bank1', (store) => {
      store.prepare('INSERT INTO accounts VALUES (?, ?)').run('anna', started);
    });
  });
  afterEach(async () => {
    for (const each of banks) await each.kill();
    if (node.running) await node.child.kill();
    directory.remove();
  });

  it('moves money once for each request id, and not where there is too little', async () => {
    const first = await transfer('rent-11', 400_000);
    expect(first).toMatchObject({ status: 0, told: expect.stringMatching(/^committed as 0\./) });
    expect(await transfer('rent-11', 400_000)).toEqual(first);
    expect(await transfer('rent-12', 900_000)).toEqual({
      status: 1,
      told: 'aborted: anna has 600000 cents and is to pay 900000.',
    });
    await settled();
    expect([balance('bank1', 'anna'), balance('bank2', 'bert')]).toEqual([600_000, 400_000]);
  });

  it('adds up when both participants and the node are killed with -9 amid transfers', async () => {
    await using client = await connect({ urls: [node.url], timeoutMs: 30_000 });
    let answered = 0;
    let committed = 0;
    const calls = Array.from({ length: transfers }, async (_, index) => {
      const outcome = await client.transact({
        requestId: `t-${index}`,
        timeoutMs: 20_000,
        branches: [
          { participant: 'bank1', payload: { account: 'anna', cents: -centsEach } },
          { participant: 'bank2', payload: { account: 'bert', cents: centsEach } },
        ],
      });
      answered += 1;
      if (outcome.outcome === 'committed') committed += 1;
    });
    for (const [index, name] of ['bank1', 'bank2'].entries()) {
      await eventually(
        () => (answered >= (index + 1) * (transfers / 6) ? true : null),
        () => `${answered} answers are too few`,
      );
      await banks[index]?.kill();
      banks[index] = bank(name);
    }
    await node.child.kill();
    expect(await node.start()).toBe(true);
    await within(Promise.all(calls), 'all calls to end', 90_000);
    await settled();
    expect(committed).toBeGreaterThan(0);
    expect([balance('bank1', 'anna'), balance('bank2', 'bert')]).toEqual([
      started - committed * centsEach,
      committed * centsEach,
    ]);
  });

  function bank(name: string): Child {
    return new Child(`${home}/participant.py`, {
      program: python,
      args: [name, databaseOf(name), node.url],
      env: { PYTHONDONTWRITEBYTECODE: '1', PYTHONUNBUFFERED: '1' },
    });
  }

  async function transfer(
    requestId: string,
    cents: number,
  ): Promise<{ status: number; told: string }> {
    const client = new Child(`${home}/client.py`, {
      program: python,
      args: [node.url, requestId, 'bank1/anna', 'bank2/bert', String(cents)],
      env: { PYTHONDONTWRITEBYTECODE: '1' },
    });
    const { code } = await within(client.exited, 'the client to end');
    return { status: code ?? -1, told: client.lines.join('\n') };
  }

  function databaseOf(name: string): string {
    return join(directory.path, `${name}.sqlite`);
  }

  function inStore<T>(name: string, use: (store: DatabaseSync) => T): T {
    const store = new DatabaseSync(databaseOf(name), { timeout: 10_000 });
    try {
      return use(store);
    } finally {
      store.close();
    }
  }

  function balance(name: string, account: string): number {
    return inStore(name, (store) => {
      const row = store.prepare('SELECT cents FROM accounts WHERE account = ?').get(account);
      return Number(row?.['cents'] ?? 0);
    });
  }

  /** Nothing is prepared any more, at either. */
  async function settled(): Promise<void> {
    const prepared = (name: string): number =>
      inStore(name, (store) => {
        const open = "SELECT count(*) AS n FROM verdict_branches WHERE state = 'prepared'";
        return Number(store.prepare(open).get()?.['n']);
      });
    await eventually(
      () => (prepared('bank1') + prepared('bank2') === 0 ? true : null),
      () => `${prepared('bank1')} and ${prepared('bank2')} branches are still prepared`,
    );
  }
});

function pythonMissing(): string | null {
  const { error, status } = spawnSync(python, ['-c', 'import sqlite3'], { timeout: 20_000 });
  if (error === undefined && status === 0) return null;
  return 'there is no python3 with sqlite3 here';
}
