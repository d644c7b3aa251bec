/** `npm run cluster` as a test sees it: by what it prints. */
import { expect } from 'vitest';
import { until } from '../process/cli-process.ts';
import { isRunning, type ScriptProcess, startScript } from '../process/run-script.ts';

export interface LaunchedCluster {
  readonly script: ScriptProcess;
  readonly urls: readonly string[];
  /** Of etcd. */
  readonly endpoints: readonly string[];
  readonly pids: ReadonlyMap<string, number>;
  /** Ctrl-C; everything it started is gone then. */
  interrupt(): Promise<void>;
}

const startTimeoutMs = 90_000;

export async function launchCluster(args: readonly string[]): Promise<LaunchedCluster> {
  const script = startScript('cluster/launcher/main.ts', ['--quiet', '--any-ports', ...args]);
  let ended = false;
  void script.ended.then(() => {
    ended = true;
  });
  await until(
    `the cluster is up: ${script.errors()}`,
    () => ended || script.out().includes('Ctrl-C ends everything'),
    startTimeoutMs,
  );
  expect(ended, script.errors()).toBe(false);
  const out = script.out();
  const urls = /--url (\S+)/.exec(out)?.[1]?.split(',') ?? [];
  const pids = new Map(
    [...out.matchAll(/^ {2}((?:node|etcd)-\d) .*pid (\d+)/gm)].map(([, name = '', pid]) => {
      return [name, Number(pid)] as const;
    }),
  );
  return {
    script,
    urls,
    endpoints: [...out.matchAll(/^ {2}etcd-\d +(\S+)\/health/gm)].map(([, url = '']) => url),
    pids,
    async interrupt() {
      script.kill('SIGINT');
      expect((await script.ended).exitCode, script.errors()).toBe(0);
      expect([...pids].filter(([, pid]) => isRunning(pid))).toEqual([]);
    },
  };
}
