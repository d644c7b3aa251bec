/** What an operator asks about one transaction. */
import {
  type Explain,
  type Explained,
  type ExplainedBranch,
  type ExplainedEvent,
  type ExplainedWait,
  type Explanation,
  type ExplanationSource,
  explainedStates,
  explanationSources,
  waitKinds,
} from '../../core/messages.ts';
import { maxLines } from '../limits.ts';
import {
  abortReason,
  count,
  id,
  key,
  labels,
  milliseconds,
  type ShapesOf,
  sentence,
  txidField,
} from '../shapes.ts';
import {
  boolean,
  type FieldsOf,
  list,
  map,
  nullable,
  oneOf,
  optional,
  required,
  txid,
} from '../validators.ts';
import { branchStatusFields, maxParties, transactionStatus } from './client.ts';

const explanation: FieldsOf<Explanation> = {
  txid: txidField,
  state: required(
    oneOf(explainedStates),
    'How far it is; of one that no leader has in memory, what may be known of it.',
  ),
  decided: required(nullable(oneOf(['commit', 'abort'])), 'The decision; null: none is known.'),
  attention: required(boolean, 'An operator should look at it.'),
  summary: required(sentence, 'All of it in a sentence or two.'),
  events: required(
    list(
      map<ExplainedEvent>({
        atMs: optional(milliseconds, 'Milliseconds after the begin; absent: not known when.'),
        text: required(sentence, 'What happened.'),
        branch: optional(key, 'To which branch.'),
      }),
      maxLines,
    ),
    'What happened, in order.',
  ),
  waits: required(
    list(
      map<ExplainedWait>({
        for: required(oneOf(waitKinds), 'What it waits for.'),
        text: required(sentence, 'The same in words.'),
        participant: optional(key, 'Whose answer.'),
        branch: optional(key, 'Of which branch.'),
        txids: optional(list(txid, maxParties), 'Of a lock: those in its way.'),
        sinceMs: optional(count, 'How long it has waited.'),
        nextTryInMs: optional(count, 'When it is tried again, or given up.'),
      }),
      maxLines,
    ),
    'What it waits for now.',
  ),
  advice: required(list(sentence, 64), 'What to do next.'),
  branches: required(
    list(
      map<ExplainedBranch>({
        ...branchStatusFields,
        instance: optional(key, 'Whose it is.'),
        sentAfterMs: optional(milliseconds, 'When its prepare was sent, after the begin.'),
        votedAfterMs: optional(milliseconds, 'When its vote came.'),
        settledAfterMs: optional(milliseconds, 'When it owed nothing any more.'),
        payloadBytes: optional(count, 'About how many its payload takes in memory.'),
        resultBytes: optional(count, 'About how many its result takes.'),
        connected: optional(boolean, 'Whether someone is connected who can answer for it.'),
        nextTryInMs: optional(count, 'When its command is sent again.'),
        says: optional(sentence, 'What its participant says of it.'),
      }),
      (given) => given.maxBranches,
      '`maxBranches`',
    ),
    'Its branches.',
  ),
  sources: required(
    list(
      map<ExplanationSource>({
        source: required(oneOf(explanationSources), 'Who was asked.'),
        node: optional(key, 'Of a leader, or who read the log.'),
        participant: optional(key, 'Of a participant.'),
        instance: optional(key, 'Of a participant.'),
        ok: required(boolean, 'Whether it answered.'),
        text: optional(sentence, 'What it said, or why it said nothing.'),
      }),
      maxLines,
    ),
    'Where all this is from.',
  ),
  ageMs: optional(count, 'Since it began.'),
  decidedAfterMs: optional(milliseconds, 'When its outcome was known to its leader.'),
  timeoutMs: optional(count, 'Its own time-out.'),
  reason: optional(abortReason, 'Why it aborted.'),
  requestId: optional(key, 'The idempotency key it came with.'),
  labels: optional(labels, 'As given at the begin.'),
  locks: transactionStatus.locks,
  lockGroup: optional(key, 'Whose keys it locks.'),
};

export const fromExplainer: ShapesOf<Explain> = {
  explain: { id, txid: txidField },
};

export const toExplainer: ShapesOf<Explained> = {
  explained: { id, ...explanation },
};
