/** How an explanation says things: texts of others are made harmless and short. */
import type {
  BranchState,
  HeldBranchStatus,
  HeldState,
  LockStatus,
  SettledBy,
} from '../messages.ts';
import { escapeUnseen, fitsBytes } from '../names.ts';

/** As long as a text on the wire may be. */
const maxTextBytes = 1_024;
/** Of what another says, within a text. */
const maxSaidLength = 200;

/** Foreign text on one line: it can neither move the cursor nor fill the page. */
export function said(text: string): string {
  // Nothing is spent on what will be cut.
  const start = text.slice(0, 2 * maxSaidLength);
  const line = escapeUnseen(start.replace(/\s/g, ' ')).trim();
  return line.length > maxSaidLength ? `${line.slice(0, maxSaidLength).trimEnd()}…` : line;
}

/** Cut to what the wire takes. */
export function fitting(text: string): string {
  if (fitsBytes(text, maxTextBytes)) return text;
  let end = Math.min(text.length, maxTextBytes);
  while (!fitsBytes(`${text.slice(0, end)}…`, maxTextBytes)) end -= 16;
  // No half of a character at the end.
  const cut = text.slice(0, end).replace(/[\ud800-\udbff]$/, '');
  return `${cut}…`;
}

/** `a`, `a and b`, `a, b and 3 more`. */
export function listed(names: readonly string[], max = 3): string {
  if (names.length > max) return `${names.slice(0, max).join(', ')} and ${names.length - max} more`;
  const last = names.at(-1) ?? '';
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} and ${last}`;
}

/** The participant, and the branch where it has another name. */
export function named({
  branch,
  participant,
}: {
  readonly branch: string;
  readonly participant: string;
}): string {
  return branch === participant ? participant : `${participant} (branch ${branch})`;
}

/** An operator's word on a branch, harmless. */
export function saidBy({ by, reason, atMs }: SettledBy): SettledBy {
  return { by: said(by), reason: said(reason), atMs };
}

export function lockText({ key, mode }: Pick<LockStatus, 'key' | 'mode'>): string {
  return `"${said(key)}" (${mode})`;
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

const heldTexts: Readonly<Record<HeldState, string>> = {
  unknown: 'knows nothing of it',
  working: 'is at work for it, and has prepared nothing yet',
  preparing: 'is still preparing',
  voting: 'is writing its vote down',
  'in-doubt': 'has it prepared and waits for the outcome',
  readonly: 'only read, and holds nothing',
  committing: 'is carrying the commit out',
  committed: 'has committed',
  'rolling-back': 'is rolling back',
  'rolled-back': 'has rolled back',
  'left-over': 'has what another process of it began and left without a vote',
  forgotten: 'has committed, long ago',
};

/** What a participant says of a branch. */
export function heldText({ state, attempts = 0, error }: HeldBranchStatus): string {
  const tries = attempts > 1 ? `, try ${attempts}` : '';
  const last = error === undefined ? '' : `; the last one failed: ${said(error)}`;
  return `${heldTexts[state]}${tries}${last}`;
}

/** Where the leader does not say: how far a branch is by what its participant says. */
export const stateOfHeld: Readonly<Record<HeldState, BranchState>> = {
  unknown: 'enlisted',
  working: 'enlisted',
  preparing: 'preparing',
  voting: 'preparing',
  'in-doubt': 'prepared',
  readonly: 'readonly',
  committing: 'committing',
  committed: 'committed',
  'rolling-back': 'rolling-back',
  'rolled-back': 'rolled-back',
  'left-over': 'preparing',
  forgotten: 'committed',
};
