/**
 * What the log files of a store hold that LMDB does not have yet.
 *
 * LMDB knows up to which record it has all, and whether there is a log. So a log that is missing is
 * not taken for an empty one, and one that does not go on where LMDB stops (a file restored alone,
 * or put there from elsewhere) is refused: it would be half of another time.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { ReadableKeys } from './key-value.ts';
import { Layer } from './layers.ts';
import { type LogPosition, readRecords } from './log-record.ts';
import { forOperator } from './operator-error.ts';
import { StoreUnreadableError } from './store-unreadable.ts';

/** Behind all other keys, and outside what an empty store is looked through for. */
export const markKey = '\u007flog';

export interface LogMark extends LogPosition {
  /** Whether there are log files. */
  readonly open: boolean;
}

export interface Unapplied {
  readonly layer: Layer;
  /** Of the last record. */
  readonly sequence: number;
}

export type LogPaths = readonly [string, string];

export function logPathsOf(path: string): LogPaths {
  return [`${path}.log-a`, `${path}.log-b`];
}

/** To be read before the store is looked at, which may get meanwhile what they hold. */
export function readLogs(path: string): readonly Buffer[] {
  return logPathsOf(path)
    .filter((each) => existsSync(each))
    .map((each) => readFileSync(each));
}

/** Throws LogApartError where logs and store are not of one time. */
export function unapplied(path: string, logs: readonly Buffer[], keys: ReadableKeys): Unapplied {
  const none: LogMark = { sequence: 0, log: 0, open: false };
  const mark = (keys.get(markKey) as LogMark | undefined) ?? none;
  if (mark.open && logs.length < logPathsOf(path).length) throw apart(path, 'is missing');
  const records = logs
    .flatMap((bytes) => readRecords(bytes))
    .filter(({ sequence }) => sequence > mark.sequence)
    .sort((one, other) => one.sequence - other.sequence);
  const layer = new Layer();
  let { sequence } = mark;
  for (const record of records) {
    sequence += 1;
    if (record.sequence !== sequence || record.log !== mark.log) {
      throw apart(path, 'does not go on where the store ends');
    }
    for (const [key, value] of record.changes) layer.set(key, value);
  }
  return { layer, sequence };
}

export class LogApartError extends StoreUnreadableError {}

function apart(path: string, how: string): LogApartError {
  const [first, second] = logPathsOf(path);
  return forOperator(
    new LogApartError(
      `The store ${path} cannot be opened: its log (${first}, ${second}) ${how}. They belong together: restore all three from one backup, or give an empty directory.`,
    ),
  );
}
