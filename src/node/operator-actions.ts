/** What one operator has asked for, each written to the audit log when its answer is known. */
import { defined } from '../core/defined.ts';
import type { FromNode, ToNode } from '../core/messages.ts';
import { type Audit, type AuditPeer, auditedActions, type OperatorAction } from '../ports/audit.ts';
import { maxReasonBytes } from '../wire/limits.ts';
import { fitText } from '../wire/utf8.ts';
import { unquoted } from './unquoted.ts';

type Action = Extract<ToNode, { readonly type: (typeof auditedActions)[number] }>;
type Asked = Omit<OperatorAction, 'result'>;

/** Without an answer, of one connection. Past it the line is written before the answer. */
const maxAsked = 1_000;
const names: ReadonlySet<string> = new Set(auditedActions);

export function isAction(message: ToNode): message is Action {
  return names.has(message.type);
}

export class OperatorActions {
  readonly #audit: Audit;
  readonly #peer: () => AuditPeer;
  readonly #asked = new Map<number, Asked>();

  constructor(audit: Audit, peer: () => AuditPeer) {
    this.#audit = audit;
    this.#peer = peer;
  }

  waitsFor(id: number | undefined): boolean {
    return id !== undefined && this.#asked.has(id);
  }

  asked(message: Action): void {
    const { id } = message;
    this.#end(id, { result: 'unknown' });
    this.#asked.set(id, { event: 'operator-action', ...this.#peer(), ...contentOf(message) });
    if (this.#asked.size > maxAsked) this.#end(id, { result: 'unknown' });
  }

  answered(message: FromNode): void {
    if (!('id' in message) || message.id === undefined || !this.#asked.has(message.id)) return;
    const result = resultOf(message);
    if (result !== null) this.#end(message.id, result);
  }

  /** The connection is over: what is still under way goes on, and its end is not told to anyone. */
  ended(): void {
    for (const id of [...this.#asked.keys()]) this.#end(id, { result: 'unknown' });
  }

  #end(id: number, result: Result): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    this.#asked.delete(id);
    this.#audit.write({ ...asked, ...result });
  }
}

type Result = Pick<OperatorAction, 'result' | 'source' | 'why' | 'pending' | 'resumed' | 'sent'>;

function contentOf(message: Action): Omit<Asked, 'event' | keyof AuditPeer> {
  const { type: action, reason } = message;
  const why = reason === undefined ? {} : { reason: fitText(reason, maxReasonBytes) };
  switch (message.type) {
    case 'retire':
    case 'rebind': {
      const { participant, instance, sharedResource } = message;
      const target =
        instance === undefined ? { sharedResource: sharedResource ?? '' } : { instance };
      const to = message.type === 'rebind' ? { to: message.identity } : {};
      return { action, participant, target, ...to, ...why };
    }
    case 'rollback':
    case 'resolve':
      return { action, txid: message.txid, ...why };
    case 'step-down': {
      const { shard, to } = message;
      return { action, ...defined({ shard, to }), ...why };
    }
    case 'log-level': {
      const { level, forMs } = message;
      return { action, level, ...defined({ forMs }), ...why };
    }
    case 'retry':
    case 'acknowledge':
      return { action, txid: message.txid, ...defined({ branch: message.branch }), ...why };
    case 'recover':
    case 'drain':
    case 'undrain':
      return { action, ...why };
  }
}

function resultOf(message: FromNode): Result | null {
  switch (message.type) {
    case 'error':
      return { result: message.code, why: unquoted(message.message) };
    case 'retired':
    case 'rebound':
      return { result: 'done' };
    case 'undrained':
    case 'log-level-set':
      return { result: 'done' };
    case 'stepped-down':
    case 'drained': {
      const kept = message.shards.filter(({ to }) => to === null);
      if (kept.length === 0) return { result: 'done' };
      return { result: 'kept', why: kept.map(({ shard, why }) => `${shard}: ${why}`).join(' ') };
    }
    case 'retried':
      return { result: 'done', sent: message.branches.filter(({ sent }) => sent).length };
    case 'acknowledged':
      return { result: message.byHand ? 'done' : 'not-needed' };
    case 'recovered':
      return { result: 'done', pending: message.pending, resumed: message.resumed };
    case 'decision':
      return { result: message.decision, source: message.source };
    case 'outcome':
      return { result: message.outcome };
    default:
      return null;
  }
}
