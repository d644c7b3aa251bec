/** How a log gets to its etcd, what it demands to find there, and what it costs etcd. */
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { openEtcdLog } from '../../src/decision-log/etcd/etcd-log.ts';
import { encodeMeta, type MetaValue } from '../../src/decision-log/etcd/records.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import { DecisionLogError } from '../../src/ports/decision-log.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { etcdsToTest, type TestEtcd } from '../support/etcd/etcd.ts';
import { etcdOfSuite, etcdOfTest } from '../support/etcd/etcd-of-test.ts';
import type { EtcdRig } from '../support/etcd/etcd-rig.ts';
import { commitOf, never, temporaryDirectory, txidAt } from '../support/logs/stores.ts';
import { makeCertificates } from '../support/nodes/certificates.ts';

const etcds = await etcdsToTest();
const waitMs = { timeout: 30_000 };
const written = { type: 'written' };

describe.skipIf(etcds.length === 0).each(etcds)('access to etcd at $etcd', (programs) => {
  describe('the meta of a cluster', () => {
    let etcd: TestEtcd;
    let rig: EtcdRig;
    etcdOfSuite(programs, (...given) => {
      [rig, etcd] = given;
    });

    const right: MetaValue = {
      formatVersion: 1,
      cluster: 'test',
      clusterId: 'made-by-chance',
      shards: 1,
      requestShard: 'fnv1a32-scoped',
      requestWindowMs: 120_000,
      generation: 0,
      txidSecret: 'a'.repeat(32),
    };

    it('is made by the first node, and the second may leave out what it says', async () => {
      const log = await rig.open('alpha', { shards: 4, requestWindowMs: 5_000 });
      const other = await rig.open('beta');
      expect(other.meta).toEqual(log.meta);
      expect(other.meta).toMatchObject({ shards: 4, requestWindowMs: 5_000, generation: 0 });
      await expect(rig.open('gamma', { shards: 2 })).rejects.toThrow(
        /made with shards 4, which cannot change; 2 was asked for/,
      );
      await expect(rig.open('gamma', { requestWindowMs: 1 })).rejects.toThrow(
        /made with requestWindowMs 5000/,
      );
    });

    it('knows nodes that let peers in by other rules than the others', async () => {
      let ofBeta = 'shared';
      const log = await rig.open('alpha', { access: () => 'file 1' });
      // As a node of a version before.
      await rig.open('old');
      const beta = await rig.open('beta', { access: () => ofBeta });
      const told = [expect.stringMatching(/^Not all nodes .*: alpha have one, beta have none,/)];
      for (const each of [log, beta])
        await expect.poll(() => each.problems?.(), waitMs).toEqual(told);
      // Its access file is read again, and no one says so to the log.
      ofBeta = 'file 1';
      for (const each of [log, beta])
        await expect.poll(() => each.problems?.(), waitMs).toEqual([]);
    });

    it('is found past a proxy that the environment names for the way out', async () => {
      await rig.open('alpha');
      // No one listens there.
      for (const name of ['http_proxy', 'https_proxy', 'grpc_proxy']) {
        vi.stubEnv(name, 'http://127.0.0.1:9');
      }
      try {
        expect((await rig.open('beta')).meta.shards).toBe(1);
      } finally {
        vi.unstubAllEnvs();
      }
    });

    it('is looked for by a participant when it starts, and what is wrong with its way there is told', async () => {
      await rig.open('alpha');
      const directory = temporaryDirectory();
      const told = new Map<string, string[]>();
      const start = async (
        cluster: string,
        endpoint = `${etcd.endpoints[0]}/`,
      ): Promise<ParticipantHandle> => {
        const lines: string[] = [];
        told.set(join(cluster, endpoint.slice(0, 5)), lines);
        return serveParticipant({
          name: 'p',
          urls: ['127.0.0.1:9'],
          dataDirectory: join(directory.path, cluster, endpoint.slice(0, 5)),
          decisionLog: { etcd: { endpoints: [endpoint], cluster } },
          logger: {
            ...silentLogger,
            error: ({ error }: { error?: unknown }, text) => lines.push(`${text}: ${error}`),
          },
          prepare: () => vote.commit(),
          commit: () => undefined,
          rollback: () => undefined,
        });
      };
      const right = await start(rig.cluster);
      const wrong = await start('no-such-cluster');
      const tls = await start(rig.cluster, etcd.endpoints[0]?.replace('http:', 'https:'));
      try {
        for (const [which, text] of [
          ['no-such-cluster/http:', /decisionLog cannot be read.*cluster name/],
          [`${rig.cluster}/https`, /decisionLog cannot be read.*speaks no TLS. Write http:/],
        ] as const) {
          await vi.waitFor(() => expect(told.get(which)).toHaveLength(1), 10_000);
          expect(told.get(which)?.[0]).toMatch(text);
        }
        expect(told.get(`${rig.cluster}/http:`)).toEqual([]);
      } finally {
        for (const one of [right, wrong, tls]) await one.close({ timeoutMs: 0 });
        directory.remove();
      }
    });

    it('of two first nodes is made by one', async () => {
      const opened = await Promise.allSettled(
        [1, 2, 3, 4].map((shards) => rig.open(`node-${shards}`, { shards })),
      );
      const logs = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      expect(logs).toHaveLength(1);
      for (const one of opened) {
        if (one.status === 'rejected') expect(String(one.reason)).toContain('which cannot change');
      }
    });

    it.each([
      ['a newer format', { ...right, formatVersion: 2 }, /format 2.*up to 1.*newer program/],
      ['another hash', { ...right, requestShard: 'md5' }, /spreads requests.*md5/],
      ['a record of a newer version', { ...right, v: 2 }, /meta in etcd has version 2/],
      ['something else', { shards: 'many' }, /not what this program writes/],
      ['no secret, nor its print', { ...right, txidSecret: null }, /not what this program writes/],
      [
        'a secret beside its print',
        { ...right, formatVersion: 4, secretPrint: 'a' },
        /not what this program writes/,
      ],
    ])('is refused with %s, and left alone', async (_, value, text) => {
      const encoded = encodeMeta(value as MetaValue);
      await rig.raw.kv.put({ key: rig.keys.meta, value: encoded });
      const opened = rig.open('alpha');
      await expect(opened).rejects.toThrow(DecisionLogError);
      await expect(opened).rejects.toThrow(text);
      expect((await rig.look(rig.keys.meta))?.value).toEqual(encoded);
    });

    it('is not made anew over records whose meta was deleted', async () => {
      const log = await rig.open('alpha');
      await log.retire({ participant: 'p', instance: 'i' });
      await log.close();
      await rig.raw.kv.deleteRange({ key: rig.keys.meta });
      await expect(rig.open('alpha')).rejects.toThrow('no `meta` in etcd, or it was deleted');
    });

    it.each([
      ['a cluster name with a slash', { cluster: 'a/b' }, 'cluster name'],
      ['no shard', { shards: 0 }, 'from 1 to 100 shards'],
      ['too short a lease', { leaseTtlMs: 1_000 }, 'at least 2000 ms'],
    ])('is not asked for with %s', async (_, more, text) => {
      const opened = rig.open('alpha', more);
      await expect(opened).rejects.toThrow(DecisionLogError);
      await expect(opened).rejects.toThrow(text);
    });
  });

  describe('the cost of decisions', () => {
    it('is one transaction for many, one put for each, and no write at all for reads', async (test) => {
      const { etcd, rig } = await etcdOfTest(test, programs);
      const log = await rig.open('alpha');
      const leadership = await log.campaign(0, { signal: never });
      const txids = Array.from({ length: 256 }, (_, index) => txidAt(leadership.epoch, index + 1));
      const count = async () => ({
        transactions: await etcd.member.metric('grpc_server_handled_total', 'grpc_method="Txn"'),
        proposals: await etcd.member.metric('etcd_server_proposals_applied_total'),
        puts: await etcd.member.metric('etcd_mvcc_put_total'),
      });
      const before = await count();
      const startedMs = performance.now();
      await Promise.all(txids.map((txid) => leadership.decide(commitOf(txid))));
      const after = await count();
      // One each, and one for each batch, which a full etcd refuses.
      expect(after.puts - before.puts).toBe(256 + 4);
      // 256 at 64 a batch. Readings of the leaders may come between, one a second and some at
      // hints: transactions, but no proposals.
      expect(after.proposals - before.proposals).toBe(4);
      const readings = 2 + Math.ceil((performance.now() - startedMs) / 1_000);
      expect(after.transactions - before.transactions).toBeLessThanOrEqual(4 + readings);
      await Promise.all(txids.map((txid) => log.read(txid)));
      expect((await count()).proposals - after.proposals).toBe(0);
      const puts = await rig.putsOf(rig.keys.shard(0).decisions);
      expect(puts.size).toBe(256);
      expect(new Set(puts.values())).toEqual(new Set([1]));
    });
  });

  describe.skipIf(programs.etcdctl === null)('with user and password', () => {
    it('logs in once, also after etcd has forgotten its tokens and is slow to check a password; a wrong one is told', async (test) => {
      // As slow as a small or busy machine: three logins at once would not end within the time of a
      // call.
      const { etcd, rig } = await etcdOfTest(test, programs, { args: ['--bcrypt-cost=12'] });
      const logins = () =>
        etcd.member.metric('grpc_server_handled_total', 'grpc_method="Authenticate"');
      etcd.control('user', 'add', 'root:secret');
      etcd.control('user', 'grant-role', 'root', 'root');
      etcd.control('role', 'add', 'verdict');
      etcd.control(
        'role',
        'grant-permission',
        'verdict',
        '--prefix=true',
        'readwrite',
        '/verdict/',
      );
      etcd.control('user', 'add', 'verdict:right');
      etcd.control('user', 'grant-role', 'verdict', 'verdict');
      etcd.control('auth', 'enable');
      const auth = { username: 'verdict', password: 'right' };
      // Long enough that no lease ends meanwhile, however long etcd takes to come back.
      const log = await rig.open('alpha', { auth, leaseTtlMs: 60_000 });
      const leadership = await log.campaign(0, { signal: never });
      expect(await leadership.decide(commitOf(txidAt(leadership.epoch, 1)))).toEqual(written);
      expect(await logins()).toBe(1);
      await etcd.restart();
      await expect
        .poll(() => leadership.decide(commitOf(txidAt(leadership.epoch, 2))), waitMs)
        .toEqual(written);
      // Its other clients are back with the same token.
      await expect.poll(() => log.nodes().length, waitMs).toBe(1);
      // Some etcds find the token again in their own log.
      expect(await logins()).toBeLessThanOrEqual(1);
      // Watches, too, come back: another node is seen before the next poll or by it.
      const other = await rig.open('beta', { auth });
      await expect.poll(() => log.nodes().length, waitMs).toBe(2);
      await leadership.resign();
      const next = await other.campaign(0, { signal: never });
      expect(await next.decide(commitOf(txidAt(next.epoch, 1)))).toEqual(written);
      const wrong = { username: 'verdict', password: 'wrong' };
      const refused = rig.open('gamma', { auth: wrong });
      await expect(refused).rejects.toThrow(/ refuses this account: .* the user verdict, /);
      await expect(refused).rejects.not.toThrow(/wrong/);
      await expect(rig.open('delta')).rejects.toThrow(/comes without a user, and etcd asks/);
      const asRoot = (...args: readonly string[]) =>
        etcd.control('--user=root:secret', 'user', ...args);
      asRoot('add', 'nobody:right');
      const nobody = { username: 'nobody', password: 'right' };
      await expect(rig.open('epsilon', { auth: nobody })).rejects.toThrow(
        /may not do .*compare the name of the cluster/,
      );
      // A running node says it, too, until its account is back.
      expect(other.problems?.()).toEqual([]);
      asRoot('delete', 'verdict');
      const lost = [expect.stringMatching(/refuses this account: .* the user verdict, /)];
      await expect.poll(() => other.problems?.(), waitMs).toEqual(lost);
      asRoot('add', 'verdict:right');
      asRoot('grant-role', 'verdict', 'verdict');
      await expect.poll(() => other.problems?.(), waitMs).toEqual([]);
    });
  });

  describe('with TLS', () => {
    it('works with the right certificates, and says what is wrong with others', async (test) => {
      const directory = temporaryDirectory();
      test.onTestFinished(() => directory.remove());
      const { ca, server, client } = await makeCertificates(directory.path);
      const { etcd, rig } = await etcdOfTest(test, programs, { tls: { ca, ...server } });
      const log = await rig.open('alpha', { tls: client });
      const leadership = await log.campaign(0, { signal: never });
      expect(await leadership.decide(commitOf(txidAt(leadership.epoch, 1)))).toEqual(written);
      await leadership.resign();
      // Without a client's certificate etcd ends the connection; without the authority, we do.
      const plain = etcd.endpoints.map((endpoint) => endpoint.replace('https:', 'http:'));
      await expect(openEtcdLog({ ...rig.options('delta'), endpoints: plain })).rejects.toThrow(
        `wants TLS. Write ${etcd.endpoints[0]?.replace('http:', 'https:')}`,
      );
      const without = openEtcdLog({ ...rig.options('beta'), tls: { ca: client.ca } });
      await expect(without).rejects.toThrow(/gave no answer within/);
      await expect(openEtcdLog(rig.options('gamma'))).rejects.toThrow(/certificate|gave no answer/);
    });
  });
});
