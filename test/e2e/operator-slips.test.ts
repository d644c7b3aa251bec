/** What an operator mistypes is named, with what there is instead, and nothing is done. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { connect } from '../../src/client.ts';
import { serveParticipant, vote } from '../../src/participant.ts';
import { type CliProcess, runCli, startCli, until } from '../support/process/cli-process.ts';

let directory = '';
let url = '';
let node: CliProcess;

async function startNode(): Promise<void> {
  node = startCli(['serve', '--data', join(directory, 'node'), '--listen', url, '--node', 'a']);
  await until('the node is ready', () => node.errors().includes('Ready.'));
}

async function stopNode(): Promise<void> {
  node.process.kill('SIGTERM');
  await node.ended;
}

/** A participant that votes and then is gone, with a commit that it owes. */
async function owing(name: string): Promise<{ readonly instance: string; readonly txid: string }> {
  const participant = await serveParticipant({
    name,
    urls: [url],
    dataDirectory: mkdtempSync(join(directory, `${name}-`)),
    prepare: () => vote.commit(),
    commit: () => {
      throw new Error('not now');
    },
    rollback: () => undefined,
  });
  const client = await connect({ urls: [url], name: 'client' });
  try {
    await participant.connected();
    const outcome = await client.transact({ branches: [{ participant: name }] });
    if (outcome.outcome !== 'committed') throw new Error(outcome.outcome);
    return { instance: participant.instance, txid: outcome.txid };
  } finally {
    await client.close();
    await participant.close({ timeoutMs: 0 });
  }
}

const run = (...argv: string[]) => runCli([...argv, '--url', url]);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'verdict-slips-'));
  url = `127.0.0.1:${await freePort()}`;
  await startNode();
});

afterAll(async () => {
  await stopNode();
  rmSync(directory, { recursive: true });
});

describe('retire', () => {
  it('refuses a mistyped instance of one that owes, and takes the right one of an earlier leader', async () => {
    const { instance, txid } = await owing('stock');
    const other = await owing('stock');
    // The leader knows it from its records alone now.
    await stopNode();
    await startNode();
    const slip = `${instance.slice(0, -1)}_`;
    const refused = await run('retire', 'stock', slip, '--yes');
    expect(refused).toMatchObject({ exitCode: exitCodes.notDone, out: '' });
    expect(refused.errors).toContain(`No instance ${slip} of stock is known`);
    expect(refused.errors).toContain(`the nearest first: ${instance}, ${other.instance}`);
    expect(refused.errors).toContain('--force');
    expect((await run('tx', 'show', txid)).out).toMatch(/^state +COMMITTING/m);

    const wrongName = await run('retire', 'stokc', instance, '--yes');
    expect(wrongName).toMatchObject({ exitCode: exitCodes.notDone, out: '' });
    expect((await run('retire', 'stock', instance, '--yes')).exitCode).toBe(exitCodes.ok);
    expect((await run('tx', 'show', txid)).out).toMatch(/^state +COMMITTED/m);
    expect((await run('tx', 'show', other.txid)).out).toMatch(/^state +COMMITTING/m);
    expect((await run('retire', 'stock', slip, '--yes', '--force')).exitCode).toBe(exitCodes.ok);
    expect((await run('retire', 'stock', other.instance, '--yes')).exitCode).toBe(exitCodes.ok);
  });
});

describe('a transaction', () => {
  it('has the branches that it has', async () => {
    const { instance, txid } = await owing('ledger');
    const wrong = ['acknowledge', txid, '--branch', 'legder', '--reason', 'by hand', '--yes'];
    const refused = await run(...wrong);
    expect(refused).toMatchObject({ exitCode: exitCodes.notDone, out: '' });
    expect(refused.errors).toBe(
      'error: The transaction has no branch legder: it has ledger. Nothing was done.\n',
    );
    expect((await run('retire', 'ledger', instance, '--yes')).exitCode).toBe(exitCodes.ok);
  });

  it('that no one knows has one answer', async () => {
    const made = '0.00010000000000001.000000001.k3v9x0q2m8d5a';
    const shown = await run('tx', 'show', made);
    expect(shown).toMatchObject({ exitCode: exitCodes.notDone, out: '' });
    expect(shown.errors).toMatch(/^error: No leader of this cluster ever gave out that txid: /);
    expect(shown.errors).not.toContain('It ended');
    const explained = await run('explain', made);
    expect(explained.exitCode).toBe(exitCodes.notDone);
    expect(explained.out).toContain('No leader of this cluster ever gave that txid out');
    expect(explained.out).not.toContain('BRANCH');
  });
});

describe('a txid of a shard that the cluster does not have', () => {
  it.each([
    ['tx', 'show'],
    ['resolve', '--yes'],
    ['retry'],
    ['acknowledge', '--branch', 'b', '--reason', 'by hand', '--yes'],
  ])(
    'is refused at once by %s',
    async (...command) => {
      const foreign = '7.00010000000000001.000000001.k3v9x0q2m8d5a';
      const refused = await run(...command, foreign, '--timeout', '60000');
      expect(refused).toMatchObject({ exitCode: exitCodes.notDone, out: '' });
      expect(refused.errors).toMatch(/names a shard that this cluster does not have\./);
    },
    30_000,
  );
});

describe('the level of the log', () => {
  it('is shown as it is in force, with who set it and until when', async () => {
    const line = async (): Promise<string> =>
      /^logLevel .*$/m.exec((await run('config', '--node', 'a')).out)?.[0] ?? '';
    expect(await line()).toBe('logLevel  info  (default)');
    expect((await run('log-level', 'warn', '--yes', '--for', '1h')).exitCode).toBe(exitCodes.ok);
    expect(await line()).toMatch(
      /^logLevel {2}warn {2}\(set at run time by verdict-cli at \S+Z until \S+Z; at the start: info\)$/,
    );
    const elsewhere = await run('config', '--node', 'b');
    expect(elsewhere.exitCode).toBe(exitCodes.usage);
    expect(elsewhere.errors).toContain('There is no node b: those that are up are a.');
  });
});
