/**
 * Why a message was refused, for a log: without the keys and values that the answer to its peer
 * quotes. A payload or a token in the wrong place is still one.
 */
export function unquoted(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"/g, '"..."');
}
