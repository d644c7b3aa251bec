/** `verdict serve`: one coordinator node, on its own store or on etcd with others. */

import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type CrashPoint, crashPoints, type Reached } from '../coordinator/crash-points.ts';
import { type CoordinatorOptions, coordinatorOptions } from '../core/coordinator-options.ts';
import { memoryOptions } from '../core/memory-options.ts';
import { thrownStack } from '../core/thrown.ts';
import { healthHandler } from '../node/http.ts';
import { createLogger, type LogFormat, type LogLevel } from '../node/logging.ts';
import { CoordinatorNode } from '../node/node.ts';
import { nodeUrl } from '../peer/url.ts';
import { makeDirectory } from '../store/store-place.ts';
import { systemClock } from '../system/clock.ts';
import { exitSoon } from '../system/exit-guard.ts';
import { heapLimitBytes } from '../system/heap.ts';
import { systemRandom } from '../system/random.ts';
import { isAuthorized } from '../transport/websocket/authorization.ts';
import { webSocketDialer } from '../transport/websocket/connect.ts';
import { webSocketAcceptor } from '../transport/websocket/listen.ts';
import { exitCodes } from './exit-codes.ts';
import { type EtcdServeOptions, openLog } from './open-log.ts';

export interface ServeOptions {
  readonly data: string;
  readonly host: string;
  readonly port: number;
  readonly node: string;
  readonly advertise: string | null;
  readonly token: string | null;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly version: string;
  readonly options: Partial<CoordinatorOptions>;
  /** How long a request id is remembered, fixed when the log is made. Default: what the log has, or 2 minutes. */
  readonly requestWindowMs?: number;
  /** Null: the decisions are kept in `data`. Else it holds only what guards against a restored etcd. */
  readonly etcd: EtcdServeOptions | null;
  /** The node leads, and peers can connect to it. */
  readonly onReady?: (node: { readonly url: string; readonly address: string }) => void;
}

/** Ends with an exit code when the node was stopped by SIGINT or SIGTERM; rejects where it could not start. */
export async function serve(given: ServeOptions): Promise<number> {
  const options = memoryOptions(coordinatorOptions(given.options), heapLimitBytes());
  const logger = createLogger({
    level: given.logLevel,
    format: given.logFormat,
    node: given.node,
  });
  const fatal = (error: unknown): never => {
    logger.error({ error: thrownStack(error) }, 'Fatal: the node ends.');
    // Not an orderly stop: nothing in memory may be trusted or answered from now on.
    process.exit(exitCodes.nodeFault);
  };
  makeDirectory(resolve(given.data));
  let node: CoordinatorNode | null = null;
  const { token } = given;
  const acceptor = webSocketAcceptor({
    ...options,
    clock: systemClock,
    host: given.host,
    port: given.port,
    http: healthHandler(() => node),
    ...(token === null
      ? {}
      : {
          authorize: (shown: string) =>
            isAuthorized(shown, { token, url: nodeUrl(node?.url ?? '') }),
        }),
    problem: (error) => logger.warn({ error: error.message }, 'The listening socket has a fault.'),
  });
  const advertise = given.advertise ?? (given.etcd === null ? null : listenUrl(given));
  const log = await openLog({
    data: given.data,
    node: given.node,
    url: advertise ?? listenUrl(given),
    requestWindowMs: given.requestWindowMs,
    etcd: given.etcd,
    logger,
    onFatal: fatal,
  });
  const { requestWindowMs } = log.meta;
  if (requestWindowMs < usualWindowMs) {
    logger.warn({ requestWindowMs, usualWindowMs }, shortWindowText);
  }
  node = new CoordinatorNode({
    node: given.node,
    advertise,
    version: given.version,
    log,
    acceptor,
    dialer: given.etcd === null ? null : webSocketDialer({ clock: systemClock }),
    clock: systemClock,
    random: systemRandom,
    logger,
    debug: logger.isLevelEnabled('debug'),
    options,
    token: given.token,
    onFatal: fatal,
    reached: crashHook(),
  });
  const stopped = stopOnSignal(node, (signal) =>
    logger.info({ signal }, 'Stopping: transactions in flight may finish. Again to stop at once.'),
  );
  try {
    const listener = await node.start();
    await node.whenReady();
    logger.info({ url: node.url, address: listener.address, data: given.data }, 'Ready.');
    given.onReady?.({ url: node.url, address: listener.address });
  } catch (error) {
    await log.close();
    throw error;
  }
  await stopped;
  return 0;
}

/** Longer than what clients and networks hold a copy of a request for. */
const usualWindowMs = 120_000;
const shortWindowText =
  'The request window is shorter than 2 minutes. This weakens "a requestId never commits twice": a copy of a request with a wrong age (from a clock that stood still, or a client that does not count) may run again after the window.';

function listenUrl({ host, port }: Pick<ServeOptions, 'host' | 'port'>): string {
  return `ws://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function stopOnSignal(node: CoordinatorNode, heard: (signal: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (stopping) return exitSoon(exitCodes.interrupted);
      stopping = true;
      heard(signal);
      node.stop().then(resolve, reject);
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}

/**
 * For tests: VERDICT_TEST_CRASH_AT=point[:n] ends the process with SIGKILL when it passes the point for
 * the n-th time (default 1). VERDICT_TEST_CRASH_FILE names a file that is read at each point and may hold the name of
 * one: which node leads is known only while it runs.
 */
function crashHook(): Reached {
  const wanted = process.env['VERDICT_TEST_CRASH_AT'] ?? '';
  const file = process.env['VERDICT_TEST_CRASH_FILE'] ?? '';
  if (file !== '') {
    return (passed) => {
      if (existsSync(file) && readFileSync(file, 'utf8').trim() === passed) dieAt(passed);
    };
  }
  if (wanted === '') return () => undefined;
  const [point, times] = wanted.split(':');
  if (!crashPoints.includes(point as CrashPoint)) {
    throw new Error(
      `VERDICT_TEST_CRASH_AT names no crash point: ${point}. There are ${crashPoints.join(', ')}.`,
    );
  }
  let left = Number(times ?? 1);
  return (passed) => {
    if (passed !== point) return;
    left -= 1;
    if (left === 0) dieAt(passed);
  };
}

/** What "has left" by name leaves the process at the end of the turn: let it. */
function dieAt(point: CrashPoint): void {
  if (point.startsWith('after-')) setImmediate(() => setImmediate(kill));
  else kill();
}

function kill(): void {
  process.kill(process.pid, 'SIGKILL');
}
