/** To the text form: see text.ts, which reads it. Commands that decode nothing print by it too. */

// The lib of this TypeScript does not have it yet; Node 22 does.
const json = JSON as unknown as { rawJSON(text: string): unknown };

/** `message` must be what `sendable` gave back. */
export function encodeText(message: unknown): string {
  return `${JSON.stringify(toJson(message))}\n`;
}

/** A copy in which everything is what JSON.stringify writes as it should be. */
function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return json.rawJSON(value.toString());
  if (typeof value === 'number' && Number.isFinite(value) && Math.abs(value) > 2 ** 53) {
    return json.rawJSON(value.toExponential());
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Uint8Array) return base64(value);
  const copy: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(value)) copy[key] = toJson(entry);
  return copy;
}

function base64(bytes: Uint8Array): string {
  let characters = '';
  for (let start = 0; start < bytes.length; start += 8_192) {
    characters += String.fromCharCode(...bytes.subarray(start, start + 8_192));
  }
  return btoa(characters);
}
