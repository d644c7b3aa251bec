import type { LeaderInfo } from '../core/messages.ts';
import type { Note } from '../core/term/events.ts';
import type { Logger } from '../ports/logger.ts';
import { LineLimit } from './line-limit.ts';
import type { ShardDriverOptions } from './shard-driver.ts';

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
  'breaker-opened':
    'A participant is out of reach: transactions with it are refused at once until it is back.',
  'breaker-closed': 'The participant is back.',
  'log-set-back':
    'A participant was shown a later state of the decision log than it shows now: the log was restored from an old copy, or the participant is broken.',
  'commit-without-record':
    'A participant keeps a commit of which the log has no record: the log was restored from an old copy, or the participant is broken.',
  'record-without-memory': 'The log holds a decision of this leadership that is not in its memory.',
};

export class Notes {
  readonly #logger: Logger;
  readonly #leader: LeaderInfo;
  readonly #limit: LineLimit;

  constructor({ logger, leader, clock }: Pick<ShardDriverOptions, 'logger' | 'leader' | 'clock'>) {
    this.#logger = logger;
    this.#leader = leader;
    this.#limit = new LineLimit(clock);
  }

  write(note: Note): void {
    const { level, event, ...fields } = note;
    // Whoever asks for debug wants all of it.
    const more = level === 'debug' ? {} : this.#limit.take(event);
    if (more === null) return;
    const shard = this.#leader.shard;
    this.#logger[level]({ event, shard, ...fields, ...more }, texts[event] ?? event);
  }
}
