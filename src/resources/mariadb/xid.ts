/** gtrid: txid (up to 46 bytes) and the voter's mark; bqual: participant, branch. 64 bytes each. */
import type { RowDataPacket } from 'mysql2/promise';
import type { BranchCall, BranchRef } from '../../ports/resource.ts';
import { branchName, encodePart, type MarkedBranch, marked, markOf, refOf } from '../sql/names.ts';
import type { Statements } from './ends.ts';

/** "VDCT": what tells Verdict's branches from those of other transaction managers. */
const formatId = 0x56_44_43_54;
const maxPartBytes = 64;

export interface Xid {
  /** As XA statements take it. Nothing in it wants quoting: sql/names.ts. */
  readonly text: string;
  readonly gtrid: string;
  readonly bqual: string;
  /** Of the instance that prepares it. */
  readonly mark: string;
  /** The key of its row, and of its lock. */
  readonly name: string;
}

/** Null where the names are too long for one. */
export function xidOf(
  participant: string,
  ref: BranchRef & Pick<BranchCall<unknown>, 'instance'>,
): Xid | null {
  const mark = markOf(ref.instance);
  const gtrid = marked(ref.txid, mark);
  const bqual = `${encodePart(participant)}:${encodePart(ref.branch)}`;
  if (bqual.length > maxPartBytes || gtrid.length > maxPartBytes) return null;
  return { ...textOf({ gtrid, bqual }), mark, name: branchName(participant, ref) };
}

function textOf({ gtrid, bqual }: XidParts): Omit<Xid, 'name' | 'mark'> {
  return { text: `'${gtrid}','${bqual}',${formatId}`, gtrid, bqual };
}

interface RecoveredXid extends RowDataPacket {
  readonly formatID: number;
  readonly gtrid_length: number;
  readonly bqual_length: number;
  readonly data: Buffer | string;
}

type XidParts = Pick<Xid, 'gtrid' | 'bqual'>;

/** All that Verdict has prepared on this server, also what its session still has. */
async function recovered(on: Pick<Statements, 'rows'>): Promise<XidParts[]> {
  const rows = await on.rows<RecoveredXid>('XA RECOVER');
  return rows.flatMap(({ formatID, gtrid_length: length, data }) => {
    const text = data.toString();
    const xid = { gtrid: text.slice(0, length), bqual: text.slice(length) };
    return Number(formatID) === formatId ? [xid] : [];
  });
}

/** Also while its session lives. */
export async function isPrepared(on: Statements, { gtrid, bqual }: Xid): Promise<boolean> {
  const found = await recovered(on);
  return found.some((one) => one.gtrid === gtrid && one.bqual === bqual);
}

/** The same branch as whichever instance prepared it; null where none has. */
export async function preparedByAny(on: Statements, xid: Xid): Promise<Xid | null> {
  const [txid] = xid.gtrid.split(':');
  for (const one of await recovered(on)) {
    const [of, mark = ''] = one.gtrid.split(':');
    if (one.bqual === xid.bqual && of === txid) return { ...textOf(one), mark, name: xid.name };
  }
  return null;
}

/** All branches of the participant, by whichever instance. */
export async function preparedBranches(
  on: Pick<Statements, 'rows'>,
  participant: string,
): Promise<MarkedBranch[]> {
  const found = (await recovered(on)).map((xid) => branchOfXid(participant, xid));
  return found.filter((branch) => branch !== null);
}

function branchOfXid(participant: string, { gtrid, bqual }: XidParts): MarkedBranch | null {
  const [name, branch, ...more] = bqual.split(':');
  if (name !== encodePart(participant) || branch === undefined || more.length > 0) return null;
  const [txid = '', mark = '', ...rest] = gtrid.split(':');
  const ref = rest.length > 0 ? null : refOf(txid, branch);
  return ref === null ? null : { ref, mark };
}
