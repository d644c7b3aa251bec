/**
 * What can be said where no leader has the transaction in memory: by one reading of the log, and by
 * what participants hold.
 */
import { abortReason, errorCatalogue } from '../catalogue.ts';
import { defined } from '../defined.ts';
import { durationText } from '../duration.ts';
import { judge } from '../judge.ts';
import type {
  ExplainedBranch,
  Explanation,
  HeldState,
  TransactionState,
  TransactionStatus,
} from '../messages.ts';
import { settledBy } from '../records.ts';
import { epochOf } from '../txid.ts';
import { logAdvice } from './advice.ts';
import type { Facts, LeaderFacts, LogFacts } from './facts.ts';
import { saidOf } from './heard.ts';
import { fitting, heldText, listed, named, said, saidBy, stateOfHeld } from './words.ts';

type NotKnown = Exclude<LeaderFacts, { readonly type: 'knows' }>;
type Read = Extract<LogFacts, { readonly ok: true }>;
type Told = Omit<Explanation, 'sources'>;

export function fromLog(facts: Facts, leader: NotKnown): Told {
  const { log } = facts;
  if (facts.issued === false) return notIssued(facts);
  if (leader.type === 'forgot' && leader.neverBegun) return neverBegun(facts);
  if (!log.ok) return unreadable(facts, leader, log.why);
  if (log.record !== null) return recorded(facts, leader, log.record);
  if (leader.type === 'forgot' && leader.mayHaveRead) return mayHaveRead(facts);
  const { decision } = judge(facts.txid, { ...log, record: null }, { inDoubt: false });
  switch (decision) {
    case 'expired':
      return expired(facts);
    case 'ahead':
      return ahead(facts);
    case 'undecided':
      return leader.type === 'forgot' ? presumed(facts, log) : undecided(facts, leader, log);
    default:
      return presumed(facts, log);
  }
}

/** Without branches but for those of which participants tell. */
function blank(facts: Facts): Told {
  return {
    txid: facts.txid,
    state: 'UNKNOWN',
    decided: null,
    attention: false,
    summary: '',
    events: [],
    waits: [],
    advice: [],
    branches: heldBranches(facts),
  };
}

function notIssued(facts: Facts): Told {
  return {
    ...blank(facts),
    summary:
      'No leader of this cluster ever gave that txid out: it is mistyped, or of another cluster, or of an earlier decision log.',
    advice: [
      'Compare it with where it is from, and ask the cluster that it belongs to: `verdict status --url ...` shows the name of one.',
    ],
  };
}

function neverBegun(facts: Facts): Told {
  return {
    ...blank(facts),
    summary:
      'The leader has not given that txid out yet, though it has the right form. It is mistyped.',
  };
}

function ahead(facts: Facts): Told {
  return {
    ...blank(facts),
    summary:
      'The decision log has never had the leadership under which that txid was given out: it is of another cluster, or etcd was restored from an older copy.',
    advice: ['If etcd was restored: docs/OPERATING.md, "Back-up and restore".'],
  };
}

function mayHaveRead(facts: Facts): Told {
  return {
    ...blank(facts),
    state: 'EXPIRED',
    summary:
      'It left no record, and ended too long ago for its leader to remember. Either it aborted, or it committed and only read: nothing of it is left in either case.',
  };
}

function expired(facts: Facts): Told {
  return {
    ...blank(facts),
    state: 'EXPIRED',
    summary: `It ended long ago, and its record was collected if it had one: it aborted, or it committed and every branch acknowledged that. ${errorCatalogue.EXPIRED.text}`,
    advice: [errorCatalogue.EXPIRED.look],
  };
}

function unreadable(facts: Facts, leader: NotKnown, why: string): Told {
  const who =
    leader.type === 'forgot'
      ? 'its leader has it in memory no more'
      : leader.why.replace(/\.$/, '');
  const was = leader.type === 'silent' ? leader.was : undefined;
  const heard = commitHeard(facts);
  const known =
    was === undefined
      ? `Nothing ${heard === '' ? '' : 'else '}can be said of it at the moment: ${who}`
      : 'Its leader has lost its leadership';
  // What it did not know then is known by now.
  const isPast = was === undefined || (was.state === 'READY' && heard !== '');
  const then = isPast ? '' : ` When it led last, ${wasText(was.state)}.`;
  return {
    ...blank(facts),
    ...(was === undefined ? {} : left(facts, was)),
    state: 'UNREADABLE',
    summary: `${heard}${known}, and the decision log does not answer: ${said(why).replace(/\.$/, '')}.${then}`,
    waits: [{ for: 'log', text: 'Whether it is recorded is known when the log answers.' }],
    advice: [logAdvice, `Ask again: verdict explain ${facts.txid}`],
  };
}

/** Who commits was told to. A rollback proves nothing: a participant may do that by itself. */
function commitHeard({ participants }: Facts): string {
  const told = participants.filter(({ branches }) =>
    branches?.some(({ state }) => commits.has(state)),
  );
  const names = [...new Set(told.map(({ participant }) => participant))];
  if (names.length === 0) return '';
  const say = names.length === 1 ? 'says, which was' : 'say, which were';
  return `Committed, as ${listed(names)} ${say} told so. `;
}

const commits: ReadonlySet<HeldState> = new Set(['committing', 'committed', 'forgotten']);

/** As it was, with what participants say now. */
function left(
  facts: Facts,
  { branches, ageMs, requestId, labels, attention }: TransactionStatus,
): Partial<Told> {
  const held = heldBranches(facts);
  const known = branches.map((branch): ExplainedBranch => {
    const says = saidOf(facts, { ...branch, instance: null });
    return { ...branch, ...(says === null ? {} : { says: fitting(listed(says, 2)) }) };
  });
  const others = held.filter(({ branch }) => !branches.some((each) => each.branch === branch));
  return { branches: [...known, ...others], attention, ...defined({ ageMs, requestId, labels }) };
}

function wasText(state: TransactionState): string {
  switch (state) {
    case 'COMMITTING':
    case 'COMMITTED':
      return 'it was committed, for good, and not every branch had acknowledged that';
    case 'READY':
      return 'every branch had voted, and its commit was being written: only the log can say whether it is recorded';
    default:
      return 'no commit had been handed to the log, so none can come any more: it is aborted';
  }
}

function undecided(facts: Facts, leader: NotKnown, log: Read): Told {
  const node = log.leader?.node ?? (leader.type === 'silent' ? leader.node : null);
  const name = node ?? 'its leader';
  const why = leader.type === 'silent' ? leader.why : '';
  const inDoubt = facts.participants.filter(({ branches }) =>
    branches?.some(({ state }) => state === 'in-doubt'),
  );
  const doubts = listed([...new Set(inDoubt.map(({ participant }) => participant))]);
  const holding = inDoubt.length === 0 ? '' : ` ${doubts} has it prepared and is in doubt.`;
  return {
    ...blank(facts),
    state: 'UNDECIDED',
    summary: `Not decided, as far as the log says: nothing is recorded, and ${name} leads and may still decide it, or has aborted it, which leaves no record. ${said(why)}${holding}`,
    waits: [
      {
        for: 'log',
        text: `What ${name} knows of it was not heard. If it has ended, the next leader's election aborts what is not recorded.`,
      },
    ],
    advice: [
      `Ask ${name} itself, or ask again when its lease has run out: verdict explain ${facts.txid}`,
      `To end it now: verdict resolve ${facts.txid} (participants in doubt do the same when their patience ends)`,
    ],
  };
}

function presumed(facts: Facts, log: Read): Told {
  const { leader, txid } = facts;
  const epoch = epochOf(txid);
  const isOurs = leader.type === 'forgot' && leader.epoch === epoch;
  const next = log.leader === null ? '' : ` ${log.leader.node} leads now.`;
  return {
    ...blank(facts),
    state: 'ABORTED',
    decided: 'abort',
    summary: isOurs
      ? 'Aborted: no commit is recorded, and its leader has it in memory no more, so none can come. Why it aborted is forgotten.'
      : `Aborted: the leadership under which it began ended before a commit was recorded, and none can come any more.${next}`,
    events: [
      {
        text: isOurs
          ? 'It ended without a record: aborted.'
          : 'Its leadership ended. What was not recorded by then is aborted.',
      },
    ],
    ...(isOurs ? {} : { reason: abortReason('LEADER_CHANGED') }),
  };
}

function recorded(facts: Facts, leader: NotKnown, record: NonNullable<Read['record']>): Told {
  const { outcome, finished, requestId, recordedAgoMs, byHand = [] } = record;
  const request = requestId === null ? {} : { requestId };
  const ago = recordedAgoMs === null ? '' : ` ${durationText(recordedAgoMs)} ago`;
  if (outcome === 'abort') {
    return {
      ...blank(facts),
      ...request,
      state: 'ABORTED',
      decided: 'abort',
      summary: `Aborted: the abort is recorded in the decision log.`,
      events: [{ text: `The abort was recorded${ago}.` }],
      reason: abortReason('FORCED'),
    };
  }
  const events = [
    { text: `The commit was recorded${ago}.` },
    ...byHand.map((mark) => ({
      branch: mark.branch,
      text: `${said(mark.by)} stated that ${named(mark)} was settled by hand: ${said(mark.reason)}`,
    })),
  ];
  const markOf = (name: string) => byHand.find(({ branch }) => branch === name);
  const branches = record.branches.map(({ branch, participant, instance }): ExplainedBranch => {
    const says = saidOf(facts, { branch, participant, instance: instance ?? null });
    const mark = markOf(branch);
    return {
      branch,
      participant,
      ...(instance === undefined ? {} : { instance }),
      state: finished || mark !== undefined ? 'committed' : 'committing',
      attempts: 0,
      ...(mark === undefined ? {} : { byHand: saidBy(settledBy(mark)) }),
      ...(says === null ? {} : { says: fitting(listed(says, 2)) }),
    };
  });
  const owing = record.branches.filter(({ branch }) => markOf(branch) === undefined);
  const told = { ...blank(facts), ...request, events, branches, decided: 'commit' } as const;
  if (finished || (byHand.length > 0 && owing.length === 0)) {
    return {
      ...told,
      state: 'COMMITTED',
      summary:
        byHand.length === 0
          ? 'Committed: the decision is recorded, and every branch has acknowledged it.'
          : `Committed: the decision is recorded. An operator stated that ${listed(byHand.map(named))} was settled by hand; the rest has acknowledged it.`,
    };
  }
  const names = listed(owing.map(({ participant }) => participant));
  return {
    ...told,
    state: 'COMMITTING',
    summary: `Committed, for good: the decision is recorded${ago}. Not every branch has acknowledged it. ${pendingText(leader)}`,
    waits: [{ for: 'acknowledgement', text: `It waits for one or more of ${names}.` }],
    advice: [
      leader.type === 'forgot'
        ? 'Have the leader take it up now: verdict recover'
        : `Its leader knows which branches are missing: verdict explain ${facts.txid}`,
    ],
  };
}

function pendingText(leader: NotKnown): string {
  if (leader.type === 'silent') return said(leader.why);
  return leader.started
    ? "It has just ended in the leader's memory, or is taken up at the next look through the log."
    : 'The leader is new, and is taking up what the log holds.';
}

function heldBranches({ participants }: Facts): ExplainedBranch[] {
  const found: ExplainedBranch[] = [];
  for (const { participant, instance, branches } of participants) {
    for (const held of branches ?? []) {
      if (held.state === 'unknown') continue;
      found.push({
        branch: held.branch,
        participant,
        instance,
        state: stateOfHeld[held.state],
        attempts: held.attempts ?? 0,
        ...(held.error === undefined ? {} : { lastError: said(held.error) }),
        connected: true,
        says: fitting(heldText(held)),
      });
    }
  }
  return found;
}
