/** What good clients notice of hostile ones. */
import { slowdown, slowdownAim } from '../../fuzz/figures.ts';
import { fuzzLive, type LiveResult } from '../../fuzz/live.ts';
import { median } from '../load.ts';
import type { Section } from './section.ts';

/** For each second that a measurement takes. */
const framesPerSecond = 5_000;

export const attack: Section = {
  name: 'attack',
  title: 'Under attack',
  about:
    'Two clients commit over two participants, quietly and then beside connections that send ' +
    'thousands of hostile frames (`npm run fuzz` has the same ones): broken, oversized, made up, ' +
    'replayed. Nothing may break; the good ones may wait a little longer.',
  run: async ({ durationMs, rounds, progress }) => {
    const frames = Math.max(100, Math.round((durationMs / 1_000) * framesPerSecond));
    const results: LiveResult[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const result = await fuzzLive({
        frames,
        seed: round,
        progress: (text) => progress(`round ${round} of ${rounds}: ${text}`),
      });
      if (result.faults.length > 0) throw new Error(result.faults.join('\n'));
      results.push(result);
    }
    const ratio = median(results.map(slowdown));
    return {
      tables: [
        {
          title: `${frames.toLocaleString('en')} hostile frames`,
          columns: ['round', 'phase', 'p50 ms', 'p99 ms'],
          rows: results.flatMap(({ quiet, attacked }, index) => [
            [`${index + 1}`, 'quiet', quiet.p50Ms, quiet.p99Ms],
            [`${index + 1}`, 'attacked', attacked.p50Ms, attacked.p99Ms],
          ]),
        },
      ],
      charts: [],
      targets: [
        {
          what: 'Under attack: p99 of good clients',
          aim: `<= ${slowdownAim} times a quiet phase`,
          measured: `${ratio.toFixed(2)} times`,
          met: ratio <= slowdownAim,
        },
      ],
    };
  },
};
