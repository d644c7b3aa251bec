/** Nodes are stopped, drained and told to step down under load: no request with an id fails. */
import { afterEach, describe, expect, it } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import type { Client } from '../../src/client.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import type { Change } from '../support/etcd/etcd-history.ts';
import { operatorFlags, readyz } from '../support/nodes/as-operator.ts';
import { clusterOfSuite } from '../support/nodes/cluster-of-suite.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { eventually, pause } from '../support/process/child.ts';
import { runCli } from '../support/process/cli-process.ts';

const [programs] = await etcdsToTest();
const branches = ['a', 'b', 'c'].map((participant) => ({ participant }));
const callers = 4;

describe.skipIf(programs === undefined)('a leadership that is given up under load', () => {
  let cluster: EtcdCluster;
  let load: Requests;

  clusterOfSuite(
    programs,
    {
      secured: true,
      // No leadership ends but by what is done here, and no transaction while everyone reconnects.
      leaseTtlMs: 15_000,
      options: { participantWaitMs: 20_000, transactionTimeoutMs: 40_000 },
      // In doubt for as long as a pause they would have another node force the abort.
      participantSettings: { options: { patienceMs: 3_000 } },
    },
    (made) => {
      cluster = made;
    },
  );

  // Where a test failed, or the next one would find it at work.
  afterEach(() => load?.stop());

  it('is handed over in one write where nodes are restarted one after the other', async () => {
    load = new Requests(await cluster.client());
    await load.more(20);
    let handedOver = 0;
    for (const [name, node] of cluster.nodes) {
      const leader = await cluster.leader();
      const { length } = await leaderKeys(cluster);
      await node.stop();
      const written = (await leaderKeys(cluster)).slice(length);
      if (leader.node === name) {
        handedOver += 1;
        // Never deleted: no moment at which no one leads.
        expect(written.map(({ type }) => type)).toEqual(['put']);
        expect(written[0]?.epoch?.localeCompare(leader.epoch)).toBe(1);
      } else {
        expect(written).toEqual([]);
      }
      await load.more(20);
      await cluster.start(name);
      await load.more(20);
    }
    expect(handedOver).toBeGreaterThan(0);
    expect(await load.stop()).toEqual([]);
    expect(await cluster.settled()).toEqual([]);
  });

  it('goes where an operator says, and from a node that is drained', async () => {
    load = new Requests(await cluster.client());
    await load.more(20);
    const before = await cluster.leader();
    const to = cluster.running.find(({ name }) => name !== before.node)?.name ?? '';
    const flags = ['--url', cluster.urls.join(','), ...flagsOf(cluster)];
    const { length } = await leaderKeys(cluster);
    const stepped = await runCli(['step-down', '--to', to, ...flags]);
    expect(stepped.errors).toBe('');
    expect(JSON.parse(stepped.out)).toEqual({ from: before.node, shards: [{ shard: 0, to }] });
    expect((await leaderKeys(cluster)).slice(length).map(({ type }) => type)).toEqual(['put']);
    await load.more(20);

    // Which of several addresses answers first is chance.
    const chance = [['drain'], ['undrain'], ['log-level', 'warn']];
    for (const command of chance) {
      const unnamed = await runCli([...command, ...flags]);
      expect(unnamed, command.join(' ')).toMatchObject({ exitCode: exitCodes.usage, out: '' });
      for (const { name } of cluster.running) expect(unnamed.errors).toContain(name);
    }
    const drained = await runCli(['drain', to, ...flags]);
    expect(drained.exitCode, drained.out + drained.errors).toBe(exitCodes.ok);
    const { shards } = JSON.parse(drained.out) as { shards: { shard: number; to: string }[] };
    expect(shards.map(({ shard }) => shard)).toEqual([0]);
    expect((await readyz(cluster, cluster.node(to).url)).status).toBe(503);
    await load.more(20);

    // It takes none, not on an operator's word either.
    const refused = await runCli(['step-down', '--to', to, ...flags]);
    expect(refused.exitCode).toBe(exitCodes.notDone);
    expect(refused.out).toContain(
      `${to} does not take it: This node is drained: verdict undrain ${to} ends that.`,
    );
    const other = cluster.running.find(({ name }) => name !== to && name !== shards[0]?.to);
    await runCli(['drain', other?.name ?? '', ...flags]);
    // No node is left for it: it leads on, and says so.
    const alone = await runCli(['drain', shards[0]?.to ?? '', ...flags]);
    expect(alone.exitCode).toBe(exitCodes.notDone);
    expect(alone.out).toContain('No other node is ready to take it.');
    await load.more(20);

    for (const { name } of cluster.running) await runCli(['undrain', name, ...flags]);
    expect((await readyz(cluster, cluster.node(to).url)).status).toBe(200);
    const back = await runCli(['step-down', '--to', to, ...flags]);
    expect(back.exitCode, back.out).toBe(exitCodes.ok);
    await load.more(20);
    expect(await load.stop()).toEqual([]);
    expect(await cluster.settled()).toEqual([]);
  });

  it('waits for nodes that stand still for a moment, where an operator asks for it', async () => {
    load = new Requests(await cluster.client());
    await load.more(20);
    const { node } = await cluster.leader();
    const followers = await cluster.followers();
    for (const { child } of followers) child.signal('SIGSTOP');
    const stepping = runCli(['step-down', ...flagsOf(cluster), '--url', cluster.node(node).url]);
    // Longer than a stop would wait for them.
    await pause(1_500);
    for (const { child } of followers) child.signal('SIGCONT');
    const stepped = await stepping;
    expect(stepped.exitCode, stepped.out + stepped.errors).toBe(exitCodes.ok);
    expect((await cluster.leader()).node).not.toBe(node);
    await load.more(20);
    expect(await load.stop()).toEqual([]);
    expect(await cluster.settled()).toEqual([]);
  });

  it('goes on where the successor stands still when it is told', async () => {
    load = new Requests(await cluster.client());
    await load.more(20);
    const { node } = await cluster.leader();
    const [first, second] = await cluster.followers();
    first?.child.signal('SIGSTOP');
    await cluster.node(node).stop();
    expect((await cluster.leader()).node).toBe(second?.name);
    first?.child.signal('SIGCONT');
    await load.more(20);
    await cluster.start(node);
    await load.more(20);
    expect(await load.stop()).toEqual([]);
    expect(await cluster.settled()).toEqual([]);
  });
});

function flagsOf(cluster: EtcdCluster): readonly string[] {
  return ['--yes', '--json', '--reason', 'a test', ...operatorFlags(cluster)];
}

async function leaderKeys(cluster: EtcdCluster): Promise<readonly Change[]> {
  return (await cluster.changes.read()).filter(({ area }) => area === 'leader');
}

let serial = 0;

/** Calls with an id of their own each, one after the other in several loops. */
class Requests {
  readonly #failures: string[] = [];
  readonly #loops: readonly Promise<void>[];
  #committed = 0;
  #over = false;

  constructor(client: Client) {
    this.#loops = Array.from({ length: callers }, () => this.#loop(client));
  }

  async more(count: number): Promise<void> {
    const wanted = this.#committed + count;
    await eventually(
      () => (this.#committed >= wanted ? true : null),
      () => `${wanted} commits; there are ${this.#committed}, and ${this.#failures.join(' ')}`,
    );
  }

  async stop(): Promise<readonly string[]> {
    this.#over = true;
    await Promise.all(this.#loops);
    return this.#failures;
  }

  async #loop(client: Client): Promise<void> {
    while (!this.#over) {
      serial += 1;
      try {
        const ended = await client.transact({ requestId: `request-${serial}`, branches });
        if (ended.outcome === 'committed') this.#committed += 1;
        else this.#failures.push(`${ended.reason.code}: ${ended.reason.message}`);
      } catch (error) {
        this.#failures.push(String(error));
        // Of a client that was closed as a test failed, each is there at once.
        await pause(10);
      }
    }
  }
}
