/**
 * A storm of questions and reports about transactions that are long over, whose outcome is in etcd
 * alone: every answer is a reading of it. They are answered, in their turn or with BUSY; the
 * leadership stays, and good clients' transactions commit.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, connect } from '../../src/client.ts';
import type { FromNode } from '../../src/core/messages.ts';
import type { Txid } from '../../src/core/txid.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';

const [programs] = await etcdsToTest();
const oldOnes = 500;
const stormers = 2;
const reportsEach = 3;
const queriesEach = 3_000;
const witness = { generation: 0, revision: '1' };

describe.skipIf(programs === undefined)('old transactions, asked about in a storm', () => {
  let directory: string;
  let etcd: TestEtcd;
  let node: NodeProcess;
  let participant: ParticipantHandle;
  let client: Client;
  let old: Txid[];

  beforeAll(async () => {
    if (programs === undefined) return;
    directory = await mkdtemp(join(tmpdir(), 'verdict-e2e-'));
    etcd = await TestEtcd.start(programs);
    node = await NodeProcess.started({
      data: join(directory, 'node'),
      logLevel: 'info',
      etcd: { endpoints: etcd.endpoints, cluster: 'old' },
      // What has ended is in no memory.
      options: { ...quickOptions, maxRecent: 0 },
    });
    participant = await serveParticipant({
      name: 'a',
      urls: [node.url],
      dataDirectory: join(directory, 'a'),
      prepare: () => vote.commit(1),
      commit: () => undefined,
      rollback: () => undefined,
      inDoubt: () => [],
    });
    await participant.connected();
    client = await connect({ urls: [node.url], name: 'good' });
    const outcomes = await Promise.all(
      Array.from({ length: oldOnes }, () => client.transact({ branches: [{ participant: 'a' }] })),
    );
    expect(outcomes.every(({ outcome }) => outcome === 'committed')).toBe(true);
    old = outcomes.map(({ txid }) => txid as Txid);
  });

  afterAll(async () => {
    await client?.close();
    await participant?.close();
    await node?.stop();
    await etcd?.dispose();
    await rm(directory, { recursive: true, force: true });
  });

  /** Sends all of it at once; returns what was answered when each question was. */
  async function storm(name: string): Promise<readonly FromNode[]> {
    const peer = await RawPeer.participant(node.url, name);
    const inDoubt = old.map((txid) => ({ txid, witness }));
    const wanted = reportsEach + queriesEach;
    for (let report = 1; report <= reportsEach; report += 1) {
      peer.send({ type: 'report', id: report, inDoubt, kept: old });
    }
    for (let first = 0; first < queriesEach; first += oldOnes) {
      peer.send(
        ...old.map((txid, at) => {
          return { type: 'query', id: reportsEach + 1 + first + at, txid, inDoubt: true };
        }),
      );
    }
    const replies = () =>
      peer.received.filter((message) => 'id' in message && message.id !== undefined);
    await eventually(
      () => (peer.isClosed || replies().length >= wanted ? true : null),
      () => `${wanted} replies to ${name}; there are ${replies().length}`,
      60_000,
    );
    expect(peer.isClosed).toBe(false);
    const told = [...peer.received];
    await peer.close();
    return told;
  }

  it('is answered, in turn or with BUSY, while the leadership stays and others commit', async () => {
    let storming = true;
    let committed = 0;
    const work = (async () => {
      while (storming) {
        const outcome = await client.transact({ branches: [{ participant: 'a' }] });
        expect(outcome).toMatchObject({ outcome: 'committed' });
        committed += 1;
      }
    })();
    work.catch(() => undefined);
    const names = Array.from({ length: stormers }, (_, at) => `storm-${at}`);
    const told = await Promise.all(names.map(storm)).finally(() => {
      storming = false;
    });
    await work;
    for (const messages of told) {
      const decisions = messages.filter(({ type }) => type === 'decision');
      expect(decisions.length).toBeGreaterThan(2 * oldOnes);
      expect(new Set(decisions.map((each) => each.type === 'decision' && each.decision))).toEqual(
        new Set(['commit']),
      );
      const errors = messages.flatMap((each) => (each.type === 'error' ? [each.code] : []));
      expect(new Set(errors)).toEqual(new Set(['BUSY']));
      expect(messages.some(({ type }) => type === 'reported')).toBe(true);
      expect(messages.some(({ type }) => type === 'forget')).toBe(true);
    }
    expect(committed).toBeGreaterThan(0);
    expect(node.output().match(/Leading: /g)).toHaveLength(1);
    expect(node.output()).not.toMatch(/leadership is over/);
    expect(node.alarms()).toEqual([]);
  });
});
