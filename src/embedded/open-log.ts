/** The decision log of a coordinator in the library. */
import { checkFields, type Fields, shown } from '../core/fields.ts';
import type { Clock } from '../ports/clock.ts';
import type { DecisionLog } from '../ports/decision-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type { Pem } from '../ports/tls.ts';
import { loadStore } from '../store/native-package.ts';

/** Decisions are gone with the process: for tests, and for participants that live no longer. */
export interface MemoryLogChoice {
  /** Chooses it. */
  readonly kind: 'memory';
}

/** Decisions are in LMDB, durable before they are answered. */
export interface LmdbLogChoice {
  /** Chooses it. */
  readonly kind: 'lmdb';
  /** Made where it is missing; it belongs to one coordinator of one process at a time. */
  readonly directory: string;
}

/** Decisions are in etcd: another process can finish what this one began. */
export interface EtcdLogChoice {
  /** Chooses it. */
  readonly kind: 'etcd';
  /** `http://host:port` or `https://host:port` of the members. */
  readonly endpoints: readonly string[];
  /** Keys lie under `/verdict/<cluster>/`: a name that no `verdict serve` uses. */
  readonly cluster: string;
  /** Keeps over restarts how far etcd had come, which tells a restored etcd. One a process. */
  readonly directory: string;
  /** This process's name in the cluster; one process at a time may have it. Default: random. */
  readonly node?: string;
  /** Fixed by the first process of the cluster: how many may lead at once. Default there: 1. */
  readonly shards?: number;
  /** How long after a leader has gone another may lead: whole seconds, 2 or more. Default 3,000. */
  readonly leaseTtlMs?: number;
  /**
   * Who signs etcd's certificates, and this process's own where etcd asks for one. Files are read
   * again for connections made after a failure, so that a certificate can be renewed while the
   * process runs.
   */
  readonly tls?: { readonly ca: Pem; readonly cert?: Pem; readonly key?: Pem };
  /** etcd's own users. Default: none. */
  readonly auth?: { readonly username: string; readonly password: string };
}

/** Where a `TransactionCoordinator` keeps its decisions. */
export type LogChoice = MemoryLogChoice | LmdbLogChoice | EtcdLogChoice;

export interface OpenedLog {
  readonly log: DecisionLog;
  readonly node: string;
}

const nodeDigits = 10;

/** Each implementation is loaded only where it is chosen. */
export async function openChosenLog(
  choice: LogChoice,
  given: {
    readonly clock: Clock;
    readonly random: Random;
    readonly logger: Logger;
    readonly onFatal: (error: unknown) => void;
  },
): Promise<OpenedLog> {
  checkChoice(choice);
  const { clock, random, onFatal } = given;
  const made = `embedded-${random.token(nodeDigits)}`;
  const { node = made } = choice.kind === 'etcd' ? choice : {};
  // No one can connect to it: peers are told so by its scheme.
  const url = `embedded://${node}`;
  switch (choice.kind) {
    case 'memory': {
      const { openMemoryLog } = await import('../decision-log/memory/log.ts');
      const { MemoryLogStore } = await import('../decision-log/memory/store.ts');
      return { log: openMemoryLog({ store: new MemoryLogStore(), node, url, clock }), node };
    }
    case 'lmdb': {
      const { openEmbeddedLog } = await loadStore(() => import('../decision-log/embedded/log.ts'));
      const { directory } = choice;
      return { log: await openEmbeddedLog({ directory, node, url, clock, onFatal }), node };
    }
    case 'etcd': {
      const { openOwnedEtcdLog } = await import('../decision-log/etcd/owned-log.ts');
      const { kind: _, directory: stateDirectory, ...rest } = choice;
      const { etcdEndpoints } = await import('../decision-log/etcd/endpoints.ts');
      // Ranges of shards on several etcds are for nodes.
      etcdEndpoints(rest.endpoints);
      const log = await openOwnedEtcdLog({ ...rest, ...given, node, url, stateDirectory });
      return { log, node };
    }
  }
}

const placeFields = { kind: 'text', directory: 'text' } as const;
const etcdFields: Fields<EtcdLogChoice> = {
  ...placeFields,
  // Looked at with the addresses, which say more.
  endpoints: 'any',
  cluster: 'text',
  node: 'text',
  shards: 'count',
  leaseTtlMs: 'ms',
  tls: 'object',
  auth: 'object',
};

function checkChoice(choice: LogChoice): void {
  const { kind, directory }: { kind?: unknown; directory?: unknown } = choice ?? {};
  if (kind === 'memory') return checkFields(choice, { kind: 'text' }, 'log');
  if (kind !== 'lmdb' && kind !== 'etcd') {
    throw new TypeError(`log.kind must be 'memory', 'lmdb' or 'etcd', not ${shown(kind)}.`);
  }
  checkFields(choice, kind === 'etcd' ? etcdFields : placeFields, 'log');
  if (directory === undefined) {
    throw new TypeError('log.directory must be given: it is made where it is missing.');
  }
}
