/**
 * What a branch is called inside a database: text that an operator can read, with nothing that SQL
 * would quote. The name says which branch it is, the mark behind it whose: several processes, each
 * with its own journal, prepare a participant's branches, and only the one that voted knows of it.
 */
import { isTxid, type Txid } from '../../core/txid.ts';
import type { BranchRef } from '../../ports/resource.ts';
import { systemRandom } from '../../system/random.ts';
import { shortHash } from '../../system/short-hash.ts';

const prefix = 'verdict';

/** `:` separates; the rest of what encodeURIComponent leaves is harmless, but for the quote. */
export function encodePart(text: string): string {
  return encodeURIComponent(text).replaceAll("'", '%27');
}

/** Everything that begins with this belongs to the participant of that name. */
export function namePrefix(name: string): string {
  return `${prefix}:${encodePart(name)}:`;
}

export function branchName(name: string, { txid, branch }: BranchRef): string {
  return `${namePrefix(name)}${txid}:${encodePart(branch)}`;
}

/** Two instances with one mark would take each other's votes for their own: 72 bits. */
export const markLength = 12;

/** Of the instance that voted. */
export function markOf(instance: string | undefined): string {
  return shortHash(instance ?? '', markLength);
}

const identityDigits = 16;
/** Of a row that is no branch's: its note is what the database calls itself. */
export const identityRow = 'identity';

/** What a database calls itself: the same for every process, made by the first. */
export async function identityOf(
  kind: string,
  note: () => Promise<string | null>,
  keepFirst: (identity: string) => Promise<unknown>,
): Promise<string> {
  const found = await note();
  if (found !== null) return found;
  await keepFirst(`${kind}-${systemRandom.token(identityDigits)}`);
  return (await note()) ?? identityRow;
}

export function marked(text: string, mark: string): string {
  return `${text}:${mark}`;
}

export interface MarkedBranch {
  readonly ref: BranchRef;
  readonly mark: string;
}

/** Null for what no `branchName` of this participant has made. */
export function branchOf(name: string, text: string): MarkedBranch | null {
  const start = namePrefix(name);
  if (!text.startsWith(start)) return null;
  const [txid = '', branch, mark = '', ...more] = text.slice(start.length).split(':');
  if (branch === undefined || more.length > 0) return null;
  const ref = refOf(txid, branch);
  return ref === null ? null : { ref, mark };
}

export function refOf(txid: string, encodedBranch: string): { txid: Txid; branch: string } | null {
  if (!isTxid(txid)) return null;
  try {
    return { txid, branch: decodeURIComponent(encodedBranch) };
  } catch {
    return null;
  }
}
