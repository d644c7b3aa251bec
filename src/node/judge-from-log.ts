/**
 * What a node says of a transaction whose shard it does not lead: one linearizable reading of the log, judged
 * (docs/PROTOCOL.md, section 5). This is what lets a participant that is cut off from the leader end its doubt at any
 * other node.
 */

import { AskerGoneError, type LogReads } from '../coordinator/log-reads.ts';
import type { ErrorCode } from '../core/catalogue.ts';
import { isAhead, judge } from '../core/judge.ts';
import type { Query, Resolve, Status } from '../core/messages.ts';
import { statusFromLog } from '../core/status-from-log.ts';
import type { Sender } from '../core/term/events.ts';
import { shownTo } from '../core/term/requests/requests.ts';
import { thrownLine } from '../core/thrown.ts';
import type { Clock } from '../ports/clock.ts';
import type { DecisionLog, LogReading } from '../ports/decision-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Session } from './session.ts';

export interface LogJudge {
  readonly log: DecisionLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logReads: LogReads;
  /** Null: not another line of that kind for now. */
  readonly line: (event: string) => object | null;
  /** The reading has shown that the participant at this session was retired. */
  readonly refuseRetired: (session: Session) => void;
}

export async function answerFromLog(
  { log, clock, logger, logReads, line, refuseRetired }: LogJudge,
  session: Session,
  { message, from }: { readonly message: Query | Resolve | Status; readonly from: Sender },
): Promise<void> {
  const { id, txid } = message;
  if (message.type === 'resolve') {
    const retryAfterMs = session.forcing.take();
    if (retryAfterMs > 0) {
      session.send({
        type: 'error',
        id,
        code: 'BUSY',
        message: 'This connection has had as many aborts forced as one may for now.',
        retryable: true,
        retryAfterMs,
      });
      return;
    }
  }
  let reading: LogReading;
  try {
    const asker = session.member ?? undefined;
    // None is shared with what the leader of another shard here reads for it: that asks less.
    if (message.type === 'resolve') {
      const { witness } = message;
      const what = `resolve ${txid} ${JSON.stringify(witness)}`;
      const resolve = () => log.resolve(txid, asker, witness);
      reading = await logReads.read(session.id, what, resolve);
    } else {
      const read = () => log.read(txid, asker);
      reading = await logReads.read(session.id, `read as asker ${txid}`, read);
    }
  } catch (error) {
    const more = error instanceof AskerGoneError ? null : line('read-failed');
    if (more !== null) {
      const fields = { txid, error: thrownLine(error), ...more };
      logger.warn(fields, 'The decision log could not be read.');
    }
    session.fail(id, 'LOG_UNAVAILABLE');
    return;
  }
  // It may have heard of it later than the one who collected the record, and the absence would say "abort".
  if (reading.retired === true) {
    refuseRetired(session);
    return;
  }
  if (message.type === 'status') {
    answerStatus(session, message, { reading, wallMs: clock.wallMs(), from });
    return;
  }
  if (message.witness !== undefined && isAhead(message.witness, reading.witness)) {
    alarm(logger, session, { txid, witness: message.witness, log: reading.witness });
    session.fail(id, 'INTERNAL', setBack);
    return;
  }
  const inDoubt = session.is('participant') && (message.type === 'resolve' || message.inDoubt);
  const judgement = judge(txid, reading, { inDoubt });
  if (judgement.decision === 'ahead') {
    alarm(logger, session, { txid, log: reading.witness });
    session.fail(id, 'INTERNAL', setBack);
    return;
  }
  const forced = message.type === 'resolve' && reading.record?.outcome === 'abort';
  session.send({
    type: 'decision',
    id,
    txid,
    decision: judgement.decision,
    source: judgement.decision === 'undecided' ? 'presumed' : forced ? 'forced' : judgement.source,
  });
}

const setBack =
  'The decision log shows an earlier state than this peer was shown before: it was restored from an old copy, or the peer is broken. An operator must look at it; see docs/OPERATING.md.';

function alarm(logger: Logger, session: Session, fields: object): void {
  const peer = { participant: session.hello?.name, instance: session.hello?.instance };
  logger.error({ event: 'log-set-back', ...peer, ...fields }, setBack);
}

function answerStatus(
  session: Session,
  { id, txid }: Status,
  {
    reading,
    wallMs,
    from,
  }: { readonly reading: LogReading; readonly wallMs: number; readonly from: Sender },
): void {
  const judgement = judge(txid, reading, { inDoubt: false });
  const error: Readonly<Record<string, ErrorCode>> = {
    expired: 'EXPIRED',
    ahead: 'UNKNOWN_TRANSACTION',
  };
  const code = error[judgement.decision];
  if (code !== undefined) {
    session.fail(id, code);
    return;
  }
  if (judgement.decision === 'undecided') {
    // Only the leader knows whether it was ever begun, and how far it is.
    session.send({
      type: 'error',
      id,
      code: 'NOT_LEADER',
      message: 'The transaction is not decided; only its leader knows more.',
      retryable: true,
      retryAfterMs: 100,
      leader: reading.leader,
    });
    return;
  }
  const { record } = reading;
  const decision = judgement.decision === 'commit' ? 'commit' : 'abort';
  const view = statusFromLog(txid, { decision, record, wallMs });
  session.send({ type: 'status', id, ...shownTo(from, view) });
}
