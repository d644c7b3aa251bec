/**
 * What was thrown, in words. An application may throw what it likes - an object without a
 * prototype, an Error whose message is no text, one with getters that throw - and what handles an
 * error must not fail over it. Total: these never throw, whatever they are given.
 */

const maxCharacters = 10_000;
const wordless = 'something was thrown that cannot be put into words';

/** Its message, or what it says of itself. */
export function thrownText(thrown: unknown): string {
  return bounded(() => messageOf(thrown) ?? wordsOf(thrown));
}

/** With its name in front, as `String` has it: for logs. */
export function thrownLine(thrown: unknown): string {
  return bounded(() => {
    const message = messageOf(thrown);
    if (message === null) return wordsOf(thrown);
    const name = textAt(thrown, 'name');
    return name === null ? message : `${name}: ${message}`;
  });
}

/** Its name alone: what it says may be for no one else. */
export function thrownName(thrown: unknown): string {
  return bounded(() => textAt(thrown, 'name') ?? typeof thrown);
}

/** With its stack, where it has one: for whoever corrects it. */
export function thrownStack(thrown: unknown): string {
  return bounded(() => textAt(thrown, 'stack') ?? thrownLine(thrown));
}

/** Itself where it is an Error whose message can be read, else one that says what was thrown. */
export function thrownError(thrown: unknown): Error {
  try {
    if (thrown instanceof Error && typeof thrown.message === 'string') return thrown;
  } catch {
    // Below.
  }
  return new Error(thrownText(thrown));
}

/** It, where it is one of these; `instanceof` asks it for its prototype, which may throw. */
export function thrownAs<T>(
  thrown: unknown,
  kind: abstract new (...given: never[]) => T,
): T | null {
  try {
    return thrown instanceof kind ? thrown : null;
  } catch {
    return null;
  }
}

function messageOf(thrown: unknown): string | null {
  const message = textAt(thrown, 'message');
  const texts = message === null ? [] : [message];
  // Libraries wrap what happened in the whole statement, say: it must not be cut off behind that.
  for (const inner of innerTexts(thrown)) {
    if (!texts.some((text) => text.includes(inner))) texts.push(inner);
  }
  if (texts.length > 1 && message !== null && message.length > maxWrapperCharacters) {
    texts[0] = `${message.slice(0, maxWrapperCharacters)}...`;
  }
  return texts.length === 0 ? null : texts.join(message === null ? '; ' : ': ');
}

const maxCauses = 4;
const maxSeveral = 5;
const maxWrapperCharacters = 300;

/** Of those that it stands for, and of what caused it. */
function innerTexts(thrown: unknown): string[] {
  const texts: string[] = [];
  const several = at(thrown, 'errors');
  if (Array.isArray(several)) {
    for (const one of several.slice(0, maxSeveral)) {
      texts.push(textAt(one, 'message') ?? wordsOf(one));
    }
  }
  let cause = at(thrown, 'cause');
  for (let depth = 0; depth < maxCauses && cause !== undefined && cause !== null; depth += 1) {
    const text = isObject(cause) ? textAt(cause, 'message') : wordsOf(cause);
    if (text !== null) texts.push(text);
    cause = at(cause, 'cause');
  }
  return texts;
}

function wordsOf(thrown: unknown): string {
  if (!isObject(thrown)) return String(thrown);
  const code = textAt(thrown, 'code');
  if (code !== null) return `something was thrown with the code ${code}`;
  try {
    // A function's text is its whole source.
    if (typeof thrown === 'function') return 'a function was thrown';
    const text = String(thrown);
    // What every plain object says of itself says nothing.
    return text === '[object Object]' ? `an object: ${JSON.stringify(thrown)}` : text;
  } catch {
    return wordless;
  }
}

function textAt(thrown: unknown, name: string): string | null {
  const value = at(thrown, name);
  return typeof value === 'string' && value !== '' ? value : null;
}

function at(thrown: unknown, name: string): unknown {
  try {
    return isObject(thrown) ? Reflect.get(thrown, name) : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function bounded(words: () => string): string {
  try {
    const text = words();
    const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}...` : text;
    // Half a character would be refused wherever it travels.
    return cut.replace(/\p{Cs}/gu, '\ufffd');
  } catch {
    return wordless;
  }
}
