/** `verdict serve`: one coordinator node, on its own store or on etcd with others. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type CrashPoint, crashPoints, type Reached } from '../coordinator/crash-points.ts';
import { type CoordinatorOptions, coordinatorOptions } from '../core/coordinator-options.ts';
import { memoryOptions } from '../core/memory-options.ts';
import { thrownStack } from '../core/thrown.ts';
import { healthHandler } from '../node/http.ts';
import { createLogger } from '../node/logging.ts';
import { CoordinatorNode } from '../node/node.ts';
import { nodeUrl } from '../peer/url.ts';
import { DecisionLogError } from '../ports/decision-log.ts';
import type { LogFormat, LogLevel } from '../ports/logger.ts';
import { makeDirectory } from '../store/store-place.ts';
import { systemClock } from '../system/clock.ts';
import { exitSoon } from '../system/exit-guard.ts';
import { heapLimitBytes } from '../system/heap.ts';
import { systemRandom } from '../system/random.ts';
import { isAuthorized } from '../transport/websocket/authorization.ts';
import { webSocketDialer } from '../transport/websocket/connect.ts';
import { webSocketAcceptor } from '../transport/websocket/listen.ts';
import { CommandError } from './command-error.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import type { Io } from './io.ts';
import { type LogFlags, logErrorText, openLog } from './open-log.ts';
import { packageVersion } from './version.ts';

export interface ServeFlags extends LogFlags {
  readonly listen: { readonly host: string; readonly port: number };
  readonly advertise?: string;
  readonly logLevel: LogLevel;
  readonly logFormat?: LogFormat;
  readonly option: Partial<CoordinatorOptions>;
}

export interface ServeHooks {
  readonly token: string | null;
  /** The node leads, and peers can connect to it. */
  readonly onReady?: (address: string) => void;
}

/** Resolves when SIGINT or SIGTERM has stopped the node; rejects if it could not start. */
export async function serve(io: Io, flags: ServeFlags, hooks: ServeHooks): Promise<ExitCode> {
  try {
    await runNode(io, flags, hooks);
    return exitCodes.ok;
  } catch (error) {
    throw startFailure(error);
  }
}

async function runNode(io: Io, flags: ServeFlags, { token, onReady }: ServeHooks): Promise<void> {
  const { data, listen, etcd, node: name } = flags;
  const options = memoryOptions(coordinatorOptions(flags.option), heapLimitBytes());
  const format = flags.logFormat ?? (io.stderr.isTTY === true ? 'pretty' : 'json');
  const logger = await createLogger({ level: flags.logLevel, format, node: name });
  const fatal = (error: unknown): never => {
    logger.error({ error: thrownStack(error) }, 'Fatal: the node ends.');
    // Not an orderly stop: nothing in memory may be trusted or answered from now on.
    process.exit(exitCodes.nodeFault);
  };
  makeDirectory(resolve(data));
  let node: CoordinatorNode | null = null;
  const acceptor = webSocketAcceptor({
    ...options,
    ...listen,
    clock: systemClock,
    http: healthHandler(() => node),
    ...(token !== null && {
      authorize: (shown: string) => isAuthorized(shown, { token, url: nodeUrl(node?.url ?? '') }),
    }),
    problem: (error) => logger.warn({ error: error.message }, 'The listening socket has a fault.'),
  });
  const url = flags.advertise ?? listenUrl(listen);
  const log = await openLog(flags, { url, logger, onFatal: fatal });
  const { requestWindowMs } = log.meta;
  if (requestWindowMs < usualWindowMs) {
    logger.warn({ requestWindowMs, usualWindowMs }, shortWindowText);
  }
  node = new CoordinatorNode({
    node: name,
    advertise: etcd === undefined ? (flags.advertise ?? null) : url,
    version: packageVersion(),
    log,
    acceptor,
    dialer: etcd === undefined ? null : webSocketDialer({ clock: systemClock }),
    clock: systemClock,
    random: systemRandom,
    logger,
    debug: logger.isLevelEnabled('debug'),
    options,
    token,
    onFatal: fatal,
    reached: crashHook(),
  });
  const stopped = stopOnSignal(io, node, (signal) =>
    logger.info({ signal }, 'Stopping: transactions in flight may finish. Again to stop at once.'),
  );
  try {
    const { address } = await node.start();
    await node.whenReady();
    logger.info({ url: node.url, address, data }, 'Ready.');
    onReady?.(address);
  } catch (error) {
    await log.close();
    throw error;
  }
  await stopped;
}

/** What the log or the system refused, in their words. Anything else is a fault of this program. */
function startFailure(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const refused = error instanceof DecisionLogError || hasCode(error) || hasCode(error.cause);
  if (!refused) return error;
  return new CommandError('INPUT', `The node cannot run. ${logErrorText(error)}`, { cause: error });
}

/** As the errors of the system do. */
function hasCode(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

/** Longer than what clients and networks hold a copy of a request for. */
const usualWindowMs = 120_000;
const shortWindowText =
  'The request window is shorter than 2 minutes. This weakens "a requestId never commits twice": a copy of a request with a wrong age (from a clock that stood still, or a client that does not count) may run again after the window.';

function listenUrl({ host, port }: ServeFlags['listen']): string {
  return `ws://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function stopOnSignal(
  io: Io,
  node: CoordinatorNode,
  heard: (signal: string) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    io.onStopSignal((signal) => {
      if (stopping) return exitSoon(exitCodes.interrupted);
      stopping = true;
      heard(signal);
      node.stop().then(resolve, reject);
    });
  });
}

/**
 * For tests: VERDICT_TEST_CRASH_AT=point[:n] ends the process with SIGKILL when it passes the point
 * for the n-th time (default 1). VERDICT_TEST_CRASH_FILE names a file that is read at each point
 * and may hold the name of one: which node leads is known only while it runs.
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
