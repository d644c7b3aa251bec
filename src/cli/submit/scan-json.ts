/**
 * What JSON.parse accepts in silence: a key that stands twice in one object (it keeps the last),
 * and an integer that a double cannot hold (it rounds). Either would submit something else than
 * what was written.
 */

const quote = 0x22;
const backslash = 0x5c;

/** Takes only text that JSON.parse accepts. Null where there is nothing to complain about. */
export function findLoss(text: string): string | null {
  /** The keys of each open object; null for an array. */
  const open: (Set<string> | null)[] = [];
  let expectsKey = false;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit === quote) {
      const end = endOfString(text, index);
      const keys = open.at(-1);
      if (expectsKey && keys !== null && keys !== undefined) {
        const key = JSON.parse(text.slice(index, end + 1)) as string;
        if (keys.has(key)) return `The key ${JSON.stringify(key)} stands twice in one object.`;
        keys.add(key);
        expectsKey = false;
      }
      index = end;
    } else if (unit === 0x7b) {
      open.push(new Set());
      expectsKey = true;
    } else if (unit === 0x5b) {
      open.push(null);
      expectsKey = false;
    } else if (unit === 0x7d || unit === 0x5d) {
      open.pop();
      expectsKey = false;
    } else if (unit === 0x2c) {
      expectsKey = open.at(-1) !== null;
    } else if (unit >= 0x30 && unit <= 0x39) {
      const end = endOfNumber(text, index);
      if (isLost(text.slice(index, end))) {
        return `A number of ${end - index} characters, at character ${index + 1}, does not fit a JSON number and would be changed. Write it as a string.`;
      }
      index = end - 1;
    }
  }
  return null;
}

function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (text.charCodeAt(index) !== quote) {
    index += text.charCodeAt(index) === backslash ? 2 : 1;
  }
  return index;
}

function endOfNumber(text: string, start: number): number {
  let index = start;
  while (index < text.length && numberUnits.has(text.charCodeAt(index))) index += 1;
  return index;
}

const numberUnits: ReadonlySet<number> = new Set(
  [...'0123456789.eE+-'].map((digit) => digit.charCodeAt(0)),
);

/**
 * Beyond a double's range, or an integer that a double rounds to another one. Everyone expects
 * fractions to be rounded. An integer that a double prints as it was written survives as text.
 */
function isLost(number: string): boolean {
  const value = Number(number);
  if (!Number.isFinite(value)) return true;
  if (value <= Number.MAX_SAFE_INTEGER || !/^[0-9]+$/.test(number)) return false;
  return String(value) !== number && BigInt(value) !== BigInt(number);
}
