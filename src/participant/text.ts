/** Texts of errors for votes and acknowledgements: at most 1,024 bytes, well-formed. */
import { thrownText } from '../core/thrown.ts';

const maxCharacters = 330;

export function boundedText(text: string): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}...` : text;
  return cut.toWellFormed();
}

export function textOf(error: unknown): string {
  return boundedText(thrownText(error));
}
