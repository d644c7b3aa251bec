import { describe, expect, it } from 'vitest';
import { argumentsOf } from '../../bench/suite/arguments.ts';
import type { Section } from '../../bench/suite/section.ts';

const all = ['speed', 'memory', 'failover'].map(
  (name): Section => ({
    name,
    title: `Of ${name}`,
    about: '',
    run: async () => ({ tables: [], charts: [], targets: [] }),
  }),
);

function wanted(...args: readonly string[]) {
  const asked = argumentsOf(args, all);
  return 'sections' in asked ? asked : expect.fail(JSON.stringify(asked));
}

function wrong(...args: readonly string[]): string {
  const asked = argumentsOf(args, all);
  return 'wrong' in asked ? asked.wrong : expect.fail(JSON.stringify(asked));
}

describe('argumentsOf', () => {
  it('runs all sections, three rounds of a second', () => {
    expect(wanted()).toEqual({
      sections: all,
      durationMs: 1_000,
      rounds: 3,
      quick: false,
      soakMs: 60_000,
      kills: 15,
      json: null,
      write: false,
    });
  });

  it('takes what is given', () => {
    const args =
      '--only=failover,speed --seconds 0.5 --rounds 5 --soak 30 --kills 200 --json out.json --write'.split(
        ' ',
      );
    const { sections, ...rest } = wanted(...args);
    // In the suite's order.
    expect(sections.map(({ name }) => name)).toEqual(['speed', 'failover']);
    expect(rest).toEqual({
      durationMs: 500,
      rounds: 5,
      quick: false,
      soakMs: 1_800_000,
      kills: 200,
      json: 'out.json',
      write: true,
    });
  });

  it('measures less when it is to be quick, but for what is named', () => {
    expect(wanted('--quick', '--rounds', '2')).toMatchObject({
      durationMs: 250,
      rounds: 2,
      quick: true,
      soakMs: 6_000,
      kills: 2,
    });
  });

  it('writes no page of a quick run', () => {
    expect(wrong('--quick', '--write')).toContain('--quick');
  });

  it.each(['', 'sped', 'speed,'])('refuses the section %j and names those there are', (name) => {
    expect(wrong('--only', name)).toContain('There are: speed, memory, failover.');
  });

  it.each([
    ['--seconds', '0'],
    ['--seconds', '-1'],
    ['--seconds', ''],
    ['--seconds', 'two'],
    ['--seconds', 'Infinity'],
    ['--seconds', '3601'],
    ['--rounds', '0'],
    ['--rounds', '1.5'],
    ['--rounds', ''],
    ['--rounds', '1001'],
    ['--soak', '0'],
    ['--soak', '1441'],
    ['--kills', '0'],
    ['--kills', '1.5'],
    ['--kills', '10001'],
    ['--json', ''],
  ])('refuses %s %j and says what fits', (name, value) => {
    expect(wrong(`${name}=${value}`)).toMatch(new RegExp(`^${name} is `));
  });

  it.each([['--round', '3'], ['speed'], ['--seconds']])('refuses %s %s', (...args) => {
    expect(wrong(...args)).toContain('npm run bench -- [--only');
  });

  it('lists the sections in its help', () => {
    const asked = argumentsOf(['--help', '--rounds', 'x'], all);
    expect('help' in asked && asked.help).toMatch(/^ {2}speed {5}Of speed$/m);
  });
});
