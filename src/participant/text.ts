/** Error texts travel in votes and acknowledgements, where a message is at most 1,024 bytes of well-formed text. */
import { thrownText } from '../core/thrown.ts';

const maxCharacters = 330;

export function boundedText(text: string): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}...` : text;
  return cut.toWellFormed();
}

export function textOf(error: unknown): string {
  return boundedText(thrownText(error));
}
