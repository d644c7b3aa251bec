/** Participant to node, and the other way. */
import {
  type Ack,
  type FromParticipant,
  type HeldBranchStatus,
  heldStates,
  type Report,
  type ToParticipant,
  type VoteReason,
  voteReasonCodes,
  votes,
  type Witness,
} from '../../core/messages.ts';
import { maxLines, maxReportLines } from '../limits.ts';
import {
  branchField,
  count,
  duration,
  epochField,
  errorCode,
  id,
  key,
  type ShapesOf,
  sentence,
  traceContext,
  txidField,
} from '../shapes.ts';
import {
  anything,
  boolean,
  decimal,
  integer,
  list,
  map,
  oneOf,
  optional,
  required,
  txid,
} from '../validators.ts';
import { operatorReason } from './operator.ts';

const witness = map<Witness>({
  generation: required(integer(0, 36 ** 4 - 1), 'How often an operator restored the log.'),
  revision: required(decimal, 'The newest position of the log, as text: it does not fit a double.'),
});

const reportLine = map<Report['inDoubt'][number]>({
  txid: required(txid, 'A transaction in doubt.'),
  witness: required(witness, 'What its prepare carried.'),
});

const voteReason = map<VoteReason>({
  code: optional(oneOf(voteReasonCodes), 'VOTED_ABORT where absent.'),
  message: required(sentence, 'Why, for people.'),
  retryable: optional(
    boolean,
    'Whether the same request may succeed later; as for the code where absent.',
  ),
  detail: optional(anything, 'More, such as the key and versions of a CONFLICT.'),
});

const ackError = map<NonNullable<Ack['error']>>({
  code: required(errorCode, 'What is wrong, for programs.'),
  message: required(sentence, 'What is wrong, for people.'),
});

const heldBranch = map<HeldBranchStatus>({
  branch: branchField,
  state: required(oneOf(heldStates), 'How far it is there.'),
  attempts: optional(count, 'Calls of the commit or rollback so far.'),
  error: optional(sentence, 'What the last of them threw.'),
});

export const fromParticipant: ShapesOf<FromParticipant> = {
  query: {
    id,
    txid: txidField,
    inDoubt: required(boolean, 'The sender voted `commit` and does not know the outcome.'),
    witness: optional(witness, 'What its prepare carried.'),
  },
  resolve: {
    id,
    txid: txidField,
    witness: optional(witness, 'What its prepare carried.'),
    reason: operatorReason,
  },
  report: {
    id,
    inDoubt: required(
      list(reportLine, maxReportLines),
      'Branches that voted `commit` and do not know the outcome.',
    ),
    kept: required(
      list(txid, maxReportLines),
      'Transactions whose commit is kept until a `forget`.',
    ),
  },
  vote: {
    txid: txidField,
    branch: branchField,
    vote: required(oneOf(votes), 'Durable before it is sent.'),
    reason: optional(voteReason, 'Why the vote is `abort`.'),
    result: optional(anything, 'Passed to the client with the outcome.'),
  },
  working: { txid: txidField, branch: branchField },
  ack: {
    txid: txidField,
    branch: branchField,
    decision: required(oneOf(['commit', 'abort']), 'The decision it acknowledges.'),
    ok: required(boolean, 'Whether it is carried out, durably.'),
    error: optional(ackError, 'Why not.'),
  },
  described: {
    txid: txidField,
    branches: required(
      list(heldBranch, (limits) => limits.maxBranches, '`maxBranches`'),
      'What it knows of each.',
    ),
  },
};

export const toParticipant: ShapesOf<ToParticipant> = {
  decision: {
    id: optional(count, 'Of the query; absent in the answer to a line of a report.'),
    txid: txidField,
    decision: required(
      oneOf(['commit', 'abort', 'undecided', 'expired']),
      'What was decided, if it was and is still known.',
    ),
    source: required(oneOf(['recorded', 'presumed', 'forced']), 'How that is known.'),
  },
  reported: { id },
  prepare: {
    txid: txidField,
    branch: branchField,
    epoch: epochField,
    witness: required(witness, 'The position of the log; keep it with the vote.'),
    timeoutMs: required(duration, 'Vote within this, or say `working`.'),
    payload: optional(anything, 'What the client asks of the participant; absent if it gave none.'),
    ...traceContext,
  },
  commit: { txid: txidField, branch: branchField, epoch: epochField, ...traceContext },
  rollback: { txid: txidField, branch: branchField, epoch: epochField, ...traceContext },
  forget: { txids: required(list(txid, maxLines), 'Every branch has acknowledged these.') },
  describe: {
    txid: txidField,
    branches: required(
      list(key, (given) => given.maxBranches, '`maxBranches`'),
      'Beside those in memory, these are looked for in the journal.',
    ),
  },
};
