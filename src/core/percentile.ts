/** Of a histogram's counts, the difference of two readings as a rule. */

/** Within a bucket as if evenly spread. What is above all bounds counts as the last bound. */
export function percentile(
  counts: readonly number[],
  bucketsMs: readonly number[],
  part: number,
): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let left = total * part;
  for (const [index, count] of counts.entries()) {
    const to = bucketsMs[index];
    if (to === undefined) break;
    if (count >= left && count > 0) {
      const from = bucketsMs[index - 1] ?? 0;
      return from + ((to - from) * left) / count;
    }
    left -= count;
  }
  return bucketsMs.at(-1) ?? null;
}
