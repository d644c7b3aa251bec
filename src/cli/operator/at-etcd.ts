/** `verdict decision` and `raise-generation`: at etcd itself, without a coordinator. */
import { errorCatalogue } from '../../core/catalogue.ts';
import { judge } from '../../core/judge.ts';
import type { DecisionSource } from '../../core/messages.ts';
import type { Txid } from '../../core/txid.ts';
import { AccountRefusedError } from '../../decision-log/etcd/account.ts';
import type { LiveNode } from '../../decision-log/etcd/live-nodes.ts';
import { NoClusterError } from '../../decision-log/etcd/meta.ts';
import { type EtcdReader, openEtcdReader } from '../../decision-log/etcd/reader.ts';
import { AbortUnknownError, DecisionLogError, type LogReading } from '../../ports/decision-log.ts';
import { systemClock } from '../../system/clock.ts';
import { systemRandom } from '../../system/random.ts';
import { SecretFileError } from '../../system/secret-file.ts';
import { CommandError } from '../command-error.ts';
import { confirm, requireTerminal } from '../confirm.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { etcdAccess } from '../open-log.ts';
import type { EtcdFlags } from '../options.ts';
import { decisionSources, harmless, plural } from '../text.ts';
import { answer } from './context.ts';

export interface EtcdContext extends EtcdFlags {
  readonly io: Io;
  readonly json?: true;
  readonly yes?: true;
}

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
  const { io, txid, resolve, yes } = context;
  const proven = await reader.isIssued(txid);
  let reading = await reader.read(txid);
  let judgement = judge(txid, reading, { inDoubt: false });
  let source: DecisionSource | null = 'source' in judgement ? judgement.source : null;
  const question = `${proven === null ? `${unprovenText} ` : ''}${txid} is not decided, and ${leaderText(reading)} may be deciding it. It will be aborted, and that is final. Go on?`;
  if (judgement.decision === 'undecided' && resolve && (yes || (await confirm(io, question)))) {
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
      : undecidedText(decision, { txid, reading });
  // What is recorded was given out.
  const issued = reading.record !== null && source !== 'forced' ? true : proven;
  const value = { txid, decision, source, leader: reading.leader, issued };
  await answer(context, value, () => [
    `${txid}  ${line}`,
    ...(issued === null ? [unprovenText] : []),
  ]);
  return decided ? exitCodes.ok : exitCodes.notDone;
}

const unprovenText =
  'Whether any leader gave it out is not known: this account may not read the secret of the cluster. Compare the txid with where it is from: of a mistyped one nothing is recorded either.';

export function undecidedText(
  decision: string,
  { txid, reading }: { readonly txid: Txid; readonly reading: LogReading },
): string {
  switch (decision) {
    case 'expired':
      return `expired  (${errorCatalogue.EXPIRED.text})`;
    case 'ahead':
      return 'unknown  (This log never had that epoch. The txid is of another cluster, or etcd was restored from an older state: see docs/OPERATING.md.)';
    default:
      return `undecided  (nothing is recorded, and ${leaderText(reading)} holds its lease: it may still decide, or has aborted it, which it does not record. Ask a node: verdict tx show ${txid}. If none answers, ask again when the lease has run out, or abort it with --resolve.)`;
  }
}

function leaderText({ leader }: LogReading): string {
  return leader === null
    ? 'its leader'
    : `its leader ${harmless(leader.node)} at ${harmless(leader.url)}`;
}

const generationQuestion =
  'Commits that etcd lost with its newer state are lost for good, and participants in doubt about them will abort. Are all nodes stopped, and is there no newer copy of etcd? Go on?';

export async function raiseGeneration(context: EtcdContext): Promise<ExitCode> {
  const { io, cluster, yes } = context;
  if (!yes) requireTerminal(io, 'raise-generation gives up what a restored etcd has lost');
  const refuseLive = async (): Promise<void> => {
    const live = await withEtcdReader(context, (reader) => reader.liveNodes());
    if (live.length > 0) throw new CommandError('REFUSED', stillUp(cluster, live));
  };
  await refuseLive();
  if (!yes) {
    if (!(await confirm(io, generationQuestion))) return exitCodes.notDone;
    // One may have come up while the question stood.
    await refuseLive();
  }
  const generation = await withEtcdReader(context, (reader) => reader.raiseGeneration());
  await answer(context, { cluster, generation }, () => [
    `${cluster} is at generation ${generation}. Its nodes may start.`,
  ]);
  return exitCodes.ok;
}

function stillUp(cluster: string, live: readonly LiveNode[]): string {
  const nodes = live.map(({ node, shards }) => {
    const led = shards.length === 0 ? '' : ` (leads ${plural(shards.length, 'shard')})`;
    return `${harmless(node)}${led}`;
  });
  const verb = live.length === 1 ? 'runs' : 'run';
  return `${nodes.join(', ')} of cluster ${cluster} still ${verb}: the lease is kept alive. Nothing was done. A cluster that works needs no other generation. After a restore of etcd stop all nodes first, those that hang or are paused, too; then run this again (docs/OPERATING.md, "Back-up and restore").`;
}

export async function withEtcdReader<T>(
  context: Omit<EtcdContext, 'io' | 'yes'>,
  body: (reader: EtcdReader) => Promise<T>,
): Promise<T> {
  const access = await etcdAccess(context).catch((error: unknown) => {
    if (error instanceof SecretFileError) throw error;
    throw new CommandError('INPUT', `A file cannot be read: ${(error as Error).message}.`, {
      cause: error,
    });
  });
  const { etcd: endpoints, cluster } = context;
  const ports = { clock: systemClock, random: systemRandom };
  let reader: EtcdReader | null = null;
  try {
    reader = await openEtcdReader({ endpoints, cluster, operator: true, ...ports, ...access });
    return await body(reader);
  } catch (error) {
    if (!(error instanceof DecisionLogError)) throw error;
    if (error instanceof AbortUnknownError) {
      const text = `${error.message} When etcd answers, run this again: it shows what is recorded, and aborts only what is undecided still.`;
      throw new CommandError('OUTCOME_UNKNOWN', text, { cause: error });
    }
    // What etcd did not answer has a cause; what the log itself refuses has none.
    const refused =
      error instanceof AccountRefusedError ||
      error instanceof NoClusterError ||
      (reader !== null && error.cause === undefined);
    const code = refused ? 'REFUSED' : 'UNREACHABLE';
    throw new CommandError(code, error.message, { cause: error });
  } finally {
    await reader?.close();
  }
}
