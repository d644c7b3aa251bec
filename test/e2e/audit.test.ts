/** The audit log of a node: each kind of event once, about whom it was, and nothing else. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../src/client.ts';
import { serveParticipant, vote } from '../../src/participant.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { NodeProcess, type NodeSettings, quickOptions } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';

type Line = { readonly event: string; readonly number: number } & Record<string, unknown>;

const token = 'open-sesame';
let directory: string;
let file: string;
let settings: NodeSettings;
let node: NodeProcess;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verdict-e2e-'));
  file = join(directory, 'audit.jsonl');
  const tokenFile = join(directory, 'token');
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  settings = {
    data: join(directory, 'node'),
    options: quickOptions,
    tokenFile,
    more: ['--audit-file', file],
  };
});

afterEach(async () => {
  await node.kill();
  await rm(directory, { recursive: true, force: true });
});

function lines(from = file): Line[] {
  return readFileSync(from, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function of(event: string): Line[] {
  return lines().filter((line) => line.event === event);
}

function line(event: string, matches: (line: Line) => boolean = () => true): Promise<Line> {
  return eventually(
    () => of(event).find(matches) ?? null,
    () => `${event} among\n${readFileSync(file, 'utf8')}`,
  );
}

function greeted(name: string, role: string, more: object = {}): Promise<RawPeer> {
  return RawPeer.greeted(node.url, { name, roles: [role], token, ...more });
}

describe('the audit log', () => {
  it('begins with what is in force, and ends with why', async () => {
    node = await NodeProcess.started(settings);
    await node.stop();
    expect(lines().map(({ event, number }) => [event, number])).toEqual([
      ['started', 1],
      ['stopped', 2],
    ]);
    expect(lines()[0]).toMatchObject({
      node: 'n1',
      version: expect.any(String),
      configuration: {
        listen: node.url,
        token: 'required',
        data: settings.data,
        cluster: { shards: 1 },
        options: quickOptions,
      },
    });
    expect(lines()[1]).toMatchObject({ how: 'signal', signal: 'SIGTERM' });
  });

  it('has its last word where the process does not wait', async () => {
    node = await NodeProcess.started({
      ...settings,
      options: { ...quickOptions, drainMs: 60_000 },
    });
    const client = await connect({ urls: [node.url], token });
    await client.begin();
    node.child.signal('SIGTERM');
    await node.child.line(/Stopping/);
    node.child.signal('SIGTERM');
    await node.died();
    await client.close();
    expect(lines().at(-1)).toMatchObject({ event: 'stopped', how: 'exit', exitCode: 130 });
  });

  it('tells who came, who went, and who was refused where', async () => {
    node = await NodeProcess.started(settings);
    const headers = { authorization: 'Bearer open' };
    await expect(RawPeer.open(node.url, { headers })).rejects.toThrow('401');
    const address = '127.0.0.1';
    expect(await line('connection-refused')).toMatchObject({
      stage: 'upgrade',
      address,
      code: 'HTTP_401',
      why: expect.stringContaining('The token is missing or wrong'),
    });
    const said = { name: 'x', instance: 'x-1', roles: ['operator'] };
    const wrong = await RawPeer.open(node.url);
    wrong.send({ type: 'hello', protocol: 1, ...said, token: 'open' });
    await wrong.closed;
    expect(await line('connection-refused', ({ stage }) => stage === 'hello')).toMatchObject({
      address,
      identity: null,
      ...said,
      code: 'UNAUTHENTICATED',
      why: expect.stringContaining('The token is missing or wrong'),
    });
    const peer = await greeted('shop', 'client');
    const who = { address, identity: null, name: 'shop', instance: 'shop-1', roles: ['client'] };
    const { connection } = await line('connection-accepted');
    await peer.close();
    expect(await line('connection-ended')).toMatchObject({ ...who, connection, kind: 'reset' });
    expect(of('connection-accepted')).toMatchObject([who]);
    expect(of('connection-refused')).toHaveLength(2);
    expect(of('connection-ended')).toHaveLength(1);
  });

  it('tells what an operator did, why, and what came of it', async () => {
    node = await NodeProcess.started(settings);
    const client = await connect({ urls: [node.url], token });
    const operator = await greeted('alice', 'operator');
    const who = { name: 'alice', instance: 'alice-1', roles: ['operator'], identity: null };
    const [first, second, own] = [await client.begin(), await client.begin(), await client.begin()];
    const reason = 'because "of"\nit';
    await operator.ask({ type: 'recover', id: 1, reason });
    await operator.ask({ type: 'resolve', id: 2, txid: first.txid, reason });
    await operator.ask({ type: 'rollback', id: 3, txid: second.txid, reason });
    await operator.ask({ type: 'retire', id: 4, participant: 'p', instance: 'p-1', reason });
    // A txid that no leader gave out.
    const txid = first.txid.replace(/.$/, (digit) => (digit === 'a' ? 'b' : 'a'));
    await operator.ask({ type: 'resolve', id: 5, txid });
    for (const [id, type] of [
      [6, 'info'],
      [7, 'list'],
      [8, 'locks'],
    ] as const) {
      await operator.ask({ type, id });
    }
    await operator.ask({ type: 'status', id: 9, txid: own.txid });
    await own.rollback();
    const refused = await RawPeer.open(node.url);
    const hello = { type: 'hello', protocol: 1, name: 'p', instance: 'p-1', token };
    refused.send({ ...hello, roles: ['participant'] });
    await refused.closed;
    expect(await line('connection-refused')).toMatchObject({ code: 'FORBIDDEN', instance: 'p-1' });
    await client.close();
    await operator.close();
    await node.stop();
    expect(of('operator-action')).toMatchObject([
      { ...who, action: 'recover', reason, result: 'done', pending: 0, resumed: 0 },
      { ...who, action: 'resolve', reason, txid: first.txid, result: 'abort', source: 'forced' },
      { ...who, action: 'rollback', reason, txid: second.txid, result: 'aborted' },
      {
        ...who,
        action: 'retire',
        reason,
        participant: 'p',
        target: { instance: 'p-1' },
        result: 'done',
      },
      { ...who, action: 'resolve', txid, result: 'UNKNOWN_TRANSACTION' },
    ]);
    expect(of('forced-abort')).toMatchObject([
      { ...who, txid: first.txid, by: 'resolve', recorded: false },
      { ...who, txid: second.txid, by: 'rollback', recorded: false },
    ]);
    expect(of('forced-abort').filter((line) => 'type' in line)).toEqual([]);
    expect(of('retired')).toMatchObject([{ participant: 'p', instance: 'p-1' }]);
    const numbers = lines().map(({ number }) => number);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    // What was retired before is nothing new.
    await node.restart();
    await node.stop();
    expect(of('retired')).toHaveLength(1);
  });

  it('refuses a reason that is longer than one may be, and does nothing', async () => {
    node = await NodeProcess.started(settings);
    const operator = await greeted('alice', 'operator');
    const retire = { type: 'retire', id: 1, participant: 'p', instance: 'p-1' };
    const answer = await operator.ask({ ...retire, reason: 'x'.repeat(257) });
    expect(answer).toMatchObject({ type: 'error', code: 'INVALID_MESSAGE' });
    await operator.close();
    await node.stop();
    expect(of('retired')).toEqual([]);
  });

  it('has no line about any transaction', async () => {
    node = await NodeProcess.started(settings);
    const participant = await serveParticipant({
      name: 'p',
      urls: [node.url],
      token,
      dataDirectory: join(directory, 'p'),
      prepare: () => vote.commit(),
      commit: () => undefined,
      rollback: () => undefined,
      inDoubt: () => [],
    });
    await participant.connected();
    const client = await connect({ urls: [node.url], token });
    await line('connection-accepted', ({ name }) => name !== 'p');
    const before = lines().length;
    for (let count = 0; count < 50; count += 1) {
      await client.transact({ branches: [{ participant: 'p' }] });
    }
    await (await client.begin()).rollback();
    expect(lines()).toHaveLength(before);
    await client.close();
    await participant.close({ timeoutMs: 10 });
  });

  it('is written to a new file when whoever keeps logs has moved it and says so', async () => {
    node = await NodeProcess.started(settings);
    const peer = await greeted('shop', 'client');
    await line('connection-accepted');
    renameSync(file, `${file}.kept`);
    node.child.signal('SIGHUP');
    // At once, and not with the next line, which would find out by itself.
    await eventually(
      () => (existsSync(file) ? true : null),
      () => 'the new file',
    );
    await peer.close();
    await node.stop();
    const numbers = [...lines(`${file}.kept`), ...lines()].map(({ number }) => number);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  it('stays small in a flood of strangers, and counts them', async () => {
    node = await NodeProcess.started(settings);
    const headers = { authorization: 'Bearer open' };
    const knocks = 200;
    for (let count = 0; count < knocks; count += 20) {
      await Promise.all(
        Array.from({ length: 20 }, () => RawPeer.open(node.url, { headers }).catch(() => null)),
      );
    }
    await (await greeted('shop', 'client')).close();
    await line('connection-ended');
    await node.stop();
    const written = of('connection-refused').length;
    // Ten at once; one more every ten seconds, however long this took.
    expect(written).toBeGreaterThanOrEqual(10);
    expect(written).toBeLessThan(knocks / 4);
    const leftOut = of('refusals-left-out').reduce((sum, { count }) => sum + Number(count), 0);
    expect(written + leftOut).toBe(knocks);
    expect(of('connection-accepted')).toHaveLength(1);
  });

  it('that cannot be begun ends the start, with what to do', async () => {
    node = await NodeProcess.make({ ...settings, more: ['--audit-file', join(file, 'none')] });
    expect(await node.start()).toBe(false);
    expect(node.output()).toContain('The audit log cannot be written');
    node = node.with({ ...settings, more: ['--audit-files', '3'] });
    expect(await node.start()).toBe(false);
    expect(node.output()).toContain('--audit-files needs --audit-file');
  });
});
