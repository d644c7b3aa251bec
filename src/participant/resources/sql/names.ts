/**
 * What a branch is called inside a database. Plain text that an operator can read, without a
 * character that SQL would want quoted.
 */
import { isTxid, type Txid } from '../../../core/txid.ts';
import type { BranchRef } from '../../../ports/resource.ts';

const prefix = 'verdict';

/** `:` is what separates; the rest of what encodeURIComponent leaves is harmless, but for the quote. */
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

/** Null for what no `branchName` of this participant has made. */
export function branchOf(name: string, text: string): BranchRef | null {
  const start = namePrefix(name);
  if (!text.startsWith(start)) return null;
  const [txid = '', branch, ...more] = text.slice(start.length).split(':');
  return branch === undefined || more.length > 0 ? null : refOf(txid, branch);
}

export function refOf(txid: string, encodedBranch: string): { txid: Txid; branch: string } | null {
  if (!isTxid(txid)) return null;
  try {
    return { txid, branch: decodeURIComponent(encodedBranch) };
  } catch {
    return null;
  }
}
