/** docs/SCALING.md says what the model computes from what was measured. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readMeasured } from '../../../scripts/scaling/measured.ts';
import { scalingPage, scalingPagePath } from '../../../scripts/scaling/page.ts';

// Tens of millions of events.
const timeoutMs = 120_000;

it(
  'is what `npm run scaling -- --write` makes of docs/bench/scaling.json',
  () => {
    expect(readFileSync(scalingPagePath, 'utf8')).toBe(scalingPage(readMeasured()));
  },
  timeoutMs,
);
