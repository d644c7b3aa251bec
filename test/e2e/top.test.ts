/** `verdict top` over a real cluster: a node that is killed and comes back, and a real terminal. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Snapshot } from '../../src/cli/top/model.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { clusterOfSuite } from '../support/nodes/cluster-of-suite.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { eventually } from '../support/process/child.ts';
import { type CliProcess, runCli, startCli } from '../support/process/cli-process.ts';
import { endWithParent } from '../support/process/end-with-parent.ts';
import { lacking } from '../support/process/lacking.ts';

const bin = fileURLToPath(new URL('../../bin/verdict.mjs', import.meta.url));
const [programs] = await etcdsToTest();
const noScript = lacking(has('script') ? null : 'there is no program named script here');

describe.skipIf(programs === undefined)('verdict top', () => {
  let cluster: EtcdCluster;

  clusterOfSuite(
    programs,
    { nodes: ['n1', 'n2', 'n3'], secured: false, participants: ['a', 'b'], shards: 2 },
    async (made) => {
      cluster = made;
      await cluster.led(0);
      await cluster.led(1);
    },
  );

  const args = (): string[] => ['--url', cluster.urls.join(',')];

  it('prints lines through the kill of a node and its return, and no negative number', async () => {
    const load = await cluster.load();
    const top = startCli(['top', '--json', '--interval', '200', ...args()]);
    try {
      // One reading may have been answered late, or lie between a decision and its end.
      const busy = await shown(
        top,
        ({ committed, nodes, phases }) =>
          (committed ?? 0) > 0 &&
          nodes.every(({ state }) => state === 'ready') &&
          (phases.find(({ phase }) => phase === 'decide')?.p99Ms ?? 0) > 0,
      );
      expect(busy.nodes.map(({ node }) => node)).toEqual(['n1', 'n2', 'n3']);
      expect(busy.participants.map(({ participant }) => participant)).toEqual(['a', 'b']);

      const victim = await cluster.led(0);
      const killedAtMs = Date.now();
      await victim.kill();
      const row = (snapshot: Snapshot) => snapshot.nodes.find(({ node }) => node === victim.name);
      const gone = await shown(top, (snapshot) => row(snapshot)?.state === 'gone');
      const since = Date.parse(row(gone)?.staleSince ?? '');
      expect(Math.abs(since - killedAtMs)).toBeLessThan(10_000);
      expect(row(gone)).not.toHaveProperty('inFlight');
      // The others go on, and another one leads.
      await shown(top, (snapshot) => {
        const leads = snapshot.nodes.filter(({ node }) => snapshot.leaders[node] !== undefined);
        return (
          row(snapshot)?.state === 'gone' &&
          snapshot.leaderless === 0 &&
          leads.every(({ node }) => node !== victim.name) &&
          (snapshot.committed ?? 0) > 0
        );
      });
      // One line says so, and may come before this process hears that the node is ready.
      const restarted = shown(top, (snapshot) => row(snapshot)?.restarted === true);
      await Promise.all([restarted, cluster.start(victim.name)]);
      await shown(top, (snapshot) => row(snapshot)?.state === 'ready');
    } finally {
      await load.stop();
      top.process.kill('SIGTERM');
    }
    expect((await top.ended).exitCode).toBe(143);
    const numbers = snapshots(top).flatMap(numbersIn);
    expect(numbers.length).toBeGreaterThan(100);
    expect(numbers.filter((value) => value < 0)).toEqual([]);
  });

  it('prints one snapshot where the output is no terminal, without colours', async () => {
    const { out, exitCode, errors } = await runCli(['top', '--interval', '100', ...args()]);
    expect(errors).toBe('');
    expect(exitCode).toBe(0);
    expect(out).toMatch(/^n1 +(ready|not ready)/m);
    expect(out).toMatch(/^decide /m);
    expect(out).not.toContain('\u001b');
    const once = await runCli(['top', '--once', '--json', '--interval', '100', ...args()]);
    expect((JSON.parse(once.out) as Snapshot).nodes).toHaveLength(3);
  });

  it('names a given address at which no node is', async () => {
    const urls = [...cluster.urls, '127.0.0.1:1'].join(',');
    const { out } = await runCli(['top', '--json', '--once', '--url', urls]);
    const { silent } = JSON.parse(out) as Snapshot;
    expect(silent).toMatchObject([{ url: '127.0.0.1:1' }]);
  });

  it('says where no node answers', async () => {
    const { exitCode, errors } = await runCli(['top', '--url', '127.0.0.1:1']);
    expect(exitCode).toBe(5);
    expect(errors).toContain('No coordinator answers at 127.0.0.1:1');
  });

  it.skipIf(noScript !== null).each([
    ['q', 0],
    ['\u0003', 130],
  ])('gives a terminal back as it was: %j', async (key, exitCode) => {
    const command = [process.execPath, bin, 'top', '--interval', '100', ...args()].join(' ');
    const shell = `stty rows 30 cols 100; ${command}; echo "ended $?"; stty -a`;
    const terminal = spawn('script', ['-qec', shell, '/dev/null'], { stdio: 'pipe' });
    endWithParent(terminal);
    let text = '';
    terminal.stdout.on('data', (chunk) => {
      text += chunk;
    });
    const said = (what: string): Promise<true> =>
      eventually(
        () => text.includes(what) || null,
        () => `${what} in ${text}`,
      );
    await said('s sort (by in flight)');
    terminal.stdin.write('s');
    await said('s sort (by waiting)');
    terminal.stdin.write('p');
    await said('p go on');
    const closed = once(terminal, 'close');
    terminal.stdin.write(key);
    await said(`ended ${exitCode}`);
    await closed;
    expect(text.match(/\[\?1049h/g)).toHaveLength(1);
    expect(text.match(/\[\?1049l/g)).toHaveLength(1);
    expect(text.indexOf('[?1049l')).toBeGreaterThan(text.indexOf('[?1049h'));
    expect(text).toMatch(/[ ;]icanon/);
    expect(text).toMatch(/[ ;]echo[ ;]/);
  });
});

function has(program: string): boolean {
  try {
    execFileSync('which', [program]);
    return true;
  } catch {
    return false;
  }
}

function snapshots(top: CliProcess): Snapshot[] {
  const whole = top.out().slice(0, top.out().lastIndexOf('\n') + 1);
  return whole
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Snapshot);
}

/** The first of those that come from now on which is so. */
function shown(top: CliProcess, isSo: (snapshot: Snapshot) => boolean): Promise<Snapshot> {
  const before = snapshots(top).length;
  return eventually(
    () => snapshots(top).slice(before).find(isSo) ?? null,
    () => `another snapshot than ${top.out().split('\n').at(-2)}\n${top.errors()}`,
  );
}

function numbersIn(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersIn) : [];
}
