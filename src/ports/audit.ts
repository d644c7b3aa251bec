/**
 * The audit log: who was let in or refused, what operators did, what was aborted by force, what the
 * node ran with. It never holds a secret, a payload or a result, and nothing of each transaction.
 */
import type { DecisionSource, PeerRole } from '../core/messages.ts';
import type { Retired } from '../core/retired.ts';

/** Whose connection it is. Names, instance and roles are what its hello said. */
export interface AuditPeer {
  /** Its number at this node, the same in all lines about it. */
  readonly connection: number;
  /** Of the access file; null: it belongs to the installation, and is no one in particular. */
  readonly identity: string | null;
  readonly address: string;
  readonly name?: string;
  readonly instance?: string;
  readonly roles?: readonly PeerRole[];
  readonly sharedResource?: string;
}

export interface ConnectionAccepted extends AuditPeer {
  readonly event: 'connection-accepted';
}

/** Before the upgrade there is no number yet, and no one has said a name. */
export interface ConnectionRefused extends Partial<AuditPeer> {
  readonly event: 'connection-refused';
  readonly stage: 'upgrade' | 'hello';
  readonly address: string;
  readonly code: string;
  readonly why: string;
}

/** How many `connection-refused` were not written since the last such line, by code. */
export interface RefusalsLeftOut {
  readonly event: 'refusals-left-out';
  readonly count: number;
  readonly codes: Readonly<Record<string, number>>;
}

/** How many lines about peers that were let in were not written since the last such line. */
export interface PeerLinesLeftOut {
  readonly event: 'peer-lines-left-out';
  readonly count: number;
  /** How many of each. */
  readonly events: Readonly<Record<string, number>>;
  /** How many of whom: of some identities, and of addresses where they have none. */
  readonly peers: Readonly<Record<string, number>>;
}

export interface ConnectionEnded extends AuditPeer {
  readonly event: 'connection-ended';
  readonly kind: string;
  readonly code: number;
  readonly why: string;
}

export interface CredentialRenewed extends AuditPeer {
  readonly event: 'credential-renewed';
  /** By the wall clock, in milliseconds since 1970. */
  readonly expiresAtMs: number | null;
}

export const auditedActions = [
  'retire',
  'rebind',
  'rollback',
  'resolve',
  'recover',
  'step-down',
  'drain',
  'undrain',
  'log-level',
  'retry',
  'acknowledge',
] as const;

export interface OperatorAction extends AuditPeer {
  readonly event: 'operator-action';
  readonly action: (typeof auditedActions)[number];
  readonly txid?: string;
  readonly branch?: string;
  readonly participant?: string;
  /** Of what is retired or bound anew: not the operator's own. */
  readonly target?: { readonly instance: string } | { readonly sharedResource: string };
  /** Of `rebind`: whose it is from now on. Of `step-down`: the node that was named. */
  readonly to?: string;
  /** Of `step-down`. */
  readonly shard?: number;
  /** Of `log-level`. */
  readonly level?: string;
  readonly forMs?: number;
  /** As the operator gave it. */
  readonly reason?: string;
  /**
   * `done`, the decision, the outcome, or an error's code; `unknown` where the connection ended
   * before the answer.
   */
  readonly result: string;
  readonly source?: DecisionSource;
  readonly why?: string;
  readonly pending?: number;
  readonly resumed?: number;
  /** Of `retry`: how many commands were sent. */
  readonly sent?: number;
}

/** A transaction that was not decided yet is aborted because this peer said so. */
export interface ForcedAbort extends Partial<AuditPeer> {
  readonly event: 'forced-abort';
  readonly txid: string;
  readonly by: 'resolve' | 'rollback';
  /** Written to the decision log, at a node that does not lead; else the leader's own doing. */
  readonly recorded: boolean;
}

/** Whoever it was that retired it: this node refuses it from now on. */
export type ParticipantRetired = Retired & { readonly event: 'retired' };

export type ConfigurationChanged =
  | {
      readonly event: 'configuration-changed';
      readonly what: 'access-file';
      /** Names of identities. */
      readonly added: readonly string[];
      readonly removed: readonly string[];
      readonly changed: readonly string[];
      /** Issuers, or trusted proxies. */
      readonly others: boolean;
    }
  | {
      readonly event: 'configuration-changed';
      readonly what: 'certificate';
      readonly serial: string;
      readonly notAfter: string;
    };

export interface NodeStarted {
  readonly event: 'started';
  readonly version: string;
  readonly pid: number;
  /** What is in force: places of secrets, and never what they hold. */
  readonly configuration: Readonly<Record<string, unknown>>;
}

export interface NodeStopped {
  readonly event: 'stopped';
  readonly how: 'signal' | 'fault' | 'exit';
  readonly signal?: string;
  readonly error?: string;
  readonly exitCode?: number;
}

export type AuditEvent =
  | ConnectionAccepted
  | ConnectionRefused
  | RefusalsLeftOut
  | PeerLinesLeftOut
  | ConnectionEnded
  | CredentialRenewed
  | OperatorAction
  | ForcedAbort
  | ParticipantRetired
  | ConfigurationChanged
  | NodeStarted
  | NodeStopped;

export interface Audit {
  /** Never throws, and no one waits for it. The adapter adds the time, the node and a number. */
  write(event: AuditEvent): void;
  /** Resolves when all is written, or when it is certain that it cannot be. */
  close(): Promise<void>;
}

/** Where no one asked for one. */
export const noAudit: Audit = {
  write: () => undefined,
  close: async () => undefined,
};
