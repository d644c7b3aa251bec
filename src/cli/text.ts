/** How things are written: for people, and for the programs whose answers people read. */
import { createColors } from 'picocolors';
import type { AbortReason } from '../core/catalogue.ts';
import { escapeUnseen } from '../core/names.ts';
import { encodeText } from '../wire/encode-text.ts';
import type { Io, Output } from './io.ts';

export { durationText } from '../core/duration.ts';

export type Colors = ReturnType<typeof createColors>;

/** Colours only on a terminal, and not where NO_COLOR is set. */
export function colorsFor(stream: Output, env: Io['env']): Colors {
  const unwanted = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  return createColors(stream.isTTY === true && !unwanted);
}

/** Foreign text on one line: it can neither move the cursor nor pass for another text. */
export function harmless(text: string): string {
  return escapeUnseen(text.replace(/[\n\t]/g, ' '));
}

export function harmlessLines(text: string): string {
  return text.split('\n').map(harmless).join('\n');
}

/** One line without its newline. As on the wire: long integers in full, bytes as base64. */
export function jsonText(value: object): string {
  // JSON escapes only ASCII's control characters; a parser reads the others back all the same.
  return escapeUnseen(encodeText(value).trimEnd());
}

/** `CONFLICT inventory: stale version (a retry may succeed)`. */
export function reasonText(reason: AbortReason): string {
  const who = reason.participant === undefined ? '' : ` ${harmless(reason.participant)}`;
  const retry = reason.retryable ? ' (a retry may succeed)' : '';
  return `${reason.code}${who}: ${harmless(reason.message)}${retry}`;
}

/** `1,234,567`, whatever the locale of the machine. */
export function countText(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}

export const decisionSources = {
  recorded: 'recorded in the decision log',
  presumed: 'no commit is recorded, and none can come any more',
  forced: 'it was not decided: the abort was forced',
} as const;
