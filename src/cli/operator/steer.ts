/** `verdict step-down`, `drain`, `undrain` and `log-level`. */
import { defined } from '../../core/defined.ts';
import type { LevelName, ShardMoved } from '../../core/messages.ts';
import { usageError } from '../command-error.ts';
import { confirm, requireTerminal } from '../confirm.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { durationText, harmless, plural } from '../text.ts';
import { answer, type OperatorContext } from './context.ts';
import { type Why, withOperator } from './operator.ts';

type Context = OperatorContext & Why & { readonly yes?: true };

export interface StepDownFlags {
  readonly shard?: number;
  readonly to?: string;
}

export interface LevelFlags {
  readonly level: LevelName;
  readonly node?: string;
  readonly for?: number;
}

export async function stepDown(context: Context & StepDownFlags): Promise<ExitCode> {
  const { io, yes, to, reason } = context;
  if (!yes) requireTerminal(io, 'step-down changes who leads');
  const { shards } = await withOperator(context, async (operator) => {
    if (to !== undefined) await operator.requireNode(to);
    return operator.info();
  });
  const shard = context.shard ?? 0;
  if (context.shard === undefined && shards.length > 1) {
    throw usageError(`This cluster has ${shards.length} shards. Name one with --shard.`);
  }
  const leader = shards[shard]?.leader?.node;
  if (shard >= shards.length) {
    throw usageError(`There is no shard ${shard}: the last one is ${shards.length - 1}.`);
  }
  if (to !== undefined && leader === to) {
    await answer(context, { from: to, shards: [{ shard, to }] }, () => [
      `shard ${shard}  is led by ${to} already`,
    ]);
    return exitCodes.ok;
  }
  const question = `${leader ?? 'Its leader'} hands shard ${shard} to ${to ?? 'another node'}. Go on?`;
  if (!yes && !(await confirm(io, question))) return exitCodes.ok;
  const { shards: moved } = await withOperator(
    context,
    (operator) => operator.stepDown({ shard, ...defined({ to, reason }) }),
    'every',
  );
  await answer(context, { from: leader ?? null, shards: moved }, () => moved.map(movedText));
  return exitCodeOf(moved);
}

/** Which of several addresses answers first is chance, and no one means that. */
async function requireName(context: Context, example: string): Promise<void> {
  if (context.url.length === 1) return;
  const names = await withOperator(context, (operator) => operator.nodeNames(), 'every');
  if (names.length <= 1) return;
  const text = `Several addresses are given, and nodes ${names.map(harmless).join(', ')} are up. Name the one that is meant: verdict ${example}. Nothing was done.`;
  throw usageError(text);
}

export async function drain(context: Context, named?: string): Promise<ExitCode> {
  const { io, yes } = context;
  if (!yes) requireTerminal(io, 'drain takes every leadership from a node');
  if (named === undefined) await requireName(context, 'drain NODE');
  const { node, shards } = await withOperator(
    context,
    (operator) => operator.atNode({ type: 'info' }, named),
    'every',
  );
  const led = shards.filter(({ leader }) => leader?.node === node).length;
  const question = `${node} leads ${plural(led, 'shard')}. It hands them to other nodes and takes none until it is undrained or started again. Go on?`;
  if (!yes && !(await confirm(io, question))) return exitCodes.ok;
  const { moved, drained } = await withOperator(
    context,
    async (operator) => {
      const { shards: moved } = await operator.atNode({ type: 'drain', ...whyOf(context) }, node);
      // Another operator may have undrained it, while what was under way came to its end.
      const { drained = false } = await operator.atNode({ type: 'info' }, node);
      return { moved, drained };
    },
    'every',
  );
  await answer(context, { node, drained, shards: moved }, () => [
    ...moved.map(movedText),
    drainedText(node, drained, moved),
  ]);
  return drained ? exitCodeOf(moved) : exitCodes.notDone;
}

function drainedText(node: string, drained: boolean, moved: readonly ShardMoved[]): string {
  if (!drained) {
    return `${node} was undrained meanwhile, and takes leaderships. To drain it all the same: verdict drain ${node}`;
  }
  return moved.every(({ to }) => to !== null)
    ? `${node} is drained: it leads nothing. verdict undrain ${node} ends that.`
    : `${node} takes no more shards, and leads on what no other node takes. verdict undrain ${node} ends that.`;
}

export async function undrain(context: Context, named?: string): Promise<void> {
  const { io, yes } = context;
  if (!yes) requireTerminal(io, 'undrain lets a node lead again');
  if (named === undefined) await requireName(context, 'undrain NODE');
  if (!yes) {
    const question = `${named ?? 'The node that answers'} may lead again. Go on?`;
    if (!(await confirm(io, question))) return;
  }
  const { node } = await withOperator(
    context,
    (operator) => operator.atNode({ type: 'undrain', ...whyOf(context) }, named),
    'every',
  );
  await answer(context, { node, drained: false }, () => [`${node} takes leaderships again.`]);
}

export async function setLogLevel(context: Context & LevelFlags): Promise<void> {
  const { io, yes, level, node: named, for: forMs } = context;
  if (!yes) requireTerminal(io, 'log-level changes what a node logs');
  if (named === undefined) await requireName(context, `log-level ${level} --node NODE`);
  if (!yes) {
    const until = forMs === undefined ? 'until it ends' : `for ${durationText(forMs)}`;
    const question = `${named ?? 'The node that answers'} logs from ${level} on, ${until}. Go on?`;
    if (!(await confirm(io, question))) return;
  }
  const { node, was } = await withOperator(
    context,
    (operator) =>
      operator.atNode(
        { type: 'log-level', level, ...defined({ forMs }), ...whyOf(context) },
        named,
      ),
    'every',
  );
  const back = forMs === undefined ? '' : `, for ${durationText(forMs)}`;
  await answer(context, { node, level, was, ...defined({ forMs }) }, () => [
    `${node} logs from ${level} on${back}. Before: ${was}.`,
  ]);
}

function movedText({ shard, to, why }: ShardMoved): string {
  return to === null
    ? `shard ${shard}  stays where it is: ${why ?? 'no node takes it.'}`
    : `shard ${shard}  is led by ${to}`;
}

function exitCodeOf(moved: readonly ShardMoved[]): ExitCode {
  return moved.every(({ to }) => to !== null) ? exitCodes.ok : exitCodes.notDone;
}

function whyOf({ reason }: Why): Why {
  return defined({ reason });
}
