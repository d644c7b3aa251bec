/** What is prepared in a database under Verdict's names, and what is to become of it. */
import type { Explanation } from '../../core/messages.ts';
import { isTxid, type Txid } from '../../core/txid.ts';
import { durationText, harmless } from '../text.ts';
import type { Findings } from './finding.ts';

export interface Prepared {
  /** As the database has it. */
  readonly name: string;
  readonly txid: Txid;
  readonly participant: string;
  readonly branch: string;
  /** Null: the database does not tell. */
  readonly ageMs: number | null;
  /** The statement that commits it, and the one that rolls it back. */
  readonly commit: string;
  readonly rollback: string;
}

/** "VDCT", as src/resources/mariadb/xid.ts has it. */
export const formatId = 0x56_44_43_54;

/** `verdict:participant:txid:branch:mark`, in PostgreSQL. Null: none of Verdict's. */
export function parseGid(gid: string, ageMs: number | null): Prepared | null {
  const [prefix, participant = '', txid = '', branch = '', mark, ...more] = gid.split(':');
  if (prefix !== 'verdict' || mark === undefined || more.length > 0) return null;
  const parts = partsOf(txid, participant, branch);
  if (parts === null || gid.includes("'")) return null;
  const name = `'${gid}'`;
  return {
    ...parts,
    name: gid,
    ageMs,
    commit: `COMMIT PREPARED ${name}`,
    rollback: `ROLLBACK PREPARED ${name}`,
  };
}

/** `txid:mark` and `participant:branch`, of that format, in MariaDB. */
export function parseXid(gtrid: string, bqual: string): Prepared | null {
  const [txid = '', mark, ...more] = gtrid.split(':');
  const [participant = '', branch = '', ...rest] = bqual.split(':');
  if (mark === undefined || more.length + rest.length > 0) return null;
  const parts = partsOf(txid, participant, branch);
  if (parts === null || /['\\]/.test(gtrid + bqual)) return null;
  const name = `'${gtrid}','${bqual}',${formatId}`;
  return {
    ...parts,
    name,
    ageMs: null,
    commit: `XA COMMIT ${name}`,
    rollback: `XA ROLLBACK ${name}`,
  };
}

function partsOf(
  txid: string,
  participant: string,
  branch: string,
): Pick<Prepared, 'txid' | 'participant' | 'branch'> | null {
  if (!isTxid(txid) || participant === '' || branch === '') return null;
  try {
    const parts = {
      participant: decodeURIComponent(participant),
      branch: decodeURIComponent(branch),
    };
    return { txid, ...parts };
  } catch {
    return null;
  }
}

export interface AskedOutcome {
  readonly prepared: Prepared;
  /** Null: no node and no etcd answered. */
  readonly explanation: Explanation | null;
}

/** Younger ones are under way, as a rule. */
export function judgePrepared(
  findings: Findings,
  { prepared, explanation }: AskedOutcome,
  minAgeMs: number,
): void {
  const { name, txid, participant } = prepared;
  const ageMs = prepared.ageMs ?? explanation?.ageMs ?? null;
  const age = ageMs === null ? 'of unknown age' : `prepared ${durationText(ageMs)} ago`;
  const what = `${harmless(name)}, ${age}, of ${harmless(participant)}`;
  const start = `Start ${harmless(participant)} on this database: it finds the branch, asks for the outcome and ends it.`;
  const byHand = (statement: string): string =>
    `${start} Only if it never comes back, by hand: ${harmless(statement)}`;
  if (explanation === null) {
    return findings.warning(
      'prepared',
      `${what}: no node and no etcd could be asked for its outcome.`,
      `Ask: verdict explain ${txid}. End nothing by hand before its outcome is known.`,
    );
  }
  const { state, decided, branches } = explanation;
  const branch = branches.find((each) => each.branch === prepared.branch);
  if (state === 'UNKNOWN') {
    return findings.problem(
      'prepared',
      `${what}: the cluster that was asked never gave out its txid.`,
      'It is of another cluster, or the decision log was recreated. Ask the cluster that it is of, by its --url. Without that one, compare with the data of the other participants before you end it: nothing else knows the outcome.',
    );
  }
  if (state === 'EXPIRED') {
    return findings.problem(
      'prepared',
      `${what}: its transaction ended long ago, and is not recorded any more.`,
      `${start} If this instance was retired, or the branch acknowledged by hand, the outcome is not known from here: compare with the data of the other participants. Else it aborted, for a commit is kept until each branch has acknowledged it: ${harmless(prepared.rollback)}`,
    );
  }
  if (decided !== null) {
    const statement = decided === 'commit' ? prepared.commit : prepared.rollback;
    const isUnderWay = ageMs !== null && ageMs < minAgeMs;
    if (isUnderWay) return;
    const here = branch?.connected === true ? 'connected' : 'not connected';
    return findings.problem(
      'prepared',
      `${what}: its transaction is ${state}, decided to ${decided}, and the participant is ${here}.`,
      branch?.connected === true
        ? `verdict explain ${txid} says what it waits for; verdict retry ${txid} sends the outcome again.`
        : byHand(statement),
    );
  }
  if (ageMs !== null && ageMs < minAgeMs) return;
  findings.warning(
    'prepared',
    `${what}: its transaction is ${state}, not decided yet.`,
    `verdict explain ${txid} says what it waits for; verdict resolve ${txid} aborts it. End nothing by hand before it is decided.`,
  );
}
