/**
 * Traces as quint emits them (Informal Trace Format), and the specification's state as they spell
 * it.
 */

import type { ItfTrace, ItfValue } from '@informalsystems/quint/dist/src/itf.js';

export interface SpecLeader {
  readonly nonce: number;
  readonly revision: number;
  readonly generation: number;
}
export interface SpecLog {
  readonly revision: number;
  readonly generation: number;
  readonly leader: SpecLeader;
  readonly decisions: ReadonlyMap<number, 'commit' | 'abort'>;
  readonly finished: ReadonlyMap<number, 'commit' | 'abort'>;
  readonly request: number;
  readonly floor: number;
}
export interface SpecTransaction {
  readonly epoch: number;
  readonly position: number;
  readonly nonce: number;
  readonly attempt: number;
}
export interface SpecWrite {
  readonly kind: 'decide' | 'finish' | 'collect' | 'force';
  readonly key: SpecLeader;
  readonly txid: number;
  readonly page: readonly number[];
  readonly floor: number;
}
export interface SpecMessage {
  readonly kind: string;
  readonly p: string;
  readonly txid: number;
  readonly nonce: number;
  readonly witness: number;
}
export interface SpecHeld {
  readonly state:
    | 'PENDING'
    | 'PREPARING'
    | 'READY'
    | 'COMMITTING'
    | 'FINISHING'
    | 'ABORTING'
    | 'FATE';
  readonly votes: readonly string[];
  readonly owing: readonly string[];
  readonly waiting: readonly number[];
  readonly reading: number;
}
export interface SpecTerm {
  readonly key: SpecLeader;
  readonly mode: 'taken' | 'leading' | 'over' | 'dead';
  readonly seen: number;
  readonly held: ReadonlyMap<number, SpecHeld>;
}
export interface SpecBranch {
  readonly state: 'preparing' | 'prepared' | 'committed' | 'gone' | 'forgotten';
  readonly epoch: number;
  readonly witness: number;
  readonly nonce: number;
}
export interface SpecState {
  readonly log: SpecLog;
  readonly net: {
    readonly fresh: readonly SpecMessage[];
    readonly stale: readonly SpecMessage[];
    readonly writes: readonly SpecWrite[];
    readonly replies: readonly SpecReply[];
  };
  readonly transactions: ReadonlyMap<number, SpecTransaction>;
  readonly terms: ReadonlyMap<number, SpecTerm>;
  readonly journals: ReadonlyMap<
    string,
    { readonly known: number; readonly branches: ReadonlyMap<number, SpecBranch> }
  >;
  readonly history: {
    readonly said: readonly (readonly [number, string])[];
    readonly told: readonly (readonly [number, 'committed' | 'aborted'])[];
  };
}
export interface SpecReply {
  readonly write: SpecWrite;
  readonly answer: string;
  readonly other: number;
  readonly seen: number;
}
export interface SpecEvent {
  readonly act: string;
  readonly nonce: number;
  readonly txid: number;
  readonly p: string;
}
export interface Moment {
  readonly s: SpecState;
  readonly event: SpecEvent;
}

export function momentsOf(trace: ItfTrace): Moment[] {
  return trace.states.map((state) => plain(state) as unknown as Moment);
}

type Plain = boolean | string | number | Plain[] | Map<Plain, Plain> | { [name: string]: Plain };

function plain(value: ItfValue): Plain {
  if (typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(plain);
  if ('#bigint' in value) return Number(value['#bigint']);
  if ('#set' in value) return (value['#set'] as ItfValue[]).map(plain);
  if ('#tup' in value) return (value['#tup'] as ItfValue[]).map(plain);
  if ('#map' in value) {
    const pairs = value['#map'] as [ItfValue, ItfValue][];
    return new Map(pairs.map(([key, held]) => [plain(key), plain(held)]));
  }
  const entries = Object.entries(value).filter(([name]) => name !== '#meta');
  return Object.fromEntries(entries.map(([name, held]) => [name, plain(held as ItfValue)]));
}
