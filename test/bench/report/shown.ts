/** Numbers as they are read: with the digits that say something, thousands set apart. */
export function shownNumber(value: number): string {
  if (!Number.isFinite(value)) return 'none';
  const size = Math.abs(value);
  const digits = Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

export function shownCell(cell: string | number | null): string {
  if (cell === null) return '';
  return typeof cell === 'number' ? shownNumber(cell) : cell;
}

/** At a tick of an axis: no more digits than it has. */
export function shownTick(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 6 });
}

export function shownDuration(durationMs: number): string {
  const seconds = durationMs / 1_000;
  return seconds < 120
    ? `${shownTick(Math.round(seconds * 10) / 10)} s`
    : `${Math.round(seconds / 60)} min`;
}

/** For a run that goes on: minutes and seconds, `2:05`. */
export function clockTime(durationMs: number): string {
  const seconds = Math.floor(durationMs / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
