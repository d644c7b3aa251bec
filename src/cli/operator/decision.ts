/** `verdict decision`: what the log says of one transaction, without a coordinator. */
import { errorCatalogue } from '../../core/catalogue.ts';
import { judge } from '../../core/judge.ts';
import type { DecisionSource } from '../../core/messages.ts';
import type { Txid } from '../../core/txid.ts';
import type { EtcdReader } from '../../decision-log/etcd/reader.ts';
import type { LogReading } from '../../ports/decision-log.ts';
import { confirm, requireTerminal } from '../confirm.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { decisionSources, harmless } from '../text.ts';
import { answer } from './context.ts';
import { type EtcdContext, withEtcdReader } from './etcd-reader.ts';

export interface DecisionContext extends EtcdContext {
  readonly txid: Txid;
  readonly resolve?: true;
}

export async function showDecision(context: DecisionContext): Promise<ExitCode> {
  const { io, resolve, yes } = context;
  if (resolve && !yes) requireTerminal(io, 'resolve aborts a transaction that is not decided yet');
  return withEtcdReader(context, (reader) => readAndTell(context, reader));
}

async function readAndTell(context: DecisionContext, reader: EtcdReader): Promise<ExitCode> {
  const { txid, resolve } = context;
  let reading = await reader.read(txid);
  let judgement = judge(txid, reading, { inDoubt: false });
  let source: DecisionSource | null = 'source' in judgement ? judgement.source : null;
  if (judgement.decision === 'undecided' && resolve && (await agreed(context, reading))) {
    reading = await reader.resolve(txid);
    judgement = judge(txid, reading, { inDoubt: false });
    if ('source' in judgement)
      source = reading.record?.outcome === 'abort' ? 'forced' : judgement.source;
  }
  const { decision } = judgement;
  const decided = decision === 'commit' || decision === 'abort';
  const line =
    source !== null && decided
      ? `${decision}  (${decisionSources[source]})`
      : undecidedText(decision, reading);
  const value = { txid, decision, source, leader: reading.leader };
  await answer(context, value, () => [`${txid}  ${line}`]);
  return decided ? exitCodes.ok : exitCodes.notDone;
}

async function agreed({ io, txid, yes }: DecisionContext, reading: LogReading): Promise<boolean> {
  const question = `${txid} is not decided, and ${leaderText(reading)} may be deciding it. It will be aborted, and that is final. Go on?`;
  return yes === true || confirm(io, question);
}

function undecidedText(decision: string, reading: LogReading): string {
  switch (decision) {
    case 'expired':
      return `expired  (${errorCatalogue.EXPIRED.text})`;
    case 'ahead':
      return 'unknown  (This log never had that epoch. The txid is of another cluster, or etcd was restored from an older state: see docs/OPERATING.md.)';
    default:
      return `undecided  (${leaderText(reading)} holds its lease and may still decide. Ask again when the lease has run out, or abort it with --resolve.)`;
  }
}

function leaderText({ leader }: LogReading): string {
  return leader === null
    ? 'its leader'
    : `its leader ${harmless(leader.node)} at ${harmless(leader.url)}`;
}
