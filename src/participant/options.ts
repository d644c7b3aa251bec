/** What `serveParticipant` takes. */
import type { BranchAlarm } from '../core/branch/branch.ts';
import { checkFields, type Fields, shown } from '../core/fields.ts';
import type { ParticipantOptions } from '../core/participant-options.ts';
import type { Txid } from '../core/txid.ts';
import { etcdParts } from '../decision-log/etcd/endpoints.ts';
import { checkName, checkRegistry } from '../peer/checked.ts';
import { checkCredentials } from '../peer/credentials.ts';
import type { MetricRegistry } from '../peer/metric-registry.ts';
import { checkNodeUrls } from '../peer/url.ts';
import type { EncryptionKeys } from '../ports/cipher.ts';
import type { Clock } from '../ports/clock.ts';
import type { Journal } from '../ports/journal.ts';
import { type Logger, userLogger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type { Resource } from '../ports/resource.ts';
import type { StandardSchema } from '../ports/schema.ts';
import type { Pem, TlsOptions } from '../ports/tls.ts';
import type { Dialer } from '../ports/transport.ts';
import { checkAdoption } from './adoption-line.ts';
import type { ParticipantReached } from './crash-points.ts';
import type { ReadyWork } from './ready.ts';
import { behindSchemas, type Schemas } from './schema.ts';
import { stderrLogger } from './stderr-logger.ts';

/** Something that a correct cluster never does, or that an operator must look at. */
export interface ParticipantAlarm {
  /** Which one: stable, to match on. */
  readonly alarm:
    | BranchAlarm
    | 'refused-by-node'
    | 'other-cluster'
    | 'journal-copied'
    | 'log-set-back';
  /** What happened and what to do, for people. */
  readonly message: string;
  /** The transaction, where it concerns one. */
  readonly txid?: Txid;
  /** The branch, where it concerns one. */
  readonly branch?: string;
}

/**
 * Read access to a cluster's etcd. It is read once at the start, so that a wrong address is known
 * before it is needed. Its client is loaded only where this is given.
 */
export interface EtcdDecisionLog {
  /**
   * `http://host:port` or `https://host:port` of the members. Where ranges of shards have etcd
   * clusters of their own, one `0-31=host1:2379,host2:2379` for each, as the nodes have them.
   */
  readonly endpoints: readonly string[];
  /** The cluster's name, as its nodes were started with. */
  readonly cluster: string;
  /**
   * Who signs etcd's certificates, and this process's own where etcd asks for one. Files are read
   * again for connections made after a failure, so that a certificate can be renewed while the
   * process runs.
   */
  readonly tls?: { readonly ca: Pem; readonly cert?: Pem; readonly key?: Pem };
  /** etcd's own users. Default: none. */
  readonly auth?: { readonly username: string; readonly password: string };
  /**
   * Also force the abort of what is not decided while its leader's lease still stands: the locks go
   * sooner, and a transaction that was merely slow is lost. Needs write access. Default false: wait
   * for the lease's end.
   */
  readonly resolve?: boolean;
}

/** What `serveParticipant` takes beside the resource. */
export interface ServeBaseOptions {
  /** What a transaction's branches call the participant. 1 to 128 bytes, nothing invisible. */
  readonly name: string;
  /** Nodes, `host:port` each; the others are learned from them. At least one. */
  readonly urls: readonly string[];
  /**
   * Where the journal of votes and outcomes is kept (made if it is not there). One process owns it,
   * unless `sharedResource` is given. Must be given.
   */
  readonly dataDirectory?: string;
  /**
   * What the journal is kept in: the package LMDB, or SQLite, which is part of Node, Bun and Deno.
   * Default: what the directory has; a new one gets LMDB, or SQLite where LMDB cannot be loaded. A
   * directory that has the other is refused.
   */
  readonly journalKind?: 'lmdb' | 'sqlite';
  /** @internal In place of `dataDirectory`: a journal that stays open. */
  readonly journal?: Journal;
  /**
   * Names the one resource on which several processes work that share this journal, too. A branch
   * may then be prepared by one and committed by another. Not needed where the resource has an
   * `identity`, as databases have: then each process has a journal of its own.
   */
  readonly sharedResource?: string;
  /**
   * Seals payloads, results and reasons in the journal of `dataDirectory` with AES-256-GCM. Keys,
   * or a file with the same as JSON that only this account can read. To rotate: add a key and make
   * it `current`; after that start the old one can go. Default: they are kept in clear, in files
   * that only this account can read. See docs/OPERATING.md, "Encryption at rest".
   */
  readonly encryption?: EncryptionKeys | { readonly file: string };
  /** What the cluster's operator gave out, where it asks for one. Only nodes in `urls` see it. */
  readonly token?: string;
  /**
   * In place of a token: a JWT of an issuer that the nodes trust, shown over TLS alone. A function
   * is called for each connection, and again before its JWT expires: then the connection stays.
   */
  readonly jwt?: string | (() => string | Promise<string>);
  /**
   * For nodes that speak TLS; an address in `urls` without a scheme is then one with TLS. Files are
   * read for each connection, so that a certificate can be renewed while the process runs.
   */
  readonly tls?: TlsOptions;
  /**
   * For an operator who made the decision log anew on purpose: the id of the cluster to serve from
   * now on, which the alarm `other-cluster` names. Where branches are in doubt each needs its
   * outcome, found out by hand; it is carried out before anything else. Take it out again
   * afterwards. The variable VERDICT_ADOPT_CLUSTER says the same without a change of code, and goes
   * before it. See docs/OPERATING.md, "A recreated decision log".
   */
  readonly adoptCluster?: {
    readonly id: string;
    /** Only a journal that has served this cluster. Default: whatever it has served. */
    readonly from?: string;
    readonly inDoubt?: Readonly<Record<string, 'commit' | 'rollback'>>;
  };
  /** Ends a doubt when no node answers for longer than the patience. Default: nodes alone do. */
  readonly decisionLog?: { readonly etcd: EtcdDecisionLog };
  /**
   * Migrations, seeds, whatever a service does in its own store before its first prepare. Called
   * when no branch of the process before is left that could hold rows there; prepares wait for its
   * end. `serveParticipant` resolves behind it, and rejects with what it throws. Its signal fires
   * past `readyTimeoutMs`.
   */
  readonly ready?: ReadyWork;
  /**
   * How long `ready` may take, the wait for branches of the process before included. Past it the
   * participant is closed, and `serveParticipant` rejects with VerdictError TIMEOUT, which says
   * what was waited for. Default 600,000 (10 min); 0: forever.
   */
  readonly readyTimeoutMs?: number;
  /** Time-outs and limits; the defaults are meant to stay. */
  readonly options?: Partial<ParticipantOptions>;
  /**
   * pino's loggers fit. Default: a line on stderr for the first connection and for each warning.
   * Payloads and results never are logged. `silentLogger` says nothing.
   */
  readonly logger?: Logger;
  /** Called for each alarm, beside its line in the log. Must not throw. Default: the log alone. */
  readonly onAlarm?: (alarm: ParticipantAlarm) => void;
  /**
   * Where its metrics go until it is closed: a registry of `prom-client`, such as `register`. Which
   * there are: docs/METRICS.md.
   */
  readonly metrics?: MetricRegistry;
  /**
   * The journal failed: nothing can be promised any more, and the process must not go on. Called
   * once, when the participant is dead. Default: the error is said on stderr, and the process ends
   * with an exit code other than 0.
   */
  readonly onFatal?: (error: Error) => void;
  /** @internal Called at each crash point. */
  readonly reached?: ParticipantReached;
  /** @internal What the SDK is to call in the resource's place. */
  readonly behind?: (resource: Resource, participant: string) => Resource;
  /** @internal Default: WebSocket. */
  readonly dialer?: Dialer;
  /** @internal Default: the system's. */
  readonly clock?: Clock;
  /** @internal Default: the system's. */
  readonly random?: Random;
}

/** The resource, as an object of its own or spread among the settings. */
export type ServeOptions<Payload = unknown, Result = unknown> = ServeBaseOptions & {
  /**
   * What a payload must be, by the Standard Schema interface (zod, valibot, arktype and others):
   * one that is not aborts its transaction with INVALID_PAYLOAD, the field and what is wrong with
   * it, before `prepare` is called. It is asked for branches that this participant enlisted itself
   * too, whose payload is what it enlisted with: these are rolled back. Default: payloads are not
   * looked at.
   */
  readonly payload?: StandardSchema<Payload, unknown>;
  /**
   * What the result of `vote.commit` and `vote.readonly` must be: one that is not aborts its
   * transaction with INVALID_RESULT, the field and what is wrong with it, and is rolled back. The
   * client gets what the schema makes of it. Default: any result that can be sent.
   */
  readonly result?: StandardSchema<unknown, Result>;
} & (
    | Resource<Payload, NoInfer<Result>>
    | { readonly resource: Resource<Payload, NoInfer<Result>> }
  );

export function resourceOf<Payload, Result>(
  options: ServeOptions<Payload, Result>,
): Resource<Payload, Result> {
  return behindSchemas('resource' in options ? options.resource : options, options);
}

/** `branch`: a contract is spread here whole. */
const settingFields: Fields<Required<ServeBaseOptions & Schemas> & { branch: unknown }> = {
  name: 'any',
  urls: 'any',
  dataDirectory: 'text',
  journalKind: 'any',
  journal: 'internal',
  sharedResource: 'any',
  encryption: 'object',
  token: 'any',
  jwt: 'any',
  tls: 'any',
  adoptCluster: 'object',
  decisionLog: 'object',
  ready: 'method',
  readyTimeoutMs: 'any',
  options: 'object',
  logger: 'any',
  onAlarm: 'method',
  metrics: 'any',
  onFatal: 'method',
  reached: 'internal',
  behind: 'internal',
  dialer: 'internal',
  clock: 'internal',
  random: 'internal',
  payload: 'schema',
  result: 'schema',
  branch: 'internal',
};
const resourceFields: Fields<Required<Resource>> = {
  prepare: 'method',
  commit: 'method',
  rollback: 'method',
  inDoubt: 'method',
  identity: 'text',
  keepsVotes: 'any',
  begin: 'method',
  forgotten: 'method',
};

/** Throws a TypeError that names the setting, or the method that is missing. */
export function checkSettings(settings: ServeBaseOptions): void {
  if (typeof settings !== 'object' || settings === null) {
    throw new TypeError(
      'serveParticipant takes an object: { name, urls, dataDirectory, prepare, commit, rollback }.',
    );
  }
  const { name, dataDirectory, journal, decisionLog } = settings;
  checkName(name, 'name');
  checkMethods(name, 'resource' in settings ? settings.resource : settings);
  const hasResource = 'resource' in settings;
  checkFields(
    settings,
    hasResource ? { ...settingFields, resource: 'any' } : { ...settingFields, ...resourceFields },
    "serveParticipant's options",
    // Spread, a resource may bring methods of its own, such as `close`.
    (given) => !hasResource && typeof given === 'function',
  );
  checkNodeUrls(settings);
  if (settings.sharedResource !== undefined) checkName(settings.sharedResource, 'sharedResource');
  checkCredentials(settings);
  if (settings.metrics !== undefined) checkRegistry(settings.metrics);
  const { readyTimeoutMs = 0 } = settings;
  if (!Number.isSafeInteger(readyTimeoutMs) || readyTimeoutMs < 0) {
    throw new RangeError(
      'readyTimeoutMs must be a whole number of milliseconds, 0 for no limit; the default is 600,000.',
    );
  }
  if (decisionLog !== undefined) checkDecisionLog(decisionLog);
  checkAdoption(settings.adoptCluster);
  if ((dataDirectory === undefined) === (journal === undefined)) {
    throw new TypeError(
      'give either dataDirectory (where the journal is kept) or a journal of your own',
    );
  }
  const { journalKind } = settings;
  if (journalKind !== undefined && journalKind !== 'lmdb' && journalKind !== 'sqlite') {
    throw new TypeError(`journalKind must be 'lmdb' or 'sqlite', not ${shown(journalKind)}.`);
  }
  if (journal !== undefined && settings.encryption !== undefined) {
    throw new TypeError('encryption is for the journal in dataDirectory: give that, or neither.');
  }
}

const etcdFields: Fields<EtcdDecisionLog> = {
  endpoints: 'any',
  cluster: 'text',
  tls: 'object',
  auth: 'object',
  resolve: 'flag',
};

function checkDecisionLog(decisionLog: NonNullable<ServeBaseOptions['decisionLog']>): void {
  checkFields(decisionLog, { etcd: 'object' }, 'decisionLog');
  const { etcd }: Partial<typeof decisionLog> = decisionLog;
  if (etcd === undefined) throw new TypeError('decisionLog needs etcd: { endpoints, cluster }.');
  checkFields(etcd, etcdFields, 'decisionLog.etcd');
  checkFields(etcd.auth, { username: 'text', password: 'text' }, 'decisionLog.etcd.auth');
  etcdParts(etcd.endpoints);
}

/** Throws for a logger that is none. */
export function loggerOf({ logger, name }: ServeBaseOptions): Logger {
  return logger === undefined
    ? stderrLogger(name)
    : userLogger(logger, "serveParticipant's options");
}

/** JavaScript starts without them, and would find it out at the first transaction. */
function checkMethods(name: string, given: unknown): void {
  const resource = (given ?? {}) as Readonly<Record<string, unknown>>;
  for (const method of ['prepare', 'commit', 'rollback']) {
    if (typeof resource[method] === 'function') continue;
    throw new TypeError(`Participant ${name} has no method ${method}. ${advice(resource)}`);
  }
  for (const method of ['begin', 'inDoubt', 'forgotten']) {
    const optional = resource[method];
    if (optional !== undefined && typeof optional !== 'function')
      throw new TypeError(`${method} of participant ${name} must be a method.`);
  }
}

function advice(resource: Readonly<Record<string, unknown>>): string {
  if (typeof resource === 'function')
    return 'This is a function: call it, and give what it returns.';
  if (typeof resource['then'] === 'function') return 'This is a promise: await it.';
  // A versioned store or an outbox.
  if (typeof resource['resource'] === 'function')
    return 'Give what its resource() returns: resource: store.resource().';
  return 'Give prepare, commit and rollback, or a resource that has them.';
}
