import process from 'node:process';
import { type Logger, serveParticipant } from '../../src/participant.ts';
import { openVersionedStore } from '../../src/versioned-store.ts';
import { Certificates } from '../secure/installation.ts';
import { readDatabases } from './databases.ts';
import { lineLogger } from './line-logger.ts';
import { openNotices } from './notices.ts';
import { journalDirectory, type ServiceName, storeDirectory } from './paths.ts';
import { type RunningService, serviceResource } from './service.ts';
import { services } from './services.ts';

/** Told to the process that started this one, where there is one. */
export interface ServiceMessage {
  readonly kind: 'connected';
}

export interface ServiceOptions {
  readonly name: ServiceName;
  readonly urls: readonly string[];
  readonly data: string;
  readonly token: string | null;
  /** A directory of certificates; null: without TLS. */
  readonly certs: string | null;
}

/** Runs until SIGINT or SIGTERM, or until the process that started it is gone. */
export async function runService(options: ServiceOptions): Promise<void> {
  try {
    await serve(options, endOfProcess());
  } finally {
    // The channel would keep the process alive.
    if (process.connected === true) process.disconnect();
  }
}

async function serve(options: ServiceOptions, ended: Promise<string>): Promise<void> {
  const { name, urls, data, token, certs } = options;
  const logger = lineLogger();
  const service = await openService(name, { data, logger });
  const participant = await serveParticipant({
    name,
    urls,
    dataDirectory: journalDirectory(data, name),
    resource: service.resource,
    logger,
    onAlarm: ({ alarm, message }) => logger.error({ alarm }, message),
    ...(token === null ? {} : { token }),
    ...(certs === null ? {} : { tls: new Certificates(certs).tlsOf(name) }),
  });
  logger.info({ inDoubt: participant.inDoubt().length, urls: urls.join(',') }, 'Started.');
  const stopWaiting = new AbortController();
  const connected = announce(
    () => participant.connected({ timeoutMs: maxConnectMs, signal: stopWaiting.signal }),
    stopWaiting.signal,
  );
  const why = await ended;
  stopWaiting.abort();
  logger.info({ why }, 'Stopping.');
  await connected;
  await participant.close({ timeoutMs: 5_000 });
  await service.close();
}

async function openService(
  name: ServiceName,
  { data, logger }: { readonly data: string; readonly logger: Logger },
): Promise<RunningService> {
  const directory = storeDirectory(data, name);
  if (name === 'notification') return openNotices(directory, logger);
  const service = services[name];
  const database = readDatabases(data)[name];
  if (database !== undefined) {
    // With its drivers, which only a shop on databases needs, and the image has not.
    const { openSqlService } = await import('./sql-records.ts');
    const resource = await openSqlService(service, database);
    return { resource, close: () => resource.close() };
  }
  const store = await openVersionedStore({
    dataDirectory: directory,
    initial: service.seed.map(([key, record]) => ({ key, ...record })),
  });
  return { resource: serviceResource(service, store), close: () => store.close() };
}

const maxConnectMs = 10_000;

/** A node that is not there yet is nothing to give up for: the SDK goes on trying. */
async function announce(connected: () => Promise<void>, stopped: AbortSignal): Promise<void> {
  while (!stopped.aborted) {
    try {
      await connected();
      const message: ServiceMessage = { kind: 'connected' };
      process.send?.(message);
      return;
    } catch {
      if (!stopped.aborted) process.stderr.write('warn No node can be reached. Trying on.\n');
    }
  }
}

function endOfProcess(): Promise<string> {
  // No one reads the log any more: no reason to end otherwise than in order.
  process.stderr.on('error', () => undefined);
  return new Promise((resolve) => {
    process.on('SIGINT', () => resolve('SIGINT'));
    process.on('SIGTERM', () => resolve('SIGTERM'));
    // The supervisor's end of the channel closed: it ended, however it did.
    if (process.connected === true) process.on('disconnect', () => resolve('the shop ended'));
  });
}
