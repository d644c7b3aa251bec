/** `npm run cluster` and `npm run demo -- --cluster`, with real processes. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodeIsReady } from '../../cluster/launcher/probe.ts';
import { connect } from '../../src/client.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { launchCluster } from '../support/nodes/launched-cluster.ts';
import { until } from '../support/process/cli-process.ts';
import { demoRun } from '../support/process/demo-run.ts';
import { isRunning, scriptDirectory, startScript } from '../support/process/run-script.ts';

const etcds = await etcdsToTest();
const directory = scriptDirectory();

describe.skipIf(etcds.length === 0)('npm run cluster', () => {
  it('runs the whole, brings back what dies, and comes back itself where it was', async () => {
    const first = await launchCluster(['--data', directory.path]);
    expect(first.urls).toHaveLength(3);
    expect([...first.pids.keys()].sort()).toEqual([
      ...['etcd-1', 'etcd-2', 'etcd-3'],
      ...['node-1', 'node-2', 'node-3'],
    ]);
    // Etcd's JSON gateway takes what any web page in a browser of this machine may send: it is off.
    const [etcd = ''] = first.endpoints;
    const posted = await fetch(`${etcd}/v3/kv/put`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: JSON.stringify({ key: btoa('/verdict/a'), value: btoa('b') }),
    });
    expect(posted.status).toBe(404);

    const client = await connect({ urls: first.urls });
    const message = (text: string) => ({
      branches: [{ participant: 'notification', payload: { orderId: text, to: 'me', text } }],
      requestId: text,
    });
    const outcome = await client.transact(message('one'));
    expect(outcome.outcome).toBe('committed');

    process.kill(first.pids.get('node-2') ?? 0, 'SIGKILL');
    await until('it says so', () => /node-2 ended .* started again/.test(first.script.errors()));
    expect((await client.transact(message('two'))).outcome).toBe('committed');
    await client.close();
    await first.interrupt();

    const second = await launchCluster(['--data', directory.path, '--no-shop']);
    expect(second.urls).toEqual(first.urls);
    const again = await connect({ urls: second.urls });
    expect(await again.transact(message('one'))).toMatchObject({
      outcome: 'committed',
      txid: outcome.txid,
    });
    await again.close();
    await second.interrupt();
  });

  it('is secured with --secure, and comes back with the same certificates', async () => {
    const args = ['--secure', '--no-shop', '--data', directory.path];
    const first = await launchCluster(args);
    expect(first.script.out()).toMatch(/refused a client without a certificate: UNAUTHENTICATED/);
    const status = /npx verdict (status .*)/.exec(first.script.out())?.[1]?.split(' ') ?? [];
    const seen = startScript('bin/verdict.mjs', status);
    expect((await seen.ended).exitCode, seen.errors()).toBe(0);
    expect(seen.out()).toMatch(/node-\d {2}wss:/);
    const [etcd = ''] = first.endpoints;
    // Etcd wants a certificate of everyone.
    const etcdCa = join(directory.path, 'etcd-certs/ca.crt');
    expect(await nodeIsReady(new URL(etcd).host, etcdCa)).toMatch(/certificate required/);
    const file = join(directory.path, 'certs/identities/admin.crt');
    const before = readFileSync(file, 'utf8');
    await first.interrupt();
    const second = await launchCluster(args);
    expect(readFileSync(file, 'utf8')).toBe(before);
    await second.interrupt();
  });

  it('says in one line what is missing', async () => {
    const named = startScript(
      'cluster/launcher/main.ts',
      ['--quiet', '--any-ports', '--data', directory.path],
      {
        VERDICT_ETCD_BIN: '/nowhere/etcd',
      },
    );
    expect((await named.ended).exitCode).toBe(1);
    expect(named.errors()).toMatch(/VERDICT_ETCD_BIN names \/nowhere\/etcd, which is no program/);
    expect(named.errors()).not.toMatch(/ at .*\.ts:\d+/);
  });

  it('names a port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { readonly port: number };
    const args = ['--quiet', '--any-ports', '--data', directory.path, '--node-ports', String(port)];
    const refused = startScript('cluster/launcher/main.ts', args);
    expect((await refused.ended).exitCode).toBe(1);
    expect(refused.errors()).toMatch(`Port ${port} of 127.0.0.1 is taken`);
    server.close();
  });
});

describe.skipIf(etcds.length === 0)('npm run demo -- --cluster', () => {
  it('survives three leaders, adds up, and can be checked again', async () => {
    // So many that orders are left when the third leader is dead.
    const summary = await demoRun(2_000, ['--cluster', '--data', directory.path]);
    expect(summary.kills).toHaveLength(3);
    for (const kill of summary.kills) expect(kill.firstCommitMs).toBeGreaterThan(0);
    const check = startScript('cluster/demo/main.ts', ['check', directory.path]);
    expect((await check.ended).exitCode).toBe(0);
  });

  it('is secured with --secure: it adds up as well, and strangers are refused', async () => {
    const args = ['--cluster', '--secure', '--data', directory.path];
    const summary = await demoRun(300, args);
    expect(summary.kills).toHaveLength(3);
    const [nobody, pretender] = summary.refused;
    expect(nobody?.code).toBe('UNAUTHENTICATED');
    expect(pretender?.message).toContain('the participant payment to the identity shipping');
    // Who came, and who was refused, is in the audit logs of the nodes.
    const audits = ['node-1', 'node-2', 'node-3'].map((node) =>
      readFileSync(join(directory.path, 'cluster', `${node}.audit.jsonl`), 'utf8'),
    );
    expect(audits.join('')).toContain('"identity":"shipping"');
    expect(audits.join('')).toContain('FORBIDDEN');
  });

  it('leaves no process behind when it is interrupted', async () => {
    const args = ['--cluster', '--orders', '4000', '--data', directory.path];
    const run = startScript('cluster/demo/main.ts', args);
    await until('orders are being answered', () => run.errors().includes('1000 of 4000'), 90_000);
    run.kill('SIGINT');
    expect((await run.ended).exitCode).toBe(130);
    expect(isRunning(run.pid)).toBe(false);
    // No one holds the ports of the nodes and of etcd any more.
    const again = await launchCluster(['--data', `${directory.path}/cluster`, '--no-shop']);
    await again.interrupt();
  });
});
