/**
 * The library mode with participants that throw anything, hang, are slow and return what is no
 * answer, a coordinator that is closed and opened again in the midst, and a process that is killed:
 * in the end all participants agree, and with what was answered.
 */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import {
  checkOutcomes,
  EmbeddedProcess,
  type EmbeddedProcessSettings,
  type Told,
} from '../support/library/embedded-process.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { eventually, pause } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

const seed = 20_291;
const rounds = 2;
/** Of each round, whatever the machine makes of a second. */
const wanted = { committed: 12, aborted: 12, opened: 2 };

it(
  'participants agree, whatever they do and however the coordinator ends',
  async () => {
    const directory = temporaryDirectory();
    onTestFinished(() => directory.remove());
    const random = seededRandom(seed);
    const settings: Omit<EmbeddedProcessSettings, 'seed'> = {
      log: { kind: 'lmdb', directory: join(directory.path, 'log') },
      state: join(directory.path, 'state'),
    };
    const told: Told[] = [];
    let opened = 0;
    for (let round = 1; round <= rounds; round += 1) {
      const life = new EmbeddedProcess({ ...settings, seed: seed + round }, 'wild');
      onTestFinished(async () => {
        if (life.child.exit === null) await life.child.kill();
      });
      await life.recovered();
      await Promise.race([pause(1_000 + random.fraction() * 1_000), life.exited]);
      await eventually(
        () => (life.child.exit !== null || isEnough(life.told()) ? true : null),
        () => `enough of round ${round}; there are ${life.told().length} lines`,
      );
      if (life.child.exit === null) await life.child.kill();
      const lines = life.child.lines.filter((line) => !line.startsWith('{'));
      expect(lines).toEqual([]);
      expect((await life.exited).signal).toBe('SIGKILL');
      told.push(...life.told());
      opened += life.told().filter(({ event }) => event === 'recovered').length;
    }
    const last = new EmbeddedProcess({ ...settings, seed, recoverOnly: true });
    const { code } = await last.exited;
    expect(code, last.child.lines.join('\n')).toBe(0);
    expect(await last.recovered()).toMatchObject({ unfinished: [], unjudged: [], failed: [] });
    const verdicts = checkOutcomes(settings.state, told);
    expect(verdicts.committed).toBeGreaterThan(20);
    expect(verdicts.aborted).toBeGreaterThan(20);
    expect(opened).toBeGreaterThan(rounds);
  },
  240_000 * slownessFactor,
);

function isEnough(told: readonly Told[]): boolean {
  const count = (isSo: (one: Told) => boolean): number => told.filter(isSo).length;
  return (
    count((one) => one.event === 'answered' && one.committed) >= wanted.committed &&
    count((one) => one.event === 'answered' && !one.committed) >= wanted.aborted &&
    count(({ event }) => event === 'recovered') >= wanted.opened
  );
}
