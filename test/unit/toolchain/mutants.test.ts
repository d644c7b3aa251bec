/**
 * Each fault that the simulation has to find is still there to be planted. A line that changed
 * takes its fault away unseen, for to hunt them all takes too long for every run.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mutants } from '../../simulation/mutants/list.ts';

describe('planted faults', () => {
  it.each(mutants.map(({ name, file, from }) => ({ name, file, from })))(
    '$name: its line is in $file once',
    ({ file, from }) => {
      expect(readFileSync(file, 'utf8').split(from)).toHaveLength(2);
    },
  );
});
