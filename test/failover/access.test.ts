/**
 * Certificates and the access file change while a cluster is under load: what is renewed fails no
 * transaction, and what is taken away leaves nothing half done.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Client, connect } from '../../src/client.ts';
import type { RecordedCall } from '../support/clients/history.ts';
import { etcdsToTest, type TestEtcd } from '../support/etcd/etcd.ts';
import { testAuthority } from '../support/network/certificates.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import type { Security } from '../support/network/security.ts';
import { clusterOfSuite } from '../support/nodes/cluster-of-suite.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { firstBalance, readAccounts } from '../support/participants/effects.ts';
import { eventually, pause } from '../support/process/child.ts';

const [programs] = await etcdsToTest();
const names = ['a', 'b', 'c'] as const;
const all = { a: {}, b: {}, c: {} };
/** Aborts that the load asks for itself. */
const planned: ReadonlySet<string> = new Set(['VOTED_ABORT', 'ROLLED_BACK']);
const certificateTaken = /The new TLS certificate is in use/;
const accessChanged = /The access file has changed/;

describe.skipIf(programs === undefined)('a cluster under load', () => {
  let etcd: TestEtcd;
  let cluster: EtcdCluster;
  let security: Security;

  clusterOfSuite(
    programs,
    {
      secured: 'always',
      options: { tickMs: 500 },
      identities: { participants: ['late'], clients: ['guest'] },
    },
    (...given) => {
      [cluster, etcd] = given;
      if (cluster.security === null) throw new Error('The cluster is not secured.');
      security = cluster.security;
    },
  );

  /** Resolves when every node has said that once more since `change` began. */
  async function everywhere(told: RegExp, change: () => unknown): Promise<void> {
    const count = (): number[] =>
      cluster.running.map(({ child }) => child.lines.filter((line) => told.test(line)).length);
    const before = count();
    await change();
    for (const { child } of cluster.running) child.signal('SIGHUP');
    await eventually(
      () => (count().every((now, at) => now > (before[at] ?? 0)) ? true : null),
      () => `every node to say ${told}`,
    );
  }

  /** One that dials with what the files hold now. */
  async function newcomerCommits(): Promise<void> {
    const client = await cluster.client();
    expect((await cluster.history.transact(client, all)).ended).toBe('ok');
  }

  it('has the certificates of nodes, peers and the authority replaced under load', async () => {
    const load = await cluster.load();
    await load.moreOk(5);
    const { cert, key } = await security.identity('client');
    const old = { cert: readFileSync(cert.file), key: readFileSync(key.file) };
    const before = security.authority;
    const next = await testAuthority('the next authority');
    // Trusted first, then used, and the old one trusted no more.
    await everywhere(certificateTaken, () => security.trust([before, next]));
    security.authority = next;
    await everywhere(certificateTaken, async () => {
      for (const node of cluster.nodes.keys()) await security.renewNode(node);
      for (const name of [...names, 'client', 'operator']) await security.renewIdentity(name);
    });
    await newcomerCommits();
    const failed = (): RecordedCall[] =>
      load.calls.filter(
        ({ ended, code }) => ended !== 'ok' && !(ended === 'fail' && planned.has(code ?? '')),
      );
    await load.moreOk(5);
    expect(failed()).toEqual([]);
    // It takes the connections with it that began with its certificates, and what they were about.
    await everywhere(certificateTaken, () => security.trust([next]));
    await newcomerCommits();
    await load.moreOk(5);
    await load.stop();
    expect(failed().filter(({ retryable }) => !retryable)).toEqual([]);
    // Whoever has nothing new is a stranger now.
    await expect(
      connect({ urls: cluster.urls, tls: { ca: next.ca, ...old }, timeoutMs: 2_000 }),
    ).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    // And all others find each other anew: nodes, participants that come back, clients.
    const { node, epoch } = await cluster.leader();
    await cluster.node(node).kill();
    await cluster.leader({ after: epoch });
    await cluster.participant('a').restart();
    await cluster.participant('a').connected();
    await newcomerCommits();
    await cluster.startAll();
    expect(await cluster.settled(), load.summary()).toEqual([]);
  });

  /** Moves money round and round, until told to stop. */
  function moneyMoves(client: Client): { readonly calls: RecordedCall[]; stop(): Promise<void> } {
    const calls: RecordedCall[] = [];
    let over = false;
    const loop = async (first: number): Promise<void> => {
      for (let turn = first; !over; turn += 1) {
        const [from = '', to = ''] = [names[turn % 3], names[(turn + 1) % 3]];
        const move = (amount: number) => ({ transfer: { account: 'x', amount } });
        const plan = { [from]: move(-1), [to]: { ...move(1), delayMs: turn % 20 } };
        calls.push(await cluster.history.transact(client, plan, { callTimeoutMs: 4_000 }));
        await pause(5);
      }
    };
    const loops = [0, 1, 2, 3].map(loop);
    return {
      calls,
      stop: async () => {
        over = true;
        await Promise.all(loops);
      },
    };
  }

  async function moreOk(calls: readonly RecordedCall[], count: number): Promise<void> {
    const ok = (): number => calls.filter(({ ended }) => ended === 'ok').length;
    const wanted = ok() + count;
    await eventually(
      () => (ok() >= wanted ? true : null),
      () => `${wanted} commits; there are ${ok()}`,
    );
  }

  /** No more and no less than there was. */
  function made(): number {
    let sum = 0;
    for (const name of names) {
      const store = join(cluster.directory, name, 'store');
      for (const [, { balance, setAside }] of readAccounts(store)) {
        expect(setAside).toBe(0);
        sum += balance - firstBalance;
      }
    }
    return sum;
  }

  async function withoutDoubts(...participants: readonly string[]): Promise<void> {
    await eventually(
      () =>
        participants.every((name) => cluster.participant(name).state().journalOpen.length === 0)
          ? true
          : null,
      () => `${participants.join()} to be rid of their doubts`,
    );
  }

  it('loses a client out of the access file: what it had begun ends, and money is kept', async () => {
    const guest = await cluster.client({ name: 'guest' });
    const moves = moneyMoves(guest);
    await moreOk(moves.calls, 10);
    const open = await guest.begin({ timeoutMs: 60_000 });
    await open.enlist({ participant: 'a', payload: {} });
    await everywhere(accessChanged, () => security.without(['guest']));
    await moves.stop();
    const refused = await cluster.history.transact(guest, all, { callTimeoutMs: 1_000 });
    expect(refused.ended).toBe('refused');
    await expect(open.commit({ timeoutMs: 1_000 })).rejects.toMatchObject({ acted: 'nothing' });
    await withoutDoubts(...names);
    await newcomerCommits();
    await everywhere(accessChanged, () => security.without([]));
    const again = await cluster.client({ name: 'guest' });
    expect((await cluster.history.transact(again, all)).ended).toBe('ok');
    expect(await cluster.settled()).toEqual([]);
    expect(made()).toBe(0);
  });

  it('loses a participant out of it: the others end without it, and so does it when it is back', async () => {
    const client = await cluster.client();
    const moves = moneyMoves(client);
    await moreOk(moves.calls, 10);
    await everywhere(accessChanged, () => security.without(['a']));
    // What does not need it goes on.
    await moreOk(moves.calls, 5);
    await moves.stop();
    await withoutDoubts('b', 'c');
    await everywhere(accessChanged, () => security.without([]));
    await cluster.participant('a').restart();
    await cluster.participant('a').connected();
    await newcomerCommits();
    expect(await cluster.settled()).toEqual([]);
    expect(made()).toBe(0);
  });

  it('has an etcd that stands still: known participants come back to the nodes, new ones wait for it', async () => {
    etcd.member.pause();
    await cluster.participant('a').restart();
    await cluster.participant('a').connected();
    const late = cluster.addParticipant('late');
    await eventually(
      () => cluster.participants.get('late') ?? null,
      () => 'the new one to start',
    );
    for (const { url } of cluster.running) {
      const peer = await RawPeer.open(url, await cluster.tls('late'));
      const hello = { name: 'late', instance: 'another', roles: ['participant'] };
      peer.send({ type: 'hello', protocol: 1, ...hello });
      expect(await peer.next('error')).toMatchObject({ code: 'LOG_UNAVAILABLE' });
      await peer.close();
    }
    expect(cluster.participant('late').child.lines.join('\n')).not.toContain('connected to a node');
    etcd.member.resume();
    await late;
    const client = await cluster.client();
    const done = await cluster.history.transact(
      client,
      { ...all, late: {} },
      {
        requestId: 'after the pause',
      },
    );
    expect(done.ended).toBe('ok');
    expect(await cluster.settled()).toEqual([]);
  });
});
