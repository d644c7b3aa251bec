/**
 * One sample of every state and every kind of event of the branch machine, and a short way to say
 * what a step did.
 */
import type {
  BranchContext,
  Found,
  LocalBranch,
  LocalBranchOf,
  LocalEffect,
  LocalEvent,
  LocalState,
  PrepareData,
} from '../../../src/core/branch/branch.ts';
import { type Epoch, makeEpoch, type Txid } from '../../../src/core/txid.ts';
import { makeTxid } from './txids.ts';

export const olderEpoch: Epoch = makeEpoch({ generation: 1, revision: 6n });
export const epoch: Epoch = makeEpoch({ generation: 1, revision: 7n });
export const newerEpoch: Epoch = makeEpoch({ generation: 1, revision: 8n });
export const txid: Txid = makeTxid({ shard: 0, epoch, sequence: 1, random: 'a'.repeat(13) });
const identity = { txid, branch: 'stock' } as const;

export const prepareData: PrepareData = {
  epoch,
  witness: { generation: 1, revision: '70' },
  timeoutMs: 1_000,
  payload: { take: 1 },
};

export const context: BranchContext = {
  knownEpoch: epoch,
  shared: false,
  siblings: false,
  recordsStart: false,
  keepsVotes: false,
};

/** The connection that the sample states wait for, and the one that the sample events come from. */
export const first = 1;
export const second = 2;

const asked = { owed: [first], told: [] } as const;
const own = { ...asked, takenOver: null } as const;
const kept = { epoch, witness: prepareData.witness, payload: prepareData.payload } as const;

export const sampleStates: { readonly [Name in LocalState]: LocalBranchOf<Name> } = {
  unknown: { ...identity, state: 'unknown' },
  starting: {
    ...identity,
    state: 'starting',
    enlisting: false,
    prepare: prepareData,
    voter: first,
    rollback: false,
    owed: [],
  },
  working: { ...identity, state: 'working' },
  orphaned: {
    ...identity,
    state: 'orphaned',
    witness: kept.witness,
    payload: kept.payload,
    recorded: true,
  },
  'voted-elsewhere': { ...identity, state: 'voted-elsewhere' },
  kept: { ...identity, state: 'kept', witness: prepareData.witness },
  preparing: {
    ...identity,
    state: 'preparing',
    prepare: prepareData,
    voter: first,
    interrupted: null,
    owed: [],
  },
  voting: {
    ...identity,
    state: 'voting',
    prepare: prepareData,
    vote: 'commit',
    result: 'left 3',
    voter: first,
    rollback: false,
    owed: [],
  },
  prepared: { ...identity, state: 'prepared', ...kept, result: 'left 3' },
  readonly: { ...identity, state: 'readonly', result: 'left 3' },
  committing: {
    ...identity,
    state: 'committing',
    ...own,
    payload: prepareData.payload,
    attempt: 1,
    lastError: null,
    result: 'left 3',
  },
  'recording-commit': { ...identity, state: 'recording-commit', ...asked, result: 'left 3' },
  committed: { ...identity, state: 'committed', result: 'left 3' },
  'rolling-back': {
    ...identity,
    state: 'rolling-back',
    ...own,
    payload: prepareData.payload,
    attempt: 1,
    lastError: null,
    reason: null,
    begunElsewhere: false,
  },
  'rolled-back': { ...identity, state: 'rolled-back', payload: prepareData.payload },
  'recording-abort': { ...identity, state: 'recording-abort', ...asked, reason: null },
  gone: { ...identity, state: 'gone', reason: null },
  forgotten: { ...identity, state: 'forgotten' },
};

export function found(state: Found['state']): Found {
  return { state, ...kept, result: 'left 3' };
}

/** The tombstone of a commit. */
export const foundForgotten: Found = { ...found('tombstone'), forgotten: true };

export type SampleEvent =
  | 'prepare'
  | 'commit'
  | 'rollback'
  | 'forget'
  | 'answer commit'
  | 'answer abort'
  | 'answer undecided'
  | 'answer expired'
  | 'enlisted'
  | 'connection-lost'
  | 'says commit'
  | 'says readonly'
  | 'says abort'
  | 'threw'
  | 'application-committed'
  | 'application-rolled-back'
  | 'application-failed'
  | 'nothing to commit'
  | 'is committed'
  | 'is committed by a sibling'
  | 'held'
  | 'held by another'
  | 'journal nothing'
  | 'journal started'
  | 'journal prepared'
  | 'journal readonly'
  | 'journal committed'
  | 'journal tombstone'
  | 'journal forgotten'
  | 'vote-written'
  | 'refused stale'
  | 'refused tombstone'
  | 'refused forgotten'
  | 'refused started'
  | 'refused prepared'
  | 'outcome-written'
  | 'contradicted committed'
  | 'contradicted tombstone'
  | 'contradicted forgotten'
  | 'prepare-timeout'
  | 'patience-over'
  | 'limit-over'
  | 'tombstone-due'
  | 'retry-due';

/** Every kind of event at least once. */
export const sampleEvents: Readonly<Record<SampleEvent, LocalEvent>> = {
  prepare: { type: 'prepare', connection: second, prepare: prepareData },
  commit: { type: 'commit', connection: second, epoch },
  rollback: { type: 'rollback', connection: second, epoch },
  forget: { type: 'forget' },
  'answer commit': { type: 'answer', decision: 'commit' },
  'answer abort': { type: 'answer', decision: 'abort' },
  'answer undecided': { type: 'answer', decision: 'undecided' },
  'answer expired': { type: 'answer', decision: 'expired' },
  enlisted: { type: 'enlisted' },
  'connection-lost': { type: 'connection-lost', connection: first },
  'says commit': {
    type: 'application-prepared',
    prepared: { vote: 'commit', result: 'left 3' },
  },
  'says readonly': {
    type: 'application-prepared',
    prepared: { vote: 'readonly', result: 'left 3' },
  },
  'says abort': {
    type: 'application-prepared',
    prepared: { vote: 'abort', reason: { message: 'too little stock' } },
  },
  threw: {
    type: 'application-prepared',
    prepared: { vote: 'threw', reason: { code: 'VOTED_ABORT', message: 'disk full' } },
  },
  'application-committed': { type: 'application-committed' },
  'application-rolled-back': { type: 'application-rolled-back' },
  'application-failed': { type: 'application-failed', message: 'disk full' },
  'nothing to commit': { type: 'application-failed', message: 'no such branch', found: 'nothing' },
  'is committed': { type: 'application-failed', message: 'by hand', found: 'committed' },
  'is committed by a sibling': {
    type: 'application-failed',
    message: 'on command',
    found: 'committed-by-sibling',
  },
  held: { type: 'held', mine: true },
  'held by another': { type: 'held', mine: false },
  'journal nothing': { type: 'journal', found: null },
  'journal started': { type: 'journal', found: found('started') },
  'journal prepared': { type: 'journal', found: found('prepared') },
  'journal readonly': { type: 'journal', found: found('readonly') },
  'journal committed': { type: 'journal', found: found('committed') },
  'journal tombstone': { type: 'journal', found: found('tombstone') },
  'journal forgotten': { type: 'journal', found: foundForgotten },
  'vote-written': { type: 'vote-written' },
  'refused stale': { type: 'vote-refused', by: 'stale-epoch' },
  'refused tombstone': { type: 'vote-refused', by: 'entry', entry: found('tombstone') },
  'refused forgotten': { type: 'vote-refused', by: 'entry', entry: foundForgotten },
  'refused started': { type: 'vote-refused', by: 'entry', entry: found('started') },
  'refused prepared': { type: 'vote-refused', by: 'entry', entry: found('prepared') },
  'outcome-written': { type: 'outcome-written' },
  'contradicted committed': { type: 'outcome-contradicted', entry: found('committed') },
  'contradicted tombstone': { type: 'outcome-contradicted', entry: found('tombstone') },
  'contradicted forgotten': { type: 'outcome-contradicted', entry: foundForgotten },
  'prepare-timeout': { type: 'prepare-timeout' },
  'patience-over': { type: 'patience-over' },
  'limit-over': { type: 'limit-over' },
  'tombstone-due': { type: 'tombstone-due' },
  'retry-due': { type: 'retry-due' },
};

/** `state | effect | effect`; `=` where nothing happens. */
export function describeStep(
  before: LocalBranch,
  step: { readonly branch: LocalBranch; readonly effects: readonly LocalEffect[] },
): string {
  if (step.branch === before && step.effects.length === 0) return '=';
  return [step.branch.state, ...step.effects.map(describeEffect)].join(' | ');
}

export function describeEffect(effect: LocalEffect): string {
  switch (effect.type) {
    case 'send': {
      const { message } = effect;
      if (message.type === 'vote') return `vote ${message.vote} to ${effect.to}`;
      const verdict = message.ok ? 'ok' : message.error?.code;
      return `ack ${message.decision} ${verdict} to ${effect.to}`;
    }
    case 'write-vote':
      return `write ${effect.state}`;
    case 'start-timer':
      return `start ${effect.timer}`;
    case 'stop-timer':
      return `stop ${effect.timer}`;
    case 'enlist-settled':
      return effect.refusal === null ? 'enlisted' : 'enlist refused';
    case 'alarm':
      return `alarm ${effect.alarm}`;
    default:
      return effect.type;
  }
}
