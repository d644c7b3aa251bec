/** `verdict serve`: one coordinator node, on its own store or on etcd with others. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type CrashPoint, crashPoints, type Reached } from '../coordinator/crash-points.ts';
import { type CoordinatorOptions, coordinatorOptions } from '../core/coordinator-options.ts';
import { defined } from '../core/defined.ts';
import { memoryOptions } from '../core/memory-options.ts';
import { thrownLine, thrownStack } from '../core/thrown.ts';
import { healthHandler } from '../node/http.ts';
import { createLogger, type PinoLogger } from '../node/logging.ts';
import { CoordinatorNode } from '../node/node.ts';
import { everyone, type Shown } from '../ports/access.ts';
import { type DecisionLog, DecisionLogError } from '../ports/decision-log.ts';
import type { LogFormat, LogLevel } from '../ports/logger.ts';
import { makeDirectory } from '../store/store-place.ts';
import { systemClock } from '../system/clock.ts';
import { exitSoon } from '../system/exit-guard.ts';
import { heapLimitBytes } from '../system/heap.ts';
import { systemRandom } from '../system/random.ts';
import { TlsError } from '../transport/tls/pem.ts';
import { webSocketDialer } from '../transport/websocket/connect.ts';
import { type RefusedUpgrade, webSocketAcceptor } from '../transport/websocket/listen.ts';
import { type AccessFlags, openServeAccess } from './access.ts';
import { CommandError } from './command-error.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import type { Io } from './io.ts';
import { type AuditFlags, type OpenedAudit, openAudit } from './open-audit.ts';
import { type LogFlags, logErrorText, openLog } from './open-log.ts';
import { readToken } from './parameters.ts';
import { acceptorTls } from './serve-tls.ts';
import { dialTls, type ServerTlsFlags } from './tls-options.ts';
import { packageVersion } from './version.ts';

export interface ServeFlags extends LogFlags, AccessFlags, AuditFlags, ServerTlsFlags {
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

async function runNode(io: Io, flags: ServeFlags, hooks: ServeHooks): Promise<void> {
  const format = flags.logFormat ?? (io.stderr.isTTY === true ? 'pretty' : 'json');
  const logger = await createLogger({ level: flags.logLevel, format, node: flags.node });
  const audit = await openAudit(io, flags, { node: flags.node, logger });
  try {
    await runAudited(io, flags, { ...hooks, logger, audit });
  } catch (error) {
    audit.stopped({ how: 'fault', error: thrownLine(error) });
    throw error;
  } finally {
    await audit.close();
  }
}

async function runAudited(
  io: Io,
  flags: ServeFlags,
  { token, onReady, logger, audit }: ServeHooks & { logger: PinoLogger; audit: OpenedAudit },
): Promise<void> {
  const { data, listen, etcd, node: name } = flags;
  const options = memoryOptions(coordinatorOptions(flags.option), heapLimitBytes());
  const fatal = (error: unknown): never => {
    logger.error({ error: thrownStack(error) }, 'Fatal: the node ends.');
    audit.stopped({ how: 'fault', error: thrownLine(error) });
    // Not an orderly stop: nothing in memory may be trusted or answered from now on.
    process.exit(exitCodes.nodeFault);
  };
  // What it shows other nodes: its own, or what all have.
  const ownToken = readToken(flags.nodeTokenFile) ?? token;
  const tls = acceptorTls(flags, io, { logger, audit });
  // Before anything is opened that others notice.
  if (tls !== null) tls.read();
  makeDirectory(resolve(data));
  let node: CoordinatorNode | null = null;
  const opened = await openServeAccess(flags, {
    token,
    logger,
    audit,
    url: () => node?.url ?? '',
  });
  const { access } = opened;
  const listening = {
    ...options,
    clock: systemClock,
    http: healthHandler(() => node, access === everyone),
    authenticate: (shown: Shown) => access.authenticate(shown),
    trustedProxies: opened.trustedProxies,
    refused: (refused: RefusedUpgrade) => node?.audit.refusedUpgrade(refused),
    ...(tls !== null && { tls }),
    problem: (error: Error) =>
      logger.warn({ error: error.message }, 'The listening socket has a fault.'),
  };
  const acceptor = webSocketAcceptor({ ...listening, ...listen });
  const { operatorListen } = flags;
  const operatorAcceptor =
    operatorListen === undefined
      ? null
      : webSocketAcceptor({ ...listening, ...operatorListen, door: 'operators' });
  const advertise = advertised(flags, tls === null ? 'ws' : 'wss');
  const url = advertise ?? `${tls === null ? 'ws' : 'wss'}://${hostPort(listen)}`;
  const log = await openLog(flags, { url, logger, onFatal: fatal }).catch((error: unknown) => {
    // It looks after its file: the process would stay.
    opened.close();
    throw error;
  });
  const { requestWindowMs } = log.meta;
  if (requestWindowMs < usualWindowMs) {
    logger.warn({ requestWindowMs, usualWindowMs }, shortWindowText);
  }
  const configuration = configurationOf(flags, { token, options, log });
  node = new CoordinatorNode({
    node: name,
    advertise: etcd === undefined ? advertise : url,
    version: packageVersion(),
    log,
    acceptor,
    dialer:
      etcd === undefined ? null : webSocketDialer({ clock: systemClock, tls: dialTls(flags, []) }),
    clock: systemClock,
    random: systemRandom,
    logger,
    audit,
    debug: logger.isLevelEnabled('debug'),
    options,
    access,
    operatorAcceptor,
    configuration: () => ({ ...configuration, access: opened.describe() }),
    credential: ownToken === null ? undefined : { token: ownToken },
    onFatal: fatal,
    reached: crashHook(),
  });
  audit.write({ event: 'started', version: packageVersion(), pid: process.pid, configuration });
  let by = '';
  const stopped = stopOnSignal(io, node, (signal) => {
    by = signal;
    logger.info({ signal }, 'Stopping: transactions in flight may finish. Again to stop at once.');
  });
  try {
    const { address } = await node.start();
    await node.whenReady();
    logger.info({ url: node.url, address, data }, 'Ready.');
    onReady?.(address);
  } catch (error) {
    opened.close();
    await log.close();
    throw error;
  }
  await stopped;
  opened.close();
  audit.stopped({ how: 'signal', signal: by });
}

function tlsOf(flags: ServeFlags): object | 'none' {
  const { tlsCert, tlsKey, tlsClientCa, tlsClientAuth, tlsCa, tlsServerName, tlsNodeNames } = flags;
  if (tlsCert === undefined) return 'none';
  const clientAuth = tlsClientCa === undefined ? 'none' : (tlsClientAuth ?? 'required');
  const files = { tlsCert, tlsKey, tlsClientCa, tlsCa };
  return defined({ clientAuth, ...files, tlsServerName, tlsNodeNames });
}

/** What is in force, for the audit log. Of secrets it names the file, or says that there is one. */
function configurationOf(
  flags: ServeFlags,
  own: {
    readonly token: string | null;
    readonly options: CoordinatorOptions;
    readonly log: DecisionLog;
  },
): Readonly<Record<string, unknown>> {
  const { data, listen, advertise, logLevel, etcd } = flags;
  const { etcdUser, etcdCa, etcdCert, etcdKey, etcdPasswordFile, etcdCompact } = flags;
  const { auditFile, auditMaxBytes, auditFiles } = flags;
  const { cluster, clusterId, shards, requestWindowMs, generation } = own.log.meta;
  return defined({
    listen: hostPort(listen),
    advertise,
    token: own.token === null ? 'none' : 'required',
    accessFile: flags.accessFile,
    operatorListen: flags.operatorListen && hostPort(flags.operatorListen),
    node: flags.node,
    tls: tlsOf(flags),
    data: resolve(data),
    logLevel,
    audit: { auditFile, auditMaxBytes, auditFiles },
    ...(etcd !== undefined && {
      etcd: { endpoints: etcd, etcdUser, etcdPasswordFile, etcdCa, etcdCert, etcdKey, etcdCompact },
    }),
    cluster: { cluster, clusterId, shards, requestWindowMs, generation },
    options: own.options,
  });
}

/** What the log or the system refused, in their words. Anything else is a fault of this program. */
function startFailure(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const refused =
    error instanceof DecisionLogError ||
    error instanceof TlsError ||
    hasCode(error) ||
    hasCode(error.cause);
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

/** An address without a scheme has the one that the node speaks. */
function advertised({ advertise }: ServeFlags, scheme: 'ws' | 'wss'): string | null {
  if (advertise === undefined) return null;
  return advertise.includes('://') ? advertise : `${scheme}://${advertise}`;
}

function hostPort({ host, port }: ServeFlags['listen']): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
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
