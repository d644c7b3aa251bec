/** Notes of the core as lines of the log. */
import type { LeaderInfo } from '../core/messages.ts';
import type { Note } from '../core/term/events.ts';
import type { Logger } from '../ports/logger.ts';

const texts: Readonly<Record<string, string>> = {
  begin: 'Transaction begun.',
  prepare: 'Prepare sent.',
  vote: 'Vote received.',
  decision: 'Decided.',
  command: 'Command sent.',
  retry: 'Command sent again.',
  acknowledgement: 'Acknowledged.',
  'acknowledgement-failed': 'A participant could not carry out the decision; it is sent again.',
  'acknowledgement-refused': 'An acknowledgement does not count.',
  'vote-refused': 'A vote does not count.',
  'time-out': 'Timed out.',
  report: 'A participant reported what it holds.',
  query: 'A participant asked for an outcome.',
  recovery: 'A recorded decision is taken up.',
  attention:
    'A participant has not acknowledged the decision for long: an operator should look at it.',
  'log-set-back':
    'A participant was shown a later state of the decision log than it shows now: the log was restored from an old copy, or the participant is broken.',
  'commit-without-record':
    'A participant keeps a commit of which the log has no record: the log was restored from an old copy, or the participant is broken.',
  'record-without-memory': 'The log holds a decision of this leadership that is not in its memory.',
};

export function writeNote(logger: Logger, leader: LeaderInfo, note: Note): void {
  const { level, event, ...fields } = note;
  logger[level]({ event, shard: leader.shard, ...fields }, texts[event] ?? event);
}
