import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { check } from '../support/checks/checker.ts';
import { CallerProcess } from '../support/clients/caller-process.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { Network } from '../support/network/network.ts';
import { isSecured, Security, type TlsFiles } from '../support/network/security.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { ParticipantProcess } from '../support/participants/participant-process.ts';
import { eventually, pause } from '../support/process/child.ts';

const [etcd] = await etcdsToTest();
const problem = Network.problem();
if (problem !== null) console.warn(`SKIPPED: ${problem}. The fault proxy's tests cover the rest.`);

const cluster = 'namespaces';
const nodeNames = ['n1', 'n2', 'n3'];
const participantNames = ['a', 'b', 'c'];
const leaseTtlMs = 2_000;

describe.skipIf(etcd === undefined || problem !== null)('hosts on a network of their own', () => {
  let network: Network;
  let directory: string;
  let server: ChildProcess | null = null;
  let caller: CallerProcess;
  const nodes = new Map<string, NodeProcess>();
  const participants: ParticipantProcess[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'verdict-namespaces-'));
    const security = isSecured(true)
      ? await Security.made(directory, { participants: participantNames, clients: ['client'] })
      : null;
    const tlsOf = async (name: string): Promise<{ tls?: TlsFiles }> =>
      security === null ? {} : { tls: await security.identity(name) };
    network = Network.of('etcd', 'caller', ...nodeNames, ...participantNames);
    const endpoint = `http://${network.address('etcd')}:2379`;
    server = startEtcd(endpoint);
    await Promise.all(
      nodeNames.map(async (name) => {
        const node = await NodeProcess.make({
          node: name,
          data: join(directory, name),
          host: network.address(name),
          logLevel: 'info',
          through: network.on(name),
          options: { ...quickOptions, heartbeatMs: 500, tickMs: 500 },
          etcd: { endpoints: [endpoint], cluster, leaseTtlMs },
          ...(security === null
            ? {}
            : { more: await security.node(name, [`IP:${network.address(name)}`]) }),
        });
        nodes.set(name, node);
        expect(await node.start(), node.output()).toBe(true);
      }),
    );
    const urls = [...nodes.values()].map(({ url }) => url);
    for (const name of participantNames) {
      participants.push(
        await ParticipantProcess.started({
          name,
          urls,
          data: join(directory, name),
          through: network.on(name),
          ...(await tlsOf(name)),
          tellsDoubts: true,
        }),
      );
    }
    caller = new CallerProcess(
      {
        urls,
        endpoints: [endpoint],
        cluster,
        participants: participantNames,
        ...(await tlsOf('client')),
      },
      network.on('caller'),
    );
    await caller.commits();
  });

  afterEach(() => network.heal());

  afterAll(async () => {
    const children = [
      caller?.child,
      ...[...nodes.values(), ...participants].map((each) => each.child),
    ];
    await Promise.all(children.map((child) => child?.kill()));
    server?.kill('SIGKILL');
    network?.remove();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  function startEtcd(endpoint: string): ChildProcess {
    const [program = '', ...args] = [
      ...network.on('etcd'),
      etcd?.etcd ?? '',
      `--data-dir=${join(directory, 'etcd')}`,
      `--listen-client-urls=${endpoint}`,
      `--advertise-client-urls=${endpoint}`,
    ];
    return spawn(program, args, { stdio: 'ignore' });
  }

  /** Who began to lead last, as the nodes wrote. */
  function leader(): { readonly node: string; readonly epoch: string } {
    const begun = [...nodes].flatMap(([node, { child }]) =>
      child.lines
        .filter((line) => line.includes('"Leading:'))
        .map((line) => ({ node, epoch: (JSON.parse(line) as { epoch: string }).epoch })),
    );
    begun.sort((one, other) => (one.epoch < other.epoch ? -1 : 1));
    const last = begun.at(-1);
    if (last === undefined) throw new Error('Nobody has led.');
    return last;
  }

  async function nextLeader(before: string): Promise<void> {
    await eventually(
      () => (leader().epoch > before ? true : null),
      () => 'another node to lead',
    );
  }

  it('the leader vanishes from the network: its lease runs out, another leads, and it comes back as a follower', async () => {
    const before = leader();
    network.isolate(before.node);
    await nextLeader(before.epoch);
    await caller.commits();
    const stopped = nodes
      .get(before.node)
      ?.child.lines.some(
        (line) => line.includes('The leadership is over.') && line.includes(before.epoch),
      );
    expect(stopped).toBe(true);
    network.heal();
    await caller.commits();
  });

  it('what the leader sends to participants is swallowed, one way: they resolve elsewhere, and go on when it is over', async () => {
    const { node } = leader();
    network.swallow([node], participantNames);
    await pause(3_000);
    for (const participant of participants) {
      await eventually(
        () => (participant.state().journalOpen.length === 0 ? true : null),
        () => `${participant.name} to be rid of its doubts while the cut stands`,
      );
    }
    network.heal();
    await caller.commits();
  });

  it('a follower vanishes from the network: no one waits for it', async () => {
    const before = leader();
    const follower = nodeNames.find((name) => name !== before.node) ?? '';
    network.isolate(follower);
    await pause(leaseTtlMs + 1_500);
    await caller.commits();
    network.heal();
    await caller.commits();
    expect(leader().epoch).toBe(before.epoch);
  });

  it('participants are cut off from each node, and back: their doubts end', async () => {
    network.cut(participantNames, nodeNames);
    await pause(1_500);
    network.heal();
    await caller.commits();
  });

  it('and leaves one truth behind', async () => {
    caller.finish();
    let violations = ['It was never checked.'];
    await eventually(
      () => {
        const told = caller.log();
        if (told === null) return null;
        violations = check({
          calls: caller.calls,
          ...told,
          participants: participants.map((participant) => participant.state()),
        });
        return violations.length === 0 ? true : null;
      },
      () => `the run to settle: ${violations.join('\n')}`,
    );
    expect(caller.calls.some(({ ended }) => ended === 'ok')).toBe(true);
    expect([...nodes.values()].flatMap((node) => node.alarms())).toEqual([]);
  });
});
