/** Answers for programs. */
import { encodeText } from '../wire/text.ts';

/** One line, without its end. What JSON lacks is written as on the wire: long integers in full, bytes as base64. */
export function jsonText(value: object): string {
  return encodeText(value).trimEnd();
}
