/** What others named, and figures, as they are shown: bounded, and on one line. */

/** Of a name in a table; all of it is in its title, which is bounded, too. */
const usualCharacters = 64;
const titleCharacters = 600;

/**
 * Characters that would break the line, be invisible, or turn around what stands beside them, are
 * written out.
 */
const hidden = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\u2028\u2029]/gu;

export function shown(text: string, max: number = usualCharacters): string {
  // Cut first: what comes may be long.
  const head = text.slice(0, 2 * max + 2);
  const points = [...head];
  const isCut = points.length > max || head.length < text.length;
  const kept = isCut ? points.slice(0, max - 1) : points;
  const visible = kept.join('').replace(hidden, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    return character === '\n' ? '⏎' : `⟨U+${code}⟩`;
  });
  return isCut ? `${visible}…` : visible;
}

export function title(text: string): string {
  return shown(text, titleCharacters);
}

/** `820 ms`, `3.4 s`, `12 min`, `5 h`, `3 d`. */
export function duration(ms: number): string {
  if (ms < 1) return ms <= 0 ? '0 ms' : `${ms.toFixed(1)} ms`;
  if (ms < 10) return `${trimmed(ms.toFixed(1))} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${trimmed((ms / 1_000).toFixed(ms < 10_000 ? 1 : 0))} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 48 * 3_600_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

export function bytes(count: number): string {
  if (count < 1_000) return `${count} B`;
  if (count < 1_000_000) return `${trimmed((count / 1_000).toFixed(1))} kB`;
  return `${trimmed((count / 1_000_000).toFixed(1))} MB`;
}

export function whole(count: number): string {
  return Math.round(count)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** Per second. */
export function rate(perSecond: number): string {
  return perSecond < 10 ? trimmed(perSecond.toFixed(1)) : whole(perSecond);
}

export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${whole(count)} ${count === 1 ? one : many}`;
}

/** Of a wall clock, for people at it. */
export function timeOfDay(wallMs: number): string {
  const date = new Date(wallMs);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
}

function trimmed(text: string): string {
  return text.replace(/\.0$/, '');
}
