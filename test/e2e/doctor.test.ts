/** `verdict doctor` over a real cluster and three members of etcd, well and not. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/cli/doctor/finding.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { eventually } from '../support/process/child.ts';
import { runCli } from '../support/process/cli-process.ts';

const programs = (await etcdsToTest()).at(-1);

interface Report {
  readonly exitCode: number | null;
  readonly problems: number;
  readonly findings: readonly Finding[];
}

describe.skipIf(programs === undefined)('verdict doctor', () => {
  let etcd: TestEtcd;
  let cluster: EtcdCluster;

  beforeAll(async () => {
    if (programs === undefined) return;
    etcd = await TestEtcd.start(programs, { members: 3 });
    cluster = await EtcdCluster.started({ etcd, secured: false, participants: ['a'] });
    await cluster.led();
  });

  afterAll(async () => {
    for (const member of etcd?.members ?? []) member.resume();
    await cluster?.remove();
    await etcd?.dispose();
  });

  const atEtcd = (): string[] => ['--etcd', etcd.endpoints.join(','), '--cluster', cluster.name];

  async function report(...more: readonly string[]): Promise<Report> {
    const args = ['doctor', '--json', '--url', cluster.urls.join(','), ...atEtcd(), ...more];
    const { exitCode, out, errors } = await runCli(args);
    if (out === '') throw new Error(errors);
    return { exitCode, ...(JSON.parse(out) as Omit<Report, 'exitCode'>) };
  }

  const of = ({ findings }: Report, area: string, check: string): readonly Finding[] =>
    findings.filter((finding) => finding.area === area && finding.check === check);

  it('finds no problem in a cluster that is well', async () => {
    const well = await eventually(
      async () => {
        const each = await report();
        return each.problems === 0 ? each : null;
      },
      () => 'no problem to be found',
    );
    expect(well.exitCode).toBe(0);
    expect(of(well, 'nodes', 'reachable')).toMatchObject([{ status: 'ok' }]);
    expect(of(well, 'nodes', 'clocks')).toMatchObject([{ status: 'ok' }]);
    expect(of(well, 'nodes', 'memory')).toMatchObject([{ status: 'ok' }]);
    expect(of(well, 'etcd', 'members')[0]?.found).toContain('3 members, all answer');
    expect(of(well, 'etcd', 'clocks')).toMatchObject([{ status: 'ok' }]);
    expect(of(well, 'etcd', 'size')).toHaveLength(3);
    expect(of(well, 'etcd', 'size')[0]?.found).toContain('a quota of 2,048 MiB');
    expect(of(well, 'etcd', 'history')[0]?.found).toMatch(/^\d+ revisions .* never compacted/);
    expect(of(well, 'etcd', 'accounts')).toMatchObject([{ status: 'warning' }]);
    expect(well.findings.filter(({ status }) => status === 'skipped')).toEqual([]);
  });

  it('names the clusters that there are where the given one is not', async () => {
    const wrong = await report('--cluster', 'no-such-cluster');
    expect(wrong.exitCode).toBe(4);
    expect(of(wrong, 'etcd', 'cluster')).toMatchObject([
      {
        status: 'problem',
        found: `There is no cluster no-such-cluster in this etcd: it has ${cluster.name}.`,
      },
    ]);
    for (let other = 10; other < 30; other += 1)
      etcd.control('put', `/verdict/other-${other}/meta`, 'x');
    const many = of(await report('--cluster', 'other-1'), 'etcd', 'cluster')[0]?.found ?? '';
    expect(many).toMatch(/it has other-1\d, .* and others\.$/);
    expect(many.split(', ')).toHaveLength(10);
  });

  it('says where the history of etcd begins', async () => {
    for (let write = 0; write < 20; write += 1) etcd.control('put', '/elsewhere', String(write));
    const before = /\d+/.exec(of(await report(), 'etcd', 'history')[0]?.found ?? '')?.[0];
    etcd.control('compaction', String(Number(before) - 5));
    const found = of(await report(), 'etcd', 'history')[0]?.found ?? '';
    expect(Number(/\d+/.exec(found)?.[0])).toBeLessThan(Number(before));
    expect(found).not.toContain('never');
  });

  it('names a node that is gone and a drained one, and ends with 4', async () => {
    const [gone, drained] = await cluster.followers();
    if (gone === undefined || drained === undefined) throw new Error('Two followers are missing.');
    await runCli(['drain', drained.name, '--yes', '--url', cluster.urls.join(',')]);
    const status = await runCli(['status', '--url', drained.url]);
    expect(status.out).toMatch(/^node .* drained$/m);
    expect(status.out).toContain(`verdict undrain ${drained.name}`);
    await gone.kill();
    const ill = await report();
    expect(ill.exitCode).toBe(4);
    expect(of(ill, 'nodes', 'reachable')).toMatchObject([{ status: 'problem' }]);
    expect(of(ill, 'nodes', 'reachable')[0]?.found).toContain(gone.name);
    expect(of(ill, 'nodes', 'readiness')).toMatchObject([
      { status: 'warning', todo: expect.stringContaining(`verdict undrain ${drained.name}`) },
    ]);
    await cluster.start(gone.name);
    await runCli(['undrain', drained.name, '--yes', '--url', cluster.urls.join(',')]);
  });

  it('does not hang where a member stands still, and where all do', async () => {
    const [first, ...others] = etcd.members;
    first?.pause();
    // Where that one led, the others choose another first; and a machine may stand still.
    const one = await eventually(
      async () => {
        const each = await report();
        return of(each, 'etcd', 'latency').every(({ status }) => status === 'ok') ? each : null;
      },
      () => 'the others to answer',
    );
    expect(one.exitCode).toBe(4);
    expect(of(one, 'etcd', 'members')).toMatchObject([{ status: 'problem' }]);
    expect(of(one, 'etcd', 'members')[0]?.found).toContain(first?.endpoint);
    expect(of(one, 'etcd', 'latency')).toMatchObject([{ status: 'ok' }]);
    for (const member of others) member.pause();
    const all = await report('--timeout', '2000');
    expect(of(all, 'etcd', 'members').filter(({ status }) => status === 'problem')).toHaveLength(3);
    // The nodes say so too, whoever is asked, and nothing else looks as if all were well.
    const cutOff = await eventually(
      async () => {
        const each = await report('--timeout', '2000');
        return of(each, 'nodes', 'access and log').length === cluster.urls.length ? each : null;
      },
      () => 'every node to name what is wrong',
    );
    expect(of(cutOff, 'nodes', 'access and log')[0]?.found).toContain('holds no lease in etcd');
    expect(of(cutOff, 'nodes', 'leaders')).toMatchObject([{ status: 'problem' }]);
    expect(of(cutOff, 'nodes', 'lease')).toHaveLength(cluster.urls.length);
    expect(of(cutOff, 'nodes', 'log')).toEqual([]);
    const status = await runCli(['status', '--url', cluster.urls.join(',')]);
    expect(status.out).toMatch(/^PROBLEM: This node holds no lease in etcd/m);
    for (const member of etcd.members) member.resume();
    // They have to agree on a leader again, and the nodes on one.
    await eventually(
      async () => ((await report()).problems === 0 ? true : null),
      () => 'the cluster to be well again',
    );
  });

  it('reports for people, says what it left out, and shows no password', async () => {
    const { out, exitCode } = await runCli(['doctor', ...atEtcd()]);
    expect(exitCode).toBe(0);
    expect(out).toContain('skipped  reachable: No node was named.');
    expect(out).toMatch(/\d+ problems, \d+ warnings?, 1 skipped\.$/m);
    expect(out).not.toContain('\u001b');
    const shown = await runCli(['doctor', '--postgresql', 'postgresql://p:geheim@127.0.0.1/x']);
    expect(shown.exitCode).toBe(2);
    expect(shown.errors + shown.out).not.toContain('geheim');
  });

  it('finds that nothing answers', async () => {
    const { out, exitCode } = await runCli(['doctor', '--url', '127.0.0.1:1', '--json']);
    expect(exitCode).toBe(4);
    expect(JSON.parse(out)).toMatchObject({ problems: 1 });
  });
});
