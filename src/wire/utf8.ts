import { utf8Bytes } from '../core/utf8.ts';

/**
 * Makes a text that did not come over the wire, such as an application's error message, fit a field
 * of `maxBytes` bytes. Half characters become U+FFFD; cuts end in an ellipsis.
 */
export function fitText(text: string, maxBytes: number): string {
  // What is cut off need not be made well-formed: an error message may be megabytes.
  const whole = text.length <= maxBytes && utf8Bytes(text) <= maxBytes;
  if (whole && text.isWellFormed()) return text;
  const formed = (whole ? text : text.slice(0, maxBytes)).toWellFormed();
  // U+FFFD takes three bytes, half a character was counted as two.
  if (whole && utf8Bytes(formed) <= maxBytes) return formed;
  const ellipsis = '…';
  let bytes = utf8Bytes(ellipsis);
  let kept = '';
  for (const character of formed) {
    bytes += utf8Bytes(character);
    if (bytes > maxBytes) break;
    kept += character;
  }
  return kept + ellipsis;
}
