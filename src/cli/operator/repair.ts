/** `verdict resolve`, `recover`, `retire` and `rebind`: what an operator does by hand. */
import { errorCatalogue } from '../../core/catalogue.ts';
import type { Claim } from '../../core/claims.ts';
import { defined } from '../../core/defined.ts';
import type { Retired } from '../../core/retired.ts';
import type { Txid } from '../../core/txid.ts';
import { confirm, requireTerminal } from '../confirm.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { decisionSources, durationText, plural } from '../text.ts';
import { answer, type OperatorContext } from './context.ts';
import { type Operator, type Why, withOperator } from './operator.ts';

const adviceMs = 3_000;

type RecoverContext = OperatorContext & Why;
type RepairContext = RecoverContext & { readonly yes?: true };

export async function resolveTransaction(context: RepairContext, txid: Txid): Promise<ExitCode> {
  const { io, yes } = context;
  if (!yes) {
    requireTerminal(io, 'resolve aborts a transaction that is not decided yet');
    // A connection of its own: a person may think longer than the time-out.
    const { state, ageMs, branches } = await withOperator(context, (operator) =>
      operator.status(txid),
    );
    const decided = state.startsWith('COMMIT') || state.startsWith('ABORT');
    const question = `${txid} is ${state} for ${durationText(ageMs)}, with ${plural(branches.length, 'branch', 'branches')}. If no commit is recorded it is aborted, and that is final. Go on?`;
    if (!decided && !(await confirm(io, question))) return exitCodes.ok;
  }
  const { decision, source } = await withOperator(context, (operator) =>
    operator.resolve(txid, whyOf(context)),
  );
  const how = decision === 'expired' ? errorCatalogue.EXPIRED.text : decisionSources[source];
  await answer(context, { txid, decision, source }, () => [`${txid}  ${decision}  (${how})`]);
  return decision === 'commit' || decision === 'abort' ? exitCodes.ok : exitCodes.notDone;
}

export async function recover(context: RecoverContext): Promise<void> {
  const { pending, resumed } = await withOperator(context, (operator) =>
    operator.recover(whyOf(context)),
  );
  await answer(context, { pending, resumed }, () => [
    pending === 0
      ? 'Nothing to recover: every recorded decision is acknowledged.'
      : `${plural(pending, 'recorded decision')} not acknowledged by every participant yet; ${resumed} taken up now. The leader sends them until they are: verdict tx list --state COMMITTING`,
  ]);
}

export async function retire(context: RepairContext, retired: Retired): Promise<void> {
  const { io, yes } = context;
  const { participant } = retired;
  const what =
    'instance' in retired
      ? `Instance ${retired.instance} of ${participant}`
      : `The shared resource ${retired.sharedResource} of ${participant}, with every instance of it,`;
  if (!yes) requireTerminal(io, 'retire cannot be undone');
  // Advice alone: what is wrong with the connection the call itself says. It asks every leader, and
  // does not wait until a shard without one has one.
  const advice = { ...context, timeout: Math.min(context.timeout, adviceMs) };
  await withOperator(advice, (operator) => warnOf(operator, io, retired)).catch(() => undefined);
  if (!yes) {
    const question = `${what} will be refused from now on, and what it has not acknowledged counts as acknowledged. Do this only if its store is lost. Go on?`;
    if (!(await confirm(io, question))) return;
  }
  await withOperator(context, (operator) => operator.retire(retired, whyOf(context)));
  await answer(context, { ...retired, retired: true }, () => [
    `${what} is retired: every node has heard of it.`,
  ]);
}

export async function rebind(
  context: RepairContext,
  claim: Claim,
  identity: string,
): Promise<void> {
  const { io, yes } = context;
  const { participant } = claim;
  const what =
    'instance' in claim
      ? `Instance ${claim.instance} of ${participant}`
      : `The shared resource ${claim.sharedResource} of ${participant}`;
  if (!yes) {
    requireTerminal(io, 'rebind takes it from the identity that holds it');
    const question = `${what} will belong to ${identity}, and the identity that holds it now is refused. What is in doubt there is told to ${identity} alone. Go on?`;
    if (!(await confirm(io, question))) return;
  }
  await withOperator(context, (operator) => operator.rebind(claim, identity, whyOf(context)));
  await answer(context, { ...claim, identity, rebound: true }, () => [
    `${what} belongs to ${identity}: every node has heard of it.`,
  ]);
}

function whyOf({ reason }: Why): Why {
  return defined({ reason });
}

/**
 * Of a store that is still there, and of a name that may be misspelt: both are buried all the same.
 */
async function warnOf(operator: Operator, io: Io, retired: Retired): Promise<void> {
  const { participant } = retired;
  const { participants } = await operator.info();
  const isConnected = participants.some(
    (each) =>
      each.participant === participant &&
      ('instance' in retired
        ? each.instance === retired.instance
        : each.sharedResource === retired.sharedResource),
  );
  if (isConnected) {
    io.stderr.write(
      'warning: It is connected, so its store is not lost. Stop it first: what it still owes is never carried out there, and shows as done.\n',
    );
    return;
  }
  const { transactions, truncated } = await operator.list({ state: 'COMMITTING', limit: 1_000 });
  const isKnown = [...participants, ...transactions.flatMap(({ branches }) => branches)].some(
    (each) => each.participant === participant,
  );
  if (truncated || isKnown) return;
  io.stderr.write(
    `warning: No node knows a participant ${participant}: none is connected, and none owes anything. Compare the name.\n`,
  );
}
