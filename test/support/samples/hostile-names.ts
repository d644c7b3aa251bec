/**
 * Names that somebody may give by mistake or on purpose: each a problem for objects, keys, lines,
 * terminals or eyes.
 */
export const hostileNames: readonly string[] = [
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  'toJSON',
  'valueOf',
  'then',
  'length',
  'type',
  'id',
  '__defineGetter__',
  '0',
  '-1',
  ' ',
  '/',
  '../../..',
  'a/b',
  'a%2Fb',
  'a\\b',
  'a:b',
  'a\u0000b',
  'a\nb',
  'a\u001b[31mb',
  'a\u009b2Jb',
  'a\u007fb',
  'a\u2028b',
  'a\u202eb',
  'a\u2066b',
  'a\u200bb',
  'a\u200db',
  'a\u00adb',
  'a\u3164b',
  'a\ufe0fb',
  '\ufeffa',
  'a\u{e0041}b',
  'a\ud800b',
  '',
  'x'.repeat(128),
  'x'.repeat(129),
  'ä'.repeat(64),
  'ä'.repeat(65),
  '日本',
  '😀',
];

const unseen: readonly number[] = [
  0x00, 0x0a, 0x1b, 0x7f, 0x9b, 0xad, 0x200b, 0x200d, 0x2028, 0x202e, 0x2066, 0x3164, 0xd800,
  0xfe0f, 0xfeff, 0xe0041,
];

/** Those of them that are refused as a name of at most 128 bytes. */
export const refusedNames: readonly string[] = hostileNames.filter(
  (name) =>
    name === '' ||
    name === '__proto__' ||
    Buffer.byteLength(name) > 128 ||
    // By code point, not by property: this must not be the product's own rule again.
    [...name].some((character) => unseen.includes(character.codePointAt(0) ?? 0)),
);
