/** One process of a real etcd: started, killed, paused, brought back. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endWithParent } from '../process/end-with-parent.ts';
import { patienceMs } from '../process/slowness.ts';

export interface MemberPorts {
  readonly client: number;
  readonly peer: number;
  readonly metrics: number;
}

export interface MemberOptions {
  readonly program: string;
  readonly name: string;
  readonly directory: string;
  readonly ports: MemberPorts;
  readonly scheme: 'http' | 'https';
  /** Without those of name, data folder and addresses, which are this class's own. */
  readonly args: readonly string[];
}

export class EtcdMember {
  readonly name: string;
  readonly endpoint: string;
  readonly dataDirectory: string;
  readonly ports: MemberPorts;
  readonly #options: MemberOptions;
  #child: ChildProcess | null = null;
  #quotaBytes: number | null = null;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.name = options.name;
    this.ports = options.ports;
    this.endpoint = `${options.scheme}://127.0.0.1:${options.ports.client}`;
    this.dataDirectory = join(options.directory, `${options.name}.etcd`);
  }

  get peerUrl(): string {
    return `http://127.0.0.1:${this.ports.peer}`;
  }

  /** Used from the next start. Null: etcd's own. */
  setQuota(bytes: number | null): void {
    this.#quotaBytes = bytes;
  }

  /** Begins the process; `ready` waits for it, for a member alone of three is never ready. */
  launch(): void {
    if (this.#child !== null) throw new Error(`${this.name} runs already.`);
    const log = openSync(this.#logPath, 'a');
    const quota = this.#quotaBytes === null ? [] : [`--quota-backend-bytes=${this.#quotaBytes}`];
    const args = [
      `--name=${this.name}`,
      `--data-dir=${this.dataDirectory}`,
      `--listen-client-urls=${this.endpoint}`,
      `--advertise-client-urls=${this.endpoint}`,
      `--listen-peer-urls=${this.peerUrl}`,
      `--initial-advertise-peer-urls=${this.peerUrl}`,
      // Plain, whatever the clients' side is: metrics and health are read from here.
      `--listen-metrics-urls=http://127.0.0.1:${this.ports.metrics}`,
      ...this.#options.args,
      ...quota,
    ];
    const child = spawn(this.#options.program, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    endWithParent(child);
    this.#child = child;
  }

  get running(): boolean {
    return this.#child !== null;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run.`);
    return pid;
  }

  /** Whether it leads etcd's members. */
  async leads(): Promise<boolean> {
    return this.running && (await this.metric('etcd_server_is_leader')) === 1;
  }

  async ready(): Promise<void> {
    const deadlineMs = performance.now() + patienceMs;
    for (;;) {
      const child = this.#child;
      if (child === null || child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`etcd ${this.name} ended while it started:\n${this.#logTail()}`);
      }
      try {
        const health = await this.#fetch('/health', 1_000);
        if (health.includes('"true"')) return;
      } catch {
        // Not listening yet.
      }
      if (performance.now() > deadlineMs) {
        throw new Error(`etcd ${this.name} is not ready in time:\n${this.#logTail()}`);
      }
      await sleep(30);
    }
  }

  async start(): Promise<void> {
    this.launch();
    await this.ready();
  }

  /** kill -9, and only this process. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** One of etcd's own counters or gauges, all labels summed. */
  async metric(name: string, labels = ''): Promise<number> {
    const text = await this.#fetch('/metrics', 5_000);
    const lines = text.split('\n').filter((line) => {
      const end = line.charAt(name.length);
      return line.startsWith(name) && (end === ' ' || end === '{') && line.includes(labels);
    });
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  async #fetch(path: string, timeoutMs: number): Promise<string> {
    const url = `http://127.0.0.1:${this.ports.metrics}${path}`;
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    return response.text();
  }

  get #logPath(): string {
    return join(this.#options.directory, `${this.name}.log`);
  }

  #logTail(): string {
    return readFileSync(this.#logPath, 'utf8').split('\n').slice(-15).join('\n');
  }
}
