/**
 * What a node says of a transaction whose shard it does not lead: one linearizable reading of the
 * log, judged (docs/PROTOCOL.md, section 5). So a participant that is cut off from the leader can
 * end its doubt at any other node.
 */
import { AskerGoneError } from '../coordinator/log-reads.ts';
import { isAhead, judge } from '../core/judge.ts';
import type { Query, Resolve, Status, TransactionState } from '../core/messages.ts';
import { statusFromLog } from '../core/status-from-log.ts';
import type { Sender } from '../core/term/events.ts';
import { shownTo, takesPart } from '../core/term/requests/requests.ts';
import { thrownLine } from '../core/thrown.ts';
import type { Txid } from '../core/txid.ts';
import { AbortUnknownError, type LogReading } from '../ports/decision-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { CoordinatorNode } from './node.ts';
import type { NodeLines } from './node-lines.ts';
import type { NodeOptions } from './node-options.ts';
import { refuseRetired } from './retirements.ts';
import type { Session } from './session.ts';

interface LogJudge
  extends Pick<CoordinatorNode, 'logReads' | 'audit' | 'figures' | 'statusAtLeader'> {
  readonly lines: Pick<NodeLines, 'write'>;
  readonly given: Pick<NodeOptions, 'log' | 'clock' | 'logger' | 'access'>;
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
    if (await isStranger(node, { txid, from })) {
      session.fail(id, 'UNKNOWN_TRANSACTION');
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
      node.lines.write('warn', 'read-failed', fields, 'The decision log could not be read.');
    }
    session.fail(id, error instanceof AbortUnknownError ? 'OUTCOME_UNKNOWN' : 'LOG_UNAVAILABLE');
    return;
  }
  if (reading.forced === true) {
    node.figures.forced += 1;
    node.audit.forced(session, { txid, by: 'resolve', recorded: true });
  }
  // This node may hear of it after the record was collected; its absence would say "abort".
  if (reading.retired === true) return refuseRetired(session);
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

/**
 * Whether a participant that wants an abort forced has certainly no branch of the transaction: who
 * knows a txid by chance must not end it. Only the leader knows. Where it cannot be asked - that is
 * what forcing is for - or tells of no branches, the participant is believed: a doubt must end.
 */
async function isStranger(
  node: Pick<LogJudge, 'given' | 'statusAtLeader'>,
  { txid, from }: { readonly txid: Txid; readonly from: Sender },
): Promise<boolean> {
  if (!node.given.access.hasRights || from.participant === null) return false;
  const status = await node.statusAtLeader(txid);
  if (status === null) return false;
  // From the log alone it is told without its branches; but then it is decided, or will never be.
  const isKnown = undecided.has(status.state) || status.branches.length > 0;
  return isKnown && !takesPart(from, status.branches);
}

/** Only in the memory of the leader, which knows each branch. */
const undecided: ReadonlySet<TransactionState> = new Set(['PENDING', 'PREPARING', 'READY']);

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
