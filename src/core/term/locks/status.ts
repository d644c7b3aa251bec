/** Who holds and who waits for locks, how long: of one transaction, and for operators of all. */
import { lockNameParts } from '../../locks/names.ts';
import type {
  LockInfo,
  LockParty,
  LockStatus,
  Locks,
  LocksReply,
  TransactionStatus,
} from '../../messages.ts';
import { scopeOf, unscoped } from '../../scope.ts';
import type { Transaction } from '../../transaction.ts';
import type { Txid } from '../../txid.ts';
import { listLimit } from '../events.ts';
import { namedFor } from '../requests/requests.ts';
import type { TermState } from '../state.ts';

const maxNamed = 16;
const maxParties = 100;

export type LockListing = Omit<LocksReply, 'type' | 'id'>;

/** What a status adds for one that holds or waits for any. */
export function locksOf(
  state: TermState,
  transaction: Transaction,
  seesAll: boolean,
): Pick<TransactionStatus, 'locks' | 'lockGroup'> {
  const { lockGroup } = transaction;
  const locks: LockStatus[] = [];
  for (const [name, { mode, sinceMs }] of state.locks.table.held(transaction)) {
    locks.push({ key: lockNameParts(name).key, mode, held: true, forMs: state.ageMs(sinceMs) });
  }
  for (const request of state.locks.table.waits(transaction)) {
    for (const { key: name } of request.wants) {
      const queue = state.locks.table.queue(name);
      const mode = queue?.modeOf(request) ?? null;
      if (queue === null || mode === null) continue;
      const waitsFor = new Set<Txid>();
      for (const other of queue.blockersOf(request)) {
        waitsFor.add(seesAll ? other.txid : namedFor(transaction, other));
        if (waitsFor.size >= maxNamed) break;
      }
      locks.push({
        key: lockNameParts(name).key,
        mode,
        held: false,
        forMs: state.ageMs(request.sinceMs),
        waitsFor: [...waitsFor],
      });
    }
  }
  return {
    ...(locks.length === 0 ? {} : { locks }),
    ...(lockGroup === null ? {} : { lockGroup: unscoped(lockGroup) }),
  };
}

/** Who waits for what it holds, the first few. */
export function blockedBy(
  state: TermState,
  transaction: Transaction,
): { readonly key: string; readonly txid: Txid }[] {
  const blocked: { readonly key: string; readonly txid: Txid }[] = [];
  for (const name of state.locks.table.held(transaction).keys()) {
    const { key } = lockNameParts(name);
    for (const { owner } of state.locks.table.queue(name)?.requests() ?? []) {
      if (owner !== transaction) blocked.push({ key, txid: owner.txid });
      if (blocked.length >= maxNamed) return blocked;
    }
  }
  return blocked;
}

export function listLocks(state: TermState, message: Omit<Locks, 'type' | 'id'>): LockListing {
  const limit = listLimit(message.limit);
  const found: { name: string; waiting: number }[] = [];
  for (const [name, { waiting }] of state.locks.table.keys()) {
    if (message.group !== undefined && unscoped(lockNameParts(name).group) !== message.group)
      continue;
    if (message.waiting !== undefined && message.waiting !== waiting > 0) continue;
    found.push({ name, waiting });
  }
  found.sort((one, other) => other.waiting - one.waiting);
  return {
    locks: found.slice(0, limit).map(({ name }) => infoOf(state, name)),
    truncated: found.length > limit,
  };
}

function infoOf(state: TermState, name: string): LockInfo {
  const queue = state.locks.table.queue(name);
  const holders: LockParty[] = [];
  const waiters: LockParty[] = [];
  for (const [owner, mode] of queue?.holders() ?? []) {
    if (holders.length >= maxParties) break;
    const sinceMs = state.locks.table.held(owner).get(name)?.sinceMs ?? state.nowMs;
    holders.push({ txid: owner.txid, mode, forMs: state.ageMs(sinceMs) });
  }
  for (const request of queue?.requests() ?? []) {
    if (waiters.length >= maxParties) break;
    const mode = queue?.modeOf(request) ?? 'exclusive';
    waiters.push({ txid: request.owner.txid, mode, forMs: state.ageMs(request.sinceMs) });
  }
  const { group, key } = lockNameParts(name);
  const client = scopeOf(group);
  return {
    shard: state.config.shard,
    group: unscoped(group),
    ...(client === undefined ? {} : { client }),
    key,
    holders,
    waiters,
    holding: queue?.holders().size ?? 0,
    waiting: queue?.waiting ?? 0,
  };
}
