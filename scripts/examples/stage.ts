/**
 * What the examples run on: a coordinator, databases, and the example's own programs, all on this
 * machine and on temporary data. Whatever ends the example, ends and removes them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve as resolvePath } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { databaseUrl } from '../../cluster/databases/address.ts';
import { makeMariadb } from '../../cluster/databases/mariadb-server.ts';
import { makeMysql } from '../../cluster/databases/mysql-server.ts';
import { makePostgresql } from '../../cluster/databases/postgresql-server.ts';
import type { DatabaseServer } from '../../cluster/databases/server.ts';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { Processes } from '../../cluster/launcher/processes.ts';
import { startCluster } from '../../cluster/launcher/start.ts';
import { fromSource } from './from-source.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const startTimeoutMs = 60_000;
const programTimeoutMs = 300_000;
const stopTimeoutMs = 10_000;

export interface ProgramOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What runs the file. Default: this Node. */
  readonly command?: string;
  /** What `command` takes before the file. */
  readonly flags?: readonly string[];
}

export interface ServiceOptions extends ProgramOptions {
  /** What it says when it is ready. */
  readonly ready: RegExp;
  /** Gets each line that it prints. */
  readonly onLine?: (line: string) => void;
}

/** A program that stays, until it is ended. */
export interface Service {
  /** SIGTERM; kill -9 where that does not end it. */
  stop(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
  /** SIGSTOP: it stands still, and its connections stay. SIGCONT lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
}

export class Stage implements AsyncDisposable {
  /** For the data of the example. */
  readonly data: string;
  readonly #example: string;
  readonly #children: ChildProcess[] = [];
  /** Told to end: that they do is no news. */
  readonly #ending = new Set<ChildProcess>();
  readonly #clusters: Processes[] = [];
  readonly #servers: DatabaseServer[] = [];
  readonly #serverProcesses: ChildProcess[] = [];
  readonly #afterwards: (() => void)[] = [];
  #isOver = false;

  /** `example`: its directory, a file URL. */
  constructor(example: string) {
    this.#example = fileURLToPath(new URL('.', example));
    this.data = mkdtempSync(join(tmpdir(), 'verdict-example-'));
    // Started by root, a database runs as another user, who must get to its own folder.
    chmodSync(this.data, 0o711);
    fromSource(root);
    // An uncaught error and process.exit come past here as well.
    process.on('exit', this.#killAll);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => process.exit(130));
    }
  }

  /** A coordinator of its own, as `verdict dev` runs one. Resolves with its address. */
  async coordinator(): Promise<string> {
    const url = `127.0.0.1:${await freePort()}`;
    const args = ['dev', '--listen', url, '--log-level', 'warn'];
    await this.#started(join(root, 'bin/verdict.mjs'), { args, ready: /./ });
    return url;
  }

  /** Three nodes over an etcd. Resolves with their addresses. */
  async cluster(): Promise<readonly string[]> {
    const directory = join(this.data, 'cluster');
    mkdirSync(directory);
    const processes = new Processes();
    this.#clusters.push(processes);
    const { urls } = await startCluster({
      processes,
      directory,
      signal: AbortSignal.timeout(startTimeoutMs),
      etcd: { members: 1 },
      nodes: { count: 3 },
      shop: false,
    });
    return urls;
  }

  /** Resolves with its connection string. */
  async postgresql(): Promise<string> {
    const { server, address } = await makePostgresql({
      directory: join(this.data, 'postgresql'),
      port: await freePort(),
      onStart: (child) => this.#serverProcesses.push(child),
    });
    await this.#up(server);
    return databaseUrl('postgres', address);
  }

  /** Resolves with its URI. Rejects where there is none to be had, with the reason. */
  async mariadb(kind: 'MariaDB' | 'MySQL' = 'MariaDB'): Promise<string> {
    const make = kind === 'MySQL' ? makeMysql : makeMariadb;
    const made = await make({
      directory: join(this.data, 'mariadb'),
      port: await freePort(),
      onStart: (child) => this.#serverProcesses.push(child),
    });
    if ('missing' in made) throw new Error(`This example needs ${kind}. ${made.missing}`);
    await this.#up(made.server);
    return databaseUrl('mysql', made.address);
  }

  /** A program that stays. Resolves when it has said that it is ready. */
  async service(file: string, options: ServiceOptions): Promise<Service> {
    const child = await this.#started(resolvePath(this.#example, file), options);
    const end = (how: (child: ChildProcess) => Promise<void>) => (): Promise<void> => {
      this.#ending.add(child);
      return how(child);
    };
    return {
      stop: end(ended),
      kill: end(killed),
      signal: (signal) => void child.kill(signal),
    };
  }

  /** A program that ends, its words shown. Resolves with its exit code; null: it was killed. */
  async program(file: string, options: ProgramOptions = {}): Promise<number | null> {
    const child = this.#spawn(resolvePath(this.#example, file), options, 'inherit');
    const timer = setTimeout(() => child.kill('SIGKILL'), programTimeoutMs);
    const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
    clearTimeout(timer);
    return code;
  }

  /** Once the example's own programs have ended, however it ends. */
  afterwards(work: () => void): void {
    this.#afterwards.push(work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    const children = [...this.#children].reverse();
    await Promise.all(children.map(ended));
    for (const cluster of this.#clusters) await cluster.stopAll(stopTimeoutMs);
    for (const server of this.#servers) await server.stop();
    process.off('exit', this.#killAll);
    for (const work of this.#afterwards.splice(0)) work();
    rmSync(this.data, { recursive: true, force: true });
  }

  async #up(server: DatabaseServer): Promise<void> {
    this.#servers.push(server);
    await server.start();
  }

  async #started(path: string, options: ServiceOptions): Promise<ChildProcess> {
    const child = this.#spawn(path, options, 'pipe');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      reject(new Error(`${path} was not ready within ${startTimeoutMs / 1_000} s.`));
    }, startTimeoutMs);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        options.onLine?.(line);
        if (options.ready.test(line)) resolve();
        if (stream === child.stderr) process.stderr.write(`${line}\n`);
      });
    }
    child.once('exit', (code, signal) => {
      const error = new Error(`${path} ended (${signal ?? code}).`);
      reject(error);
      // Later it is the example that fails: its own programs wait for what is gone.
      if (!this.#isOver && !this.#ending.has(child)) process.stderr.write(`${error.message}\n`);
    });
    try {
      await promise;
      return child;
    } finally {
      clearTimeout(timer);
    }
  }

  #spawn(path: string, options: ProgramOptions, stdio: 'inherit' | 'pipe'): ChildProcess {
    const { args = [], env, command = process.execPath, flags = [] } = options;
    const child = spawn(command, [...flags, path, ...args], {
      cwd: this.#example,
      env: { ...process.env, ...env },
      stdio: ['ignore', stdio, stdio],
    });
    this.#children.push(child);
    return child;
  }

  readonly #killAll = (): void => {
    for (const child of [...this.#children, ...this.#serverProcesses]) child.kill('SIGKILL');
    for (const cluster of this.#clusters) cluster.killAll();
    for (const work of this.#afterwards.splice(0)) work();
    rmSync(this.data, { recursive: true, force: true, maxRetries: 5 });
  };
}

/** Asks it to end; kills it where it does not. */
async function ended(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
  await exitOf(child);
  clearTimeout(timer);
}

async function killed(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await exitOf(child);
}

async function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once('exit', resolve));
}
