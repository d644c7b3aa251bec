/**
 * The cluster of docker-compose.yml under a project name of its own, on free ports; participants
 * and clients are on this side of the published ports, where the names that nodes advertise mean
 * nothing.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { EtcdContents, type SeenLeader } from '../../../cluster/launcher/etcd-contents.ts';
import { freePorts } from '../../../cluster/launcher/free-ports.ts';
import { Certificates, type Pem, readPem } from '../../../cluster/secure/installation.ts';
import { serviceNames } from '../../../cluster/shop/paths.ts';
import { type Client, connect } from '../../../src/client.ts';
import type { Epoch } from '../../../src/core/txid.ts';
import { check } from '../checks/checker.ts';
import { History } from '../clients/history.ts';
import { SteadyLoad } from '../clients/steady-load.ts';
import { EtcdHistory, readEtcdLog } from '../etcd/etcd-history.ts';
import { ParticipantProcess } from '../participants/participant-process.ts';
import { eventually } from '../process/child.ts';
import { isRunning } from '../process/run-script.ts';
import { docker } from './docker.ts';
import { alarming } from './node-process.ts';

const root: string = fileURLToPath(new URL('../../..', import.meta.url));
const clusterName = 'verdict';
const projectPrefix = 'verdict-test-';

/** A client beside those of the shop. */
const ownClient = 'tests';
/** Participants that `addParticipants` may add. */
const ownParticipants = ['a', 'b', 'c'];

interface Secrets {
  readonly certificates: Certificates;
  /** At etcd: who may read outcomes, a node, and who may do everything. */
  readonly reader: Pem;
  readonly node: Pem;
  readonly root: Pem;
  readonly contents: EtcdContents;
  readonly changes: EtcdHistory;
}

export class ComposeCluster {
  readonly project: string = `${projectPrefix}${process.pid}`;
  readonly directory: string;
  readonly urls: readonly string[];
  readonly endpoints: readonly string[];
  readonly participants: Map<string, ParticipantProcess> = new Map();
  readonly history: History = new History();
  #secrets: Secrets | null = null;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #clients: Client[] = [];

  private constructor(directory: string, ports: readonly number[], npmrc: string) {
    const [node1, node2, node3, etcd1, etcd2, etcd3] = ports;
    this.directory = directory;
    this.urls = [node1, node2, node3].map((port) => `127.0.0.1:${port}`);
    this.endpoints = [etcd1, etcd2, etcd3].map((port) => `https://localhost:${port}`);
    this.#environment = {
      VERDICT_NODE_1_PORT: String(node1),
      VERDICT_NODE_2_PORT: String(node2),
      VERDICT_NODE_3_PORT: String(node3),
      VERDICT_ETCD_1_PORT: String(etcd1),
      VERDICT_ETCD_2_PORT: String(etcd2),
      VERDICT_ETCD_3_PORT: String(etcd3),
      VERDICT_IMAGE_TAG: this.project,
      VERDICT_NPMRC: npmrc,
      VERDICT_IDENTITIES: [
        ...ownParticipants.map((name) => `participant:${name}`),
        `client:${ownClient}`,
      ].join(','),
      COMPOSE_PROJECT_NAME: this.project,
      DOCKER_BUILDKIT: '1',
    };
  }

  static async started(): Promise<ComposeCluster> {
    await removeLeftovers();
    const directory = await mkdtemp(join(tmpdir(), 'verdict-compose-'));
    const npmrc = process.env['VERDICT_NPMRC'] ?? (await registryFile(directory));
    const cluster = new ComposeCluster(directory, await freePorts(6), npmrc);
    try {
      await cluster.compose('build', '--quiet', 'node-1', 'inventory');
      await cluster.compose('up', '--detach', '--no-build', '--wait', '--wait-timeout', '120');
      await cluster.#readSecrets();
    } catch (error) {
      const logs = await cluster.compose('logs', '--tail', '20').catch(String);
      await cluster.remove();
      throw new Error(`The cluster did not come up:\n${logs}`, { cause: error });
    }
    return cluster;
  }

  /** The cluster made them itself. No shell and no program in a container is needed to get them. */
  async #readSecrets(): Promise<void> {
    const copied = async (service: string, path: string): Promise<string> => {
      const copy = join(this.directory, path.replaceAll('/', '-'));
      await docker(['cp', `${this.container(service)}:${path}`, copy]);
      return copy;
    };
    const pem = (directory: string): Promise<Pem> =>
      readPem({
        ca: join(directory, 'ca.crt'),
        cert: join(directory, 'tls.crt'),
        key: join(directory, 'tls.key'),
      });
    const clients = await copied('credentials', '/issued/for/clients');
    const reader = await pem(join(clients, 'etcd'));
    const root = await pem(await copied('credentials', '/issued/for/etcd-accounts'));
    const access = { endpoints: this.endpoints, cluster: clusterName };
    this.#secrets = {
      certificates: new Certificates(clients),
      reader,
      root,
      node: await pem(await copied('node-1', '/credentials/etcd')),
      contents: new EtcdContents({ ...access, tls: reader }),
      changes: new EtcdHistory({ ...access, tls: root }),
    };
  }

  get secrets(): Secrets {
    if (this.#secrets === null) throw new Error('The cluster is not up yet.');
    return this.#secrets;
  }

  get contents(): EtcdContents {
    return this.secrets.contents;
  }

  compose(...args: readonly string[]): Promise<string> {
    return docker(['compose', ...args], { cwd: root, env: this.#environment });
  }

  container(service: string): string {
    return `${this.project}-${service}-1`;
  }

  get network(): string {
    return `${this.project}_default`;
  }

  async addParticipants(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const data = join(this.directory, name);
      const participant = await ParticipantProcess.started({
        name,
        urls: this.urls,
        data,
        tls: this.secrets.certificates.tlsOf(name),
      });
      this.participants.set(name, participant);
      await participant.connected();
    }
  }

  /** Closed with the cluster. */
  async client(): Promise<Client> {
    const client = await connect({
      urls: this.urls,
      name: ownClient,
      tls: this.secrets.certificates.tlsOf(ownClient),
      timeoutMs: 20_000,
    });
    this.#clients.push(client);
    return client;
  }

  async load(): Promise<SteadyLoad> {
    const participants = [...this.participants.keys()];
    const clients = [await this.client(), await this.client()];
    return new SteadyLoad({ history: this.history, participants, clients });
  }

  /** As etcd has it; with `after`, of a newer epoch than that. */
  leader(after: Epoch | null = null): Promise<SeenLeader> {
    return eventually(
      async () => {
        const leader = await this.contents.leader().catch(() => null);
        return leader !== null && (after === null || leader.epoch > after) ? leader : null;
      },
      () => `a leader${after === null ? '' : ` after ${after}`}`,
    );
  }

  /** Waits until the container's own check finds it healthy. */
  async healthy(service: string): Promise<void> {
    await eventually(
      async () => {
        const format = '{{.State.Status}} {{.State.Health.Status}}';
        const state = await docker(['inspect', '--format', format, this.container(service)]);
        return state.trim() === 'running healthy' ? true : null;
      },
      () => `${service} to be healthy`,
      60_000,
    );
  }

  /** Waits until nothing is on its way any more, then holds everything against everything. */
  async settled(): Promise<string[]> {
    let violations: string[] = ['nothing was checked'];
    try {
      await eventually(
        async () => {
          violations = await this.#check();
          return violations.length === 0 ? true : null;
        },
        () => 'the run to settle',
      );
    } catch (error) {
      if (violations.length === 0) violations.push(String(error));
    }
    return [...violations, ...(await this.#alarms())];
  }

  async #check(): Promise<string[]> {
    return check({
      calls: this.history.calls,
      log: await readEtcdLog({
        endpoints: this.endpoints,
        tls: this.secrets.root,
        cluster: clusterName,
        shards: 1,
      }),
      changes: await this.secrets.changes.read(),
      participants: [...this.participants.values()].map((participant) => participant.state()),
      // Their stores are in volumes, and are held against the log by a test of their own.
      retired: serviceNames,
    });
  }

  /** What no node and no participant should ever write. */
  async #alarms(): Promise<string[]> {
    const logs = await this.compose('logs', '--no-color', 'node-1', 'node-2', 'node-3');
    const nodes = logs.split('\n').filter((line) => alarming.test(line));
    const participants = [...this.participants.values()].flatMap(({ child }) =>
      child.lines.filter((line) => line.includes('"level":"alarm"')),
    );
    return [...nodes, ...participants];
  }

  /** Containers, network, volumes and images, whatever state they are in. */
  async remove(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    const running = [...this.participants.values()].filter((participant) => participant.running);
    await Promise.all(running.map((participant) => participant.kill()));
    this.#secrets?.contents.close();
    try {
      await removeProject(this.project);
    } finally {
      await rm(this.directory, { recursive: true, force: true });
    }
  }
}

async function removeProject(project: string): Promise<void> {
  const args = ['compose', '--project-name', project, 'down', '--volumes', '--timeout', '2'];
  await docker([...args, '--remove-orphans'], { cwd: root });
  const tags = [`verdict-node:${project}`, `verdict-shop:${project}`];
  const there = await docker(['image', 'ls', '--format', '{{.Repository}}:{{.Tag}}']);
  const left = tags.filter((tag) => there.split('\n').includes(tag));
  if (left.length > 0) await docker(['image', 'rm', ...left]);
}

/**
 * Of runs that were killed before they could clean up: their number is that of a process that is
 * gone.
 */
async function removeLeftovers(): Promise<void> {
  const listed = await docker(['compose', 'ls', '--all', '--format', 'json']);
  for (const { Name: name } of JSON.parse(listed) as { readonly Name: string }[]) {
    const pid = Number(name.startsWith(projectPrefix) ? name.slice(projectPrefix.length) : 'none');
    if (Number.isInteger(pid) && !isRunning(pid)) await removeProject(name);
  }
}

/** This machine's registry for the build of the image, in a file that goes with the run. */
export async function registryFile(directory: string): Promise<string> {
  const registry = execFileSync('npm', ['config', 'get', 'registry'], {
    encoding: 'utf8',
    timeout: 30_000,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const file = join(directory, 'npmrc');
  await writeFile(file, `registry=${registry.trim()}\n`, { mode: 0o600 });
  return file;
}
