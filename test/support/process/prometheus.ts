/** A real Prometheus, on rules that look as far back, and wait as long, as a test can. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../../cluster/launcher/free-ports.ts';
import { findPrometheus, type PrometheusPrograms } from '../../../cluster/monitoring/find.ts';
import { endWithParent } from './end-with-parent.ts';
import { patienceMs } from './slowness.ts';

export const monitoring: string = fileURLToPath(
  new URL('../../../cluster/monitoring/', import.meta.url),
);

/**
 * Null: there is none here, which is said; with CI set that is an error, for a run that tested
 * nothing must not be green.
 */
export async function prometheusToTest(): Promise<PrometheusPrograms | null> {
  const result = await findPrometheus();
  if ('found' in result) return result.found;
  if (process.env['CI'] !== undefined) throw new Error(result.missing);
  console.warn(`SKIPPED, for want of a Prometheus: ${result.missing}`);
  return null;
}

export interface FiringAlert {
  readonly state: 'pending' | 'firing';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export class Prometheus {
  readonly #child: ChildProcess;
  readonly #url: string;
  readonly #said: string[] = [];

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#url = url;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#said.push(text));
    }
  }

  static async started(
    programs: PrometheusPrograms,
    given: { readonly directory: string; readonly targets: readonly string[] },
  ): Promise<Prometheus> {
    const { directory, targets } = given;
    mkdirSync(directory, { recursive: true });
    const rules = readFileSync(join(monitoring, 'alerts.yml'), 'utf8')
      .replaceAll(/^( *for:) .*$/gm, '$1 1s')
      .replaceAll(/\[\d+m\]/g, '[12s]')
      // Of changes as many as there can be in so short a time.
      .replaceAll(/(changes_total\[12s\]\)\)) > \d+/g, '$1 > 0.5');
    writeFileSync(join(directory, 'alerts.yml'), rules);
    const config = {
      global: { scrape_interval: '500ms', scrape_timeout: '500ms', evaluation_interval: '500ms' },
      rule_files: ['alerts.yml'],
      scrape_configs: [{ job_name: 'verdict', static_configs: [{ targets }] }],
    };
    // YAML holds JSON.
    writeFileSync(join(directory, 'prometheus.yml'), JSON.stringify(config));
    const port = await freePort();
    const args = [
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ];
    const child = spawn(programs.prometheus, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    endWithParent(child);
    const prometheus = new Prometheus(child, `http://127.0.0.1:${port}`);
    await prometheus.#ready();
    return prometheus;
  }

  async #ready(): Promise<void> {
    const untilMs = performance.now() + patienceMs;
    for (;;) {
      const ready = await fetch(`${this.#url}/-/ready`).catch(() => null);
      if (ready?.ok === true) return;
      if (this.#child.exitCode !== null || performance.now() > untilMs) {
        throw new Error(`Prometheus did not start:\n${this.#said.join('')}`);
      }
      await sleep(50);
    }
  }

  async alerts(): Promise<readonly FiringAlert[]> {
    const { alerts } = (await this.#get('/api/v1/alerts')) as { alerts: readonly FiringAlert[] };
    return alerts;
  }

  async firing(name: string): Promise<FiringAlert | undefined> {
    const all = await this.alerts();
    return all.find(({ state, labels }) => state === 'firing' && labels['alertname'] === name);
  }

  /** Samples: the value of each, with its labels. Throws what Prometheus says of a bad query. */
  async query(text: string): Promise<readonly { readonly value: readonly [number, string] }[]> {
    const { result } = (await this.#get(`/api/v1/query?query=${encodeURIComponent(text)}`)) as {
      result: readonly { readonly value: readonly [number, string] }[];
    };
    return result;
  }

  async #get(path: string): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`);
    const body = (await response.json()) as { status: string; error?: string; data: unknown };
    if (body.status !== 'success') throw new Error(body.error);
    return body.data;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}
