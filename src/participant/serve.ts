/** `serveParticipant`: the public way in. */
import { checkFields } from '../core/fields.ts';
import type { Txid } from '../core/txid.ts';
import type { BranchRef, Resource } from '../ports/resource.ts';
import { environmentVariable } from '../system/environment.ts';
import { loadTracing } from '../tracing/tracing.ts';
import { adoptionVariable, readAdoption } from './adoption-line.ts';
import type { EnlistOptions } from './enlist.ts';
import {
  checkSettings,
  loggerOf,
  resourceOf,
  type ServeBaseOptions,
  type ServeOptions,
} from './options.ts';
import { Participant } from './participant.ts';
import { openPorts } from './ports.ts';
import { Ready, readyTimeoutMsDefault } from './ready.ts';

/** Made by `serveParticipant`. Close it when you are done, or hold it with `await using`. */
export interface ParticipantHandle {
  /** The name that it serves under. */
  readonly name: string;
  /** The id of the durable store: the same after every start on it. */
  readonly instance: string;
  /**
   * Joins a running transaction. Resolves when the leader has agreed and a rollback would be heard
   * of; do nothing for the transaction before that. Then work; `prepare` is called when the client
   * commits, `rollback` when it does not, or when no prepare came for `lockLimitMs`. Asking for the
   * same again is harmless. A rollback may also come while the application is still at that work:
   * it ends the work, and nothing may be held after it.
   *
   * Throws VerdictError: WRONG_STATE (commit or rollback came first), UNKNOWN_TRANSACTION,
   * CONNECTION_LOST and TIMEOUT (no leader answered in time; it may have agreed, and then asks to
   * prepare what is not there: vote abort), ABORTED_BY_CALLER, CLOSED.
   */
  enlist(txid: Txid, options?: EnlistOptions): Promise<BranchRef>;
  /** Branches that voted commit and do not know their outcome. */
  inDoubt(): readonly BranchRef[];
  /**
   * Resolves at once where a node is connected, else with the first welcome. Nothing depends on it:
   * a participant that is not connected goes on trying. Throws VerdictError: TIMEOUT,
   * ABORTED_BY_CALLER, and CLOSED once it is being closed, or its journal failed.
   */
  connected(options?: {
    readonly timeoutMs?: number;
    readonly signal?: AbortSignal;
  }): Promise<void>;
  /**
   * Takes no new branch, lets what is under way end for up to `timeoutMs` (default 10,000), then
   * closes the connections and the journal that it opened. What is in doubt stays in the journal.
   */
  close(options?: { readonly timeoutMs?: number }): Promise<void>;
  /** Same as `close`, with its default time-out. */
  [Symbol.asyncDispose](): Promise<void>;
}

const connectedTimeoutMs = 10_000;

/**
 * Serves a resource to a cluster: keeps a session with every node, remembers votes and outcomes in
 * a journal, answers repeats from it, and ends every doubt. Presumed-abort two-phase commit (Mohan
 * et al. 1986). Resolves when the journal is loaded and the nodes are being dialled; it need not
 * have reached one.
 *
 * See `Resource` for what prepare, commit and rollback owe: above all, a vote is a promise that
 * must survive a crash, and commit and rollback may be called more than once.
 *
 * Throws TypeError and RangeError for settings that cannot be, VerdictError TIMEOUT where `ready`
 * could not be called or did not end within `readyTimeoutMs`, JournalError when the journal is
 * broken, of a newer format, owned by another process, or cannot be kept where it is to be, and an
 * Error named NativePackageError where the package that keeps it is missing.
 *
 * ```ts
 * await using participant = await serveParticipant({
 *   name: 'inventory',
 *   urls: ['127.0.0.1:7070'],
 *   dataDirectory: './data/inventory',
 *   prepare: async ({ txid, branch, payload }) => {
 *     if (!(await reserve(txid, branch, payload))) return vote.abort('None left.');
 *     return vote.commit();
 *   },
 *   commit: ({ txid, branch }) => confirmReservation(txid, branch),
 *   rollback: ({ txid, branch }) => dropReservation(txid, branch),
 * });
 * ```
 */
export async function serveParticipant<Payload = unknown, Result = unknown>(
  options: ServeOptions<Payload, Result>,
): Promise<ParticipantHandle> {
  checkSettings(options);
  loggerOf(options);
  const adoption = readAdoption(environmentVariable(adoptionVariable)) ?? options.adoptCluster;
  await loadTracing();
  let serving: Participant | null = null;
  // Before it serves, whoever starts it is told by the write that failed.
  const failed = (error: Error): void => serving?.fail(error);
  const ports = await openPorts(options, options.onFatal === undefined ? undefined : failed);
  const readiness = new Ready();
  let participant: Participant;
  let forgetMetrics: () => void;
  try {
    const given = resourceOf(options) as Resource;
    const resource = options.behind?.(given, options.name) ?? given;
    const waiting = options.ready === undefined ? resource : readiness.waiting(resource);
    participant = await Participant.start(
      adoption === undefined ? options : { ...options, adoptCluster: adoption },
      waiting,
      ports,
    );
    serving = participant;
  } catch (error) {
    await ports.close();
    throw error;
  }
  try {
    forgetMetrics = await registered(participant, options);
  } catch (error) {
    await participant.close({ timeoutMs: 0 });
    await ports.close();
    throw error;
  }
  participant.checkDecisionLog();
  const close = async (how: { readonly timeoutMs?: number } = {}): Promise<void> => {
    checkFields(how, { timeoutMs: 'ms' }, "close's options");
    forgetMetrics();
    await participant.close(how);
    await ports.close();
  };
  if (options.ready !== undefined) {
    const { clock } = ports;
    const logger = loggerOf(options);
    const unended = (): readonly BranchRef[] => participant.unended();
    const { ready, readyTimeoutMs: timeoutMs = readyTimeoutMsDefault } = options;
    try {
      await readiness.run(ready, { clock, logger, unended, timeoutMs });
    } catch (error) {
      await close();
      throw error;
    }
  }
  return {
    name: participant.name,
    instance: participant.instance,
    enlist: (txid, how = {}) => participant.enlist(txid, how),
    inDoubt: () => participant.inDoubt(),
    connected: async (how = {}) => {
      checkFields(how, { timeoutMs: 'ms', signal: 'signal' }, "connected's options");
      const { timeoutMs = connectedTimeoutMs, signal = new AbortController().signal } = how;
      await participant.connected({ timeoutMs, signal });
    },
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** Loaded only where there is a registry. Returns what takes them away. */
async function registered(
  participant: Participant,
  { metrics }: Pick<ServeBaseOptions, 'metrics'>,
): Promise<() => void> {
  if (metrics === undefined) return () => undefined;
  const [{ registerMetrics }, { participantMetrics }] = await Promise.all([
    import('../peer/pulled-metric.ts'),
    import('./metrics.ts'),
  ]);
  return registerMetrics(metrics, participantMetrics, () => participant.reading());
}
