/**
 * What an operator can do about a transaction or a participant, as docs/OPERATING.md says it.
 * The page comes from the node that it speaks to, so what this node audits it also understands.
 */
import type {
  ExplainedBranch,
  ParticipantInfo,
  Retried,
  TransactionStatus,
} from '../../core/messages.ts';
import { auditedActions } from '../../ports/audit.ts';
import { shown } from './text.ts';

export interface Action {
  /** Of the button. */
  readonly verb: string;
  /** What is asked before it is done. */
  readonly question: string;
  /** What comes of it. */
  readonly consequence: string;
  /** It cannot be taken back. */
  readonly isFinal: boolean;
  readonly reasonNeeded: boolean;
  /** One request for each; the reason is added. */
  readonly requests: readonly ({ readonly type: string } & Record<string, unknown>)[];
  /** Further fields that must be filled in. */
  readonly fields?: readonly { readonly name: string; readonly label: string }[];
}

const known: ReadonlySet<string> = new Set(auditedActions);

/** `known`: what the node understands. */
export function actionsFor(
  transaction: {
    readonly txid: string;
    readonly state: string;
    readonly branches: readonly Pick<
      ExplainedBranch,
      'branch' | 'participant' | 'state' | 'instance' | 'connected'
    >[];
  },
  understood: ReadonlySet<string> = known,
): readonly Action[] {
  const { txid, state, branches } = transaction;
  const actions: Action[] = [];
  const undecided = state === 'PENDING' || state === 'PREPARING' || state === 'READY';
  const deciding = state === 'COMMITTING' || state === 'ABORTING';
  if (undecided) actions.push(resolveAction([txid]));
  if (deciding && understood.has('retry')) actions.push(retryAction([txid]));
  if (deciding && understood.has('acknowledge')) {
    for (const { branch, participant, state: at } of branches) {
      if (at !== 'committing' && at !== 'rolling-back') continue;
      actions.push({
        verb: `Acknowledge ${shown(branch, 24)}`,
        question: `State that ${shown(branch)} of ${shown(participant)} was settled by hand?`,
        consequence:
          'The transaction can finish without that branch. The decision stays what it is: make sure that the participant really has it. Your reason is kept with the transaction.',
        isFinal: true,
        reasonNeeded: true,
        requests: [{ type: 'acknowledge', txid, branch }],
      });
    }
  }
  // Whoever is gone is in no list of those who are connected.
  const gone = new Map<string, Pick<ParticipantInfo, 'participant' | 'instance'>>();
  for (const { participant, instance, connected } of branches) {
    if (deciding && connected === false && instance !== undefined)
      gone.set(`${participant}/${instance}`, { participant, instance });
  }
  for (const claim of gone.values())
    actions.push({ ...retireAction(claim), verb: `Retire ${shown(claim.participant, 24)}` });
  return actions;
}

export function retryAction(txids: readonly string[]): Action {
  const many = txids.length > 1;
  return {
    verb: 'Retry now',
    question: many ? `Try ${txids.length} transactions again now?` : 'Try its branches again now?',
    consequence:
      'What is decided, and not acknowledged, is sent once more at once. It is sent by itself anyway, only later.',
    isFinal: false,
    reasonNeeded: true,
    requests: txids.map((txid) => ({ type: 'retry', txid })),
  };
}

export function resolveAction(txids: readonly string[]): Action {
  const many = txids.length > 1;
  return {
    verb: many ? 'Resolve' : 'Resolve (abort if undecided)',
    question: many
      ? `Resolve ${txids.length} transactions?`
      : 'Learn its outcome, or force its abort?',
    consequence:
      'What is not decided yet is aborted for good, and everyone who waits for it hears so. What is decided stays so.',
    isFinal: true,
    reasonNeeded: true,
    requests: txids.map((txid) => ({ type: 'resolve', txid })),
  };
}

/** Only flagged ones that something can be done about together. */
export function bulkActions(
  transactions: readonly TransactionStatus[],
  understood: ReadonlySet<string> = known,
): readonly Action[] {
  const of = (states: readonly string[]): string[] =>
    transactions.filter(({ state }) => states.includes(state)).map(({ txid }) => txid);
  const deciding = of(['COMMITTING', 'ABORTING']);
  const undecided = of(['PENDING', 'PREPARING', 'READY']);
  return [
    ...(deciding.length > 0 && understood.has('retry') ? [retryAction(deciding)] : []),
    ...(undecided.length > 0 ? [resolveAction(undecided)] : []),
  ];
}

export function retireAction(claim: Pick<ParticipantInfo, 'participant' | 'instance'>): Action {
  const { participant, instance } = claim;
  return {
    verb: 'Retire',
    question: `Retire the instance ${shown(instance)} of ${shown(participant)}, for good?`,
    consequence:
      'It is never let in again, and its branches count as done. Only for an instance whose data is lost: whatever it had prepared stays as it is there.',
    isFinal: true,
    reasonNeeded: true,
    requests: [{ type: 'retire', participant, instance }],
  };
}

export function rebindAction(claim: Pick<ParticipantInfo, 'participant' | 'instance'>): Action {
  const { participant, instance } = claim;
  return {
    verb: 'Rebind',
    question: `Give the instance ${shown(instance)} of ${shown(participant)} to another identity?`,
    consequence: 'Only that identity of the access file may serve as this instance from then on.',
    isFinal: false,
    reasonNeeded: true,
    requests: [{ type: 'rebind', participant, instance }],
    fields: [{ name: 'identity', label: 'Identity, by its name in the access file' }],
  };
}

/** Of shards that this node leads. */
export const recoverAction: Action = {
  verb: 'Recover',
  question: 'Read the log for decisions that are not carried out?',
  consequence:
    'This node looks through the log of the shards that it leads, and takes up what it does not know. It does so by itself when it begins to lead.',
  isFinal: false,
  reasonNeeded: true,
  requests: [{ type: 'recover' }],
};

/** What the node answered, for people. */
export function resultText(reply: Readonly<Record<string, unknown>>): string {
  switch (reply['type']) {
    case 'decision':
      return `${String(reply['decision'])} (${String(reply['source'])})`;
    case 'recovered':
      return `${String(reply['pending'])} not carried out yet, ${String(reply['resumed'])} of them taken up`;
    case 'retried':
      return retriedText(reply as unknown as Retried);
    case 'acknowledged':
      return reply['byHand'] === true
        ? `recorded; the transaction is ${String(reply['state'])}`
        : 'it owed nothing any more, and nothing was recorded';
    default:
      return 'done';
  }
}

function retriedText({ branches }: Retried): string {
  const away = branches.filter(({ sent }) => !sent).map(({ participant }) => participant);
  const sent = branches.length - away.length;
  const waits = away.length === 0 ? '' : `; not connected, and told when back: ${away.join(', ')}`;
  return `sent again: ${sent} of ${branches.length}${waits}`;
}
