/** `verdict decision`: what the log says of one transaction, without a coordinator. */
import { errorCatalogue } from '../../core/catalogue.ts';
import { judge } from '../../core/judge.ts';
import type { DecisionSource } from '../../core/messages.ts';
import type { Txid } from '../../core/txid.ts';
import type { EtcdReader } from '../../decision-log/etcd/reader.ts';
import type { LogReading } from '../../ports/decision-log.ts';
import { confirm, requireTerminal } from '../confirm.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { decisionSources, harmless } from '../text.ts';
import { answer } from './context.ts';
import { type EtcdPlace, withEtcdReader } from './etcd-reader.ts';

export interface DecisionOptions extends EtcdPlace {
  readonly io: Io;
  readonly txid: Txid;
  readonly resolve: boolean;
  /** Do not ask. */
  readonly sure: boolean;
  readonly json: boolean;
}

export async function decision(options: DecisionOptions): Promise<ExitCode> {
  const { io, endpoints, cluster, files, resolve, sure } = options;
  if (resolve && !sure) requireTerminal(io, 'resolve aborts a transaction that is not decided yet');
  return withEtcdReader({ endpoints, cluster, files }, (reader) => readAndTell(options, reader));
}

async function readAndTell(options: DecisionOptions, reader: EtcdReader): Promise<ExitCode> {
  const { txid, resolve } = options;
  let reading = await reader.read(txid);
  let judgement = judge(txid, reading, { inDoubt: false });
  let source: DecisionSource | null = 'source' in judgement ? judgement.source : null;
  if (judgement.decision === 'undecided' && resolve && (await agreed(options, reading))) {
    reading = await reader.resolve(txid);
    judgement = judge(txid, reading, { inDoubt: false });
    if ('source' in judgement)
      source = reading.record?.outcome === 'abort' ? 'forced' : judgement.source;
  }
  const decided = judgement.decision === 'commit' || judgement.decision === 'abort';
  const line =
    source !== null && decided
      ? `${judgement.decision}  (${decisionSources[source]})`
      : undecidedText(judgement.decision, reading);
  await answer(options, {
    value: { txid, decision: judgement.decision, source, leader: reading.leader },
    lines: () => [`${txid}  ${line}`],
  });
  return decided ? exitCodes.ok : exitCodes.notDone;
}

async function agreed(options: DecisionOptions, reading: LogReading): Promise<boolean> {
  const { io, txid, sure } = options;
  if (sure) return true;
  const question = `${txid} is not decided, and ${leaderText(reading)} may be deciding it. It will be aborted, and that is final. Go on?`;
  return confirm(io, question);
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
