/**
 * The rule for names and keys from outside: of participants, branches, instances, clients, nodes,
 * requests, labels, locks and their groups. What one way in takes, no other refuses later.
 */
import { utf8Bytes } from './utf8.ts';

/** Completes "must be". */
export function nameText(maxBytes: number): string {
  return `a name of 1 to ${maxBytes} bytes without control or invisible characters, and not \`${protoName}\``;
}

/** An object's prototype, not a key: it cannot be sent in a map, and results are told by name. */
export const protoName = '__proto__';

/**
 * Control characters, line ends and half characters break lines and keys. What is not seen, or
 * turns the direction of writing, makes two names look like one.
 */
const unseen = '\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}\\p{Default_Ignorable_Code_Point}';
const unfit = new RegExp(`[${unseen}]`, 'u');
const everyUnfit = new RegExp(`[${unseen}]`, 'gu');
const plain = /^[ -~]*$/;

export function isName(value: string, maxBytes: number): boolean {
  if (value.length === 0 || value === protoName || !fitsBytes(value, maxBytes)) return false;
  return plain.test(value) || !unfit.test(value);
}

/** Whether the text takes at most so many bytes of UTF-8. */
export function fitsBytes(value: string, maxBytes: number): boolean {
  // No UTF-16 unit takes more than three bytes of UTF-8, and none takes less than one.
  if (value.length > maxBytes) return false;
  return value.length * 3 <= maxBytes || utf8Bytes(value) <= maxBytes;
}

/** Text for people, with what no name may hold escaped as in JSON: it cannot move a cursor. */
export function escapeUnseen(text: string): string {
  if (plain.test(text) || !unfit.test(text)) return text;
  return text.replace(everyUnfit, (character) => {
    let escaped = '';
    for (let index = 0; index < character.length; index += 1) {
      escaped += `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`;
    }
    return escaped;
  });
}

/** One instance of a participant, as the key of a map: names hold no control character. */
export function instanceKey(participant: string, instance: string): string {
  return `${participant}\u0000${instance}`;
}

/** One branch of a transaction, as the key of a map or a set: no txid holds a space. */
export function branchId({ txid, branch }: Record<'txid' | 'branch', string>): string {
  return `${txid} ${branch}`;
}
