/**
 * What a node says of a transaction whose shard it does not lead: one linearizable reading of the
 * log, judged (docs/PROTOCOL.md, section 5). So a participant that is cut off from the leader can
 * end its doubt at any other node.
 */
import { AskerGoneError } from '../coordinator/log-reads.ts';
import { isAhead, judge } from '../core/judge.ts';
import type { Query, Resolve, Status } from '../core/messages.ts';
import { statusFromLog } from '../core/status-from-log.ts';
import type { Sender } from '../core/term/events.ts';
import { shownTo } from '../core/term/requests/requests.ts';
import { thrownLine } from '../core/thrown.ts';
import type { LogReading } from '../ports/decision-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { CoordinatorNode, NodeOptions } from './node.ts';
import type { Session } from './session.ts';

interface LogJudge extends Pick<CoordinatorNode, 'logReads' | 'write' | 'refuseRetired'> {
  readonly given: Pick<NodeOptions, 'log' | 'clock' | 'logger'>;
}

export async function answerFromLog(
  node: LogJudge,
  session: Session,
  { message, from }: { readonly message: Query | Resolve | Status; readonly from: Sender },
): Promise<void> {
  const { id, txid } = message;
  const { log, clock, logger } = node.given;
  if (message.type === 'resolve') {
    const retryAfterMs = session.forcing.take();
    if (retryAfterMs > 0) {
      const text = 'This connection has had as many aborts forced as one may for now.';
      session.fail(id, 'BUSY', text, { retryAfterMs });
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
      reading = await node.logReads.read(session.id, what, () => log.resolve(txid, asker, witness));
    } else {
      const what = `read as asker ${txid}`;
      reading = await node.logReads.read(session.id, what, () => log.read(txid, asker));
    }
  } catch (error) {
    if (!(error instanceof AskerGoneError)) {
      const fields = { txid, error: thrownLine(error) };
      node.write('warn', 'read-failed', fields, 'The decision log could not be read.');
    }
    session.fail(id, 'LOG_UNAVAILABLE');
    return;
  }
  // This node may hear of it after the record was collected; its absence would say "abort".
  if (reading.retired === true) return node.refuseRetired(session);
  if (message.type === 'status') {
    return answerStatus(session, message, reading, from, clock.wallMs());
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
  logger.error({ event: 'log-set-back', ...session.peer, ...fields }, setBack);
}

function answerStatus(
  session: Session,
  { id, txid }: Status,
  reading: LogReading,
  from: Sender,
  wallMs: number,
): void {
  const { record, leader } = reading;
  const { decision } = judge(txid, reading, { inDoubt: false });
  if (decision === 'expired') session.fail(id, 'EXPIRED');
  else if (decision === 'ahead') session.fail(id, 'UNKNOWN_TRANSACTION');
  else if (decision === 'undecided') {
    // Only the leader knows whether it was ever begun, and how far it is.
    const text = 'The transaction is not decided; only its leader knows more.';
    session.fail(id, 'NOT_LEADER', text, { retryAfterMs: 100, leader });
  } else {
    const view = statusFromLog(txid, { decision, record, wallMs });
    session.send({ type: 'status', id, ...shownTo(from, view) });
  }
}
