/** A real etcd for tests: one member or three, on free ports, in a temporary folder. */
import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { type EtcdPrograms, findEtcd } from '../../../cluster/etcd/find.ts';
import { freePorts } from '../../../cluster/launcher/free-ports.ts';
import { temporaryDirectory } from '../logs/stores.ts';
import { patienceMs } from '../process/slowness.ts';
import { EtcdMember } from './etcd-member.ts';

export interface TestEtcdOptions {
  readonly members?: 1 | 3;
  readonly quotaBytes?: number;
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Flags of etcd's own. */
  readonly args?: readonly string[];
}

/**
 * Every etcd to test with: the machine's own (Debian's 3.4), and the one that VERDICT_ETCD_BIN
 * names where that is another. None: the tests that need one are skipped, and with CI set that is
 * an error, for a run that tested nothing must not be green.
 */
export async function etcdsToTest(): Promise<readonly EtcdPrograms[]> {
  const results = [await findEtcd(null), await findEtcd()];
  const found = results.flatMap((result) => ('found' in result ? [result.found] : []));
  const [first, second] = found;
  if (first === undefined) {
    const why = results.map((result) => ('missing' in result ? result.missing : '')).join(' ');
    if (process.env['CI'] !== undefined) throw new Error(why);
    console.warn(`SKIPPED, for want of an etcd: ${why}`);
    return [];
  }
  return second === undefined || second.etcd === first.etcd ? [first] : [first, second];
}

export function etcdVersion({ etcd }: EtcdPrograms): string {
  const text = execFileSync(etcd, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  return /Version: (\S+)/.exec(text)?.[1] ?? 'of unknown version';
}

export class TestEtcd {
  readonly members: readonly EtcdMember[];
  readonly path: string;
  readonly #programs: EtcdPrograms;
  readonly #remove: () => void;

  private constructor(
    given: { readonly path: string; remove(): void },
    programs: EtcdPrograms,
    members: readonly EtcdMember[],
  ) {
    this.path = given.path;
    this.#remove = () => given.remove();
    this.#programs = programs;
    this.members = members;
  }

  static async start(programs: EtcdPrograms, options: TestEtcdOptions = {}): Promise<TestEtcd> {
    const count = options.members ?? 1;
    const directory = temporaryDirectory();
    const ports = await freePorts(count * 3);
    const names = Array.from({ length: count }, (_, index) => `m${index + 1}`);
    const peer = (index: number) => `http://127.0.0.1:${ports[index * 3 + 1]}`;
    const cluster = names.map((name, index) => `${name}=${peer(index)}`).join(',');
    const { tls } = options;
    const args = [
      `--initial-cluster=${cluster}`,
      ...(options.args ?? []),
      ...(tls === undefined
        ? []
        : [
            `--cert-file=${tls.cert}`,
            `--key-file=${tls.key}`,
            `--trusted-ca-file=${tls.ca}`,
            '--client-cert-auth=true',
          ]),
    ];
    const members = names.map((name, index) => {
      const [client = 0, peerPort = 0, metrics = 0] = ports.slice(index * 3);
      return new EtcdMember({
        program: programs.etcd,
        name,
        directory: directory.path,
        ports: { client, peer: peerPort, metrics },
        scheme: tls === undefined ? 'http' : 'https',
        args,
      });
    });
    const etcd = new TestEtcd(directory, programs, members);
    try {
      for (const member of members) {
        member.setQuota(options.quotaBytes ?? null);
        member.launch();
      }
      for (const member of members) await member.ready();
    } catch (error) {
      await etcd.dispose();
      throw error;
    }
    return etcd;
  }

  get endpoints(): readonly string[] {
    return this.members.map((member) => member.endpoint);
  }

  /** The first, and with one member the only one. */
  get member(): EtcdMember {
    const [first] = this.members;
    if (first === undefined) throw new Error('An etcd without members.');
    return first;
  }

  /** All of them, one after the other, from what they have on disk. */
  async restart(): Promise<void> {
    for (const member of this.members) await member.kill();
    for (const member of this.members) member.launch();
    for (const member of this.members) await member.ready();
  }

  /** etcdctl against the first member. */
  control(...args: readonly string[]): string {
    return this.#control(['--endpoints', this.member.endpoint, ...args]);
  }

  takeSnapshot(name: string): string {
    const path = join(this.path, name);
    this.control('snapshot', 'save', path);
    return path;
  }

  /**
   * As an operator does it: stop, put the snapshot in the place of the data, start. One member
   * only. Resolves with where the data is now.
   */
  async restoreSnapshot(path: string): Promise<string> {
    const { member } = this;
    await member.kill();
    const aside = `${member.dataDirectory}.${Date.now()}`;
    renameSync(member.dataDirectory, aside);
    this.#control([
      'snapshot',
      'restore',
      path,
      `--name=${member.name}`,
      `--data-dir=${member.dataDirectory}`,
      `--initial-cluster=${member.name}=${member.peerUrl}`,
      `--initial-advertise-peer-urls=${member.peerUrl}`,
    ]);
    await member.start();
    return aside;
  }

  /** Data that was put aside, in its place again. */
  async bringBack(aside: string): Promise<void> {
    const { member } = this;
    await member.kill();
    renameSync(member.dataDirectory, `${aside}.replaced`);
    renameSync(aside, member.dataDirectory);
    await member.start();
  }

  async dispose(): Promise<void> {
    for (const member of this.members) await member.kill();
    this.#remove();
  }

  #control(args: readonly string[]): string {
    const { etcdctl } = this.#programs;
    if (etcdctl === null) throw new Error('There is no etcdctl beside this etcd, nor on PATH.');
    // Its own five seconds are few where a password is slow to check.
    const times = ['dial', 'command'].map((what) => `--${what}-timeout=${patienceMs}ms`);
    return execFileSync(etcdctl, [...times, ...args], {
      encoding: 'utf8',
      timeout: 2 * patienceMs,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ETCDCTL_API: '3' },
    });
  }
}
