/** `verdict serve`: one coordinator node, on its own store or on etcd with others. */
import { existsSync, readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { resolve } from 'node:path';
import { type CrashPoint, crashPoints, type Reached } from '../coordinator/crash-points.ts';
import { type CoordinatorOptions, coordinatorOptions } from '../core/coordinator-options.ts';
import { defined } from '../core/defined.ts';
import { memoryOptions } from '../core/memory-options.ts';
import { thrownLine, thrownStack } from '../core/thrown.ts';
import { usualRequestWindowMs } from '../decision-log/usual.ts';
import { type ConsoleFiles, consoleHandler } from '../node/console.ts';
import { figuresOf } from '../node/figures-of.ts';
import { healthHandler } from '../node/http.ts';
import { createLogger, type PinoLogger } from '../node/logging.ts';
import { metricsHandler } from '../node/metrics/http.ts';
import type { MetricsPage } from '../node/metrics/page.ts';
import { CoordinatorNode } from '../node/node.ts';
import { nodeUrl } from '../peer/url.ts';
import { everyone, type Shown } from '../ports/access.ts';
import { type DecisionLog, DecisionLogError } from '../ports/decision-log.ts';
import type { LogFormat, LogLevel } from '../ports/logger.ts';
import { makeDirectory } from '../store/store-place.ts';
import { systemClock } from '../system/clock.ts';
import { heapLimitBytes } from '../system/heap.ts';
import { LoopDelayMeter } from '../system/loop-delay.ts';
import { systemRandom } from '../system/random.ts';
import { loadTracing } from '../tracing/tracing.ts';
import { TlsError } from '../transport/tls/pem.ts';
import type { AcceptorOptions, RefusedUpgrade } from '../transport/websocket/acceptor-options.ts';
import { webSocketDialer } from '../transport/websocket/connect.ts';
import { webSocketAcceptor } from '../transport/websocket/listen.ts';
import { isOwnHost } from '../transport/websocket/own-host.ts';
import { readers } from '../wire/readers.ts';
import { type AccessFlags, accessPrint, openServeAccess } from './access.ts';
import { CommandError } from './command-error.ts';
import type { Sources } from './config-file.ts';
import { readToken } from './credential.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import type { Io } from './io.ts';
import { listenForMetrics, type MetricsListener } from './metrics-listener.ts';
import { type AuditFlags, type OpenedAudit, openAudit } from './open-audit.ts';
import { type LogFlags, openLog } from './open-log.ts';
import { acceptorTls, type ServeTls } from './serve-tls.ts';
import { HangUp, stopOnSignal } from './stopping.ts';
import { dialTls, type ServerTlsFlags } from './tls-options.ts';
import { packageVersion } from './version.ts';

export interface ServeFlags extends LogFlags, AccessFlags, AuditFlags, ServerTlsFlags {
  readonly listen: { readonly host: string; readonly port: number };
  readonly advertise?: string;
  readonly logLevel: LogLevel;
  readonly logFormat?: LogFormat;
  readonly option: Partial<CoordinatorOptions>;
  readonly config?: string;
  /** Where each value came from. */
  readonly sources?: Sources | undefined;
  /** Default: it is served. */
  readonly console?: boolean;
  readonly consoleHost?: readonly string[];
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
  await loadTracing();
  const format = flags.logFormat ?? (io.stderr.isTTY === true ? 'pretty' : 'json');
  const logger = await createLogger({ level: flags.logLevel, format, node: flags.node });
  const hangUp = new HangUp(io, logger);
  const audit = await openAudit(io, flags, { node: flags.node, logger });
  try {
    await runAudited(io, flags, { ...hooks, logger, audit, hangUp });
  } catch (error) {
    audit.stopped({ how: 'fault', error: thrownLine(error) });
    throw error;
  } finally {
    await audit.close();
    hangUp.release();
  }
}

interface Running extends ServeHooks {
  readonly logger: PinoLogger;
  readonly audit: OpenedAudit;
  readonly hangUp: HangUp;
}

async function runAudited(
  io: Io,
  flags: ServeFlags,
  { token, onReady, logger, audit, hangUp }: Running,
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
  const loopDelay = new LoopDelayMeter();
  let node: CoordinatorNode | null = null;
  const opened = await openServeAccess(flags, {
    token,
    logger,
    audit,
    url: () => node?.url ?? '',
  });
  const { access } = opened;
  const isOpen = access === everyone;
  const metrics = metricsOf(() => node, logger);
  const health = healthHandler(
    () => node,
    isOpen,
    isOpen && flags.metricsListen === undefined ? metrics.answer : null,
  );
  const page = consoleOf(flags, { tls, others: health });
  const { operatorListen } = flags;
  const listening = {
    ...options,
    clock: systemClock,
    http: health,
    authenticate: (shown: Shown) => access.authenticate(shown),
    trustedProxies: opened.trustedProxies,
    refused: (refused: RefusedUpgrade) => node?.audit.refusedUpgrade(refused),
    ...(tls !== null && { tls }),
    problem: (error: Error) =>
      logger.warn({ error: error.message }, 'The listening socket has a fault.'),
  };
  const acceptor = webSocketAcceptor({
    ...listening,
    ...listen,
    ...(operatorListen === undefined && page),
  });
  const operatorAcceptor =
    operatorListen === undefined
      ? null
      : webSocketAcceptor({ ...listening, ...operatorListen, ...page, door: 'operators' });
  const advertise = advertised(flags, tls === null ? 'ws' : 'wss');
  const url = advertise ?? `${tls === null ? 'ws' : 'wss'}://${hostPort(listen)}`;
  const log = await openLog(flags, {
    ...{ url, logger, onFatal: fatal },
    access: () => accessPrint(access, opened.describe()),
  }).catch((error: unknown) => {
    // It looks after its file: the process would stay.
    opened.close();
    throw error;
  });
  const { requestWindowMs } = log.meta;
  if (requestWindowMs < usualRequestWindowMs) {
    const fields = { requestWindowMs, usualWindowMs: usualRequestWindowMs };
    logger.warn(fields, shortWindowText);
  }
  const configuration = configurationOf(flags, { token, options, log });
  node = new CoordinatorNode({
    node: name,
    advertise: etcd === undefined ? advertise : url,
    version: packageVersion(),
    log,
    acceptor,
    dialer:
      etcd === undefined
        ? null
        : webSocketDialer({
            clock: systemClock,
            readers: readers['from-node'],
            tls: dialTls(flags, []),
          }),
    clock: systemClock,
    random: systemRandom,
    logger,
    audit,
    debug: logger.isLevelEnabled('debug'),
    levelOfLog: {
      get: () => logger.level as LogLevel,
      set: (level) => {
        logger.level = level;
      },
    },
    options,
    access,
    operatorAcceptor,
    configuration: () => ({
      ...configuration,
      heapLimitBytes: heapLimitBytes(),
      // As an operator has changed it.
      logLevel: logger.level,
      ...(node?.logLevel?.change && { changed: { logLevel: node.logLevel.change } }),
      access: opened.describe(),
    }),
    credential: ownToken === null ? undefined : { token: ownToken },
    onFatal: fatal,
    reached: crashHook(),
    loopDelay: () => loopDelay.reading(),
  });
  audit.write({ event: 'started', version: packageVersion(), pid: process.pid, configuration });
  let by = '';
  const stopped = stopOnSignal(io, { node, hangUp }, (signal) => {
    by = signal;
    logger.info({ signal }, 'Stopping: transactions in flight may finish. Again to stop at once.');
  });
  let metricsListener: MetricsListener | null = null;
  try {
    if (flags.metricsListen !== undefined) {
      const answer = healthHandler(() => node, isOpen, metrics.answer);
      metricsListener = await listenForMetrics(flags.metricsListen, answer);
      const { host, port } = metricsListener;
      logger.info({ url: `http://${hostPort({ host, port })}/metrics` }, 'Metrics are served.');
    }
    const { address } = await node.start();
    await node.whenReady();
    logger.info({ url: node.url, address, data }, 'Ready.');
    onReady?.(address);
    // Else with the first who asks: who has no monitoring pays nothing for it.
    if (metricsListener !== null) metrics.load();
  } catch (error) {
    metricsListener?.close();
    opened.close();
    await log.close();
    throw error;
  }
  await stopped;
  metricsListener?.close();
  loopDelay.close();
  opened.close();
  audit.stopped({ how: 'signal', signal: by });
}

/** The page, and what makes it, are loaded once the node is ready: it takes a tenth of a start. */
function metricsOf(
  node: () => CoordinatorNode | null,
  logger: PinoLogger,
): { readonly answer: RequestListener; load(): void } {
  let loading: Promise<MetricsPage> | null = null;
  const load = (): Promise<MetricsPage> => {
    loading ??= import('../node/metrics/page.ts').then(
      ({ MetricsPage }) =>
        new MetricsPage(systemClock, () => {
          const now = node();
          if (now === null) throw new Error('The node has not started.');
          return figuresOf(now);
        }),
    );
    return loading;
  };
  const failed = (error: unknown): void =>
    logger.error({ error: thrownStack(error) }, 'The metrics could not be told.');
  return {
    answer: metricsHandler({
      clock: systemClock,
      page: async () => (await load()).get(),
      failed,
    }),
    load: () => void load().catch(failed),
  };
}

/** For the listener that operators come by; null: there is no console. */
function consoleOf(
  { console: isServed = true, consoleHost = [], listen, operatorListen, advertise }: ServeFlags,
  { tls, others }: { readonly tls: ServeTls | null; readonly others: RequestListener },
): Pick<AcceptorOptions, 'http' | 'hostNames'> | null {
  if (!isServed) return null;
  const given = [listen.host, ...consoleHost];
  if (operatorListen !== undefined) given.push(operatorListen.host);
  if (advertise !== undefined) given.push(new URL(nodeUrl(advertise, tls !== null)).hostname);
  const hostNames = (): readonly string[] => [...given, ...(tls?.hostNames() ?? [])];
  const isOwn = (host: string | undefined): boolean => isOwnHost(host, hostNames());
  const files = async (): Promise<ConsoleFiles> =>
    (await import('./console-files.ts')).consoleFiles();
  return { hostNames, http: consoleHandler({ files, isOwnHost: isOwn }, others) };
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
    config: flags.config && resolve(flags.config),
    listen: hostPort(listen),
    advertise,
    token: own.token === null ? 'none' : 'required',
    accessFile: flags.accessFile,
    operatorListen: flags.operatorListen && hostPort(flags.operatorListen),
    metricsListen: flags.metricsListen && hostPort(flags.metricsListen),
    console: flags.console ?? true,
    consoleHost: flags.consoleHost,
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
    sources: flags.sources,
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
  return new CommandError('INPUT', `The node cannot run. ${error.message}`, { cause: error });
}

/** As the errors of the system do. */
function hasCode(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

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
