/** Answers for programs, and for the terminals in which people read them. */
import { escapeUnseen } from '../core/names.ts';
import { encodeText } from '../wire/text.ts';

/** One line, without its end. What JSON lacks is written as on the wire: long integers in full, bytes as base64. */
export function jsonText(value: object): string {
  // JSON itself escapes only the oldest control characters; a parser reads the others back all the same.
  return escapeUnseen(encodeText(value).trimEnd());
}
