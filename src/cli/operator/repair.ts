/** `verdict resolve`, `recover`, `retire` and `rebind`: what an operator does by hand. */
import { errorCatalogue } from '../../core/catalogue.ts';
import type { Claim } from '../../core/claims.ts';
import { defined } from '../../core/defined.ts';
import type { Retired } from '../../core/retired.ts';
import type { Txid } from '../../core/txid.ts';
import { isVerdictError } from '../../peer/verdict-error.ts';
import { CommandError } from '../command-error.ts';
import { confirm, requireTerminal } from '../confirm.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { decisionSources, durationText, harmless, plural } from '../text.ts';
import { answer, type OperatorContext } from './context.ts';
import { knownText, lookUp, olderText, seenAs } from './known.ts';
import { type Why, withOperator } from './operator.ts';

const adviceMs = 3_000;
const compareText = 'Compare it with `verdict status`.';
const connectedText =
  'warning: It is connected, so its store is not lost. Stop it first: what it still owes is never carried out there, and shows as done.\n';

type RecoverContext = OperatorContext & Why;
type RepairContext = RecoverContext & { readonly yes?: true };
type ForcedContext = RepairContext & { readonly force?: true };

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

export async function retire(context: ForcedContext, retired: Retired): Promise<void> {
  const { io, yes, force } = context;
  const what =
    'instance' in retired ? nameOf(retired) : `${nameOf(retired)}, with every instance of it,`;
  if (!yes) requireTerminal(io, 'retire cannot be undone');
  // Advice alone: what is wrong with the connection the call itself says. It asks every leader, and
  // does not wait until a shard without one has one.
  const advice = { ...context, timeout: Math.min(context.timeout, adviceMs) };
  const known = await withOperator(advice, (operator) => lookUp(operator, retired)).catch(
    () => null,
  );
  const seen = known === null ? null : seenAs(known, retired);
  if (seen === 'connected') io.stderr.write(connectedText);
  if (seen === null && known?.older === true && force !== true) {
    throw new CommandError('REFUSED', harmless(olderText(known, retired)));
  }
  if (!yes) {
    const question = `${what} will be refused from now on, and what it has not acknowledged counts as acknowledged. Do this only if its store is lost. Go on?`;
    if (!(await confirm(io, question))) return;
  }
  const onlyKnown = seen === null && force !== true;
  await withOperator(context, (operator) =>
    operator.retire(retired, { ...whyOf(context), ...(onlyKnown && { onlyKnown }) }),
  ).catch((error: unknown) => {
    throw unknownOf(error, known === null ? compareText : knownText(known, retired));
  });
  await answer(context, { ...retired, retired: true }, () => [
    `${what} is retired: every node has heard of it.`,
  ]);
}

export async function rebind(
  context: ForcedContext,
  claim: Claim,
  identity: string,
): Promise<void> {
  const { io, yes, force } = context;
  const what = nameOf(claim);
  if (!yes) {
    requireTerminal(io, 'rebind takes it from the identity that holds it');
  }
  if (!force) await requireIdentity(context, identity);
  if (!yes) {
    const question = `${what} will belong to ${identity}, and the identity that holds it now is refused. What is in doubt there is told to ${identity} alone. Go on?`;
    if (!(await confirm(io, question))) return;
  }
  const onlyKnown = force !== true;
  await withOperator(context, (operator) =>
    operator.rebind(claim, identity, { ...whyOf(context), ...(onlyKnown && { onlyKnown }) }),
  ).catch((error: unknown) => {
    throw unknownOf(error, 'Compare it with what the participant says where it is refused.');
  });
  await answer(context, { ...claim, identity, rebound: true }, () => [
    `${what} belongs to ${identity}: every node has heard of it.`,
  ]);
}

function nameOf(claim: Claim): string {
  return 'instance' in claim
    ? `Instance ${claim.instance} of ${claim.participant}`
    : `The shared resource ${claim.sharedResource} of ${claim.participant}`;
}

function whyOf({ reason }: Why): Why {
  return defined({ reason });
}

/** Said to a node that has no such one, as it was not to be forced. */
function unknownOf(error: unknown, advice: string): unknown {
  if (!isVerdictError(error) || error.code !== 'WRONG_STATE') return error;
  const text = `${error.message} ${advice} If the name is right, do it with --force.`;
  return new CommandError('REFUSED', harmless(text), { cause: error });
}

/** A node of before does not say what it runs with: then it is taken as it is. */
async function requireIdentity(context: ForcedContext, identity: string): Promise<void> {
  const configuration: { readonly access?: AccessNames | null } = await withOperator(
    context,
    (operator) => operator.atNode({ type: 'config' }, undefined),
  ).then(
    (reply) => reply.configuration as object,
    (error: unknown) => {
      const cause = error instanceof CommandError ? error.cause : error;
      if (isVerdictError(cause) && cause.code === 'INVALID_MESSAGE') return {};
      throw error;
    },
  );
  const { access } = configuration;
  if (access === undefined) return;
  const names = access?.identities?.map(({ name }) => name) ?? [];
  if (names.includes(identity)) return;
  const why =
    access === null
      ? 'This node has no access file, so no one has an identity, and nothing would come of it.'
      : `The access file of this node has no identity ${identity}: it has ${names.slice(0, 20).join(', ')}${names.length > 20 ? ' and others' : ''}.`;
  const text = `${why} Nothing was done. Compare the name, or, where the file is still to come, do it with --force.`;
  throw new CommandError('REFUSED', harmless(text));
}

interface AccessNames {
  readonly identities?: readonly { readonly name: string }[];
}
