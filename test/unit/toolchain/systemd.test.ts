/** The unit files: systemd's own program reads them, and a node has the time to drain. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { coordinatorOptionTable } from '../../../src/core/coordinator-options.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { skipWithout } from '../../support/nodes/docker.ts';
import { lacking } from '../../support/process/lacking.ts';

const folder = fileURLToPath(new URL('../../../cluster/systemd', import.meta.url));
const units = readdirSync(folder).filter((name) => name.endsWith('.service'));

/** Of systemd's ten: what is more than this lets a node do what it has no need of. */
const mostExposure = 1.5;

function read(unit: string): string {
  return readFileSync(join(folder, unit), 'utf8');
}

function missing(): string | null {
  const { error } = spawnSync('systemd-analyze', ['--version'], { timeout: 20_000 });
  if (error === undefined) return null;
  return `there is no systemd-analyze here (${error.message})`;
}
const noSystemd = lacking(missing());

/** What systemd says of a unit. Whether the program is there is another question. */
function verify(text: string): { readonly status: number | null; readonly said: string } {
  const directory = temporaryDirectory();
  try {
    const unit = join(directory.path, 'checked.service');
    writeFileSync(unit, text.replaceAll('/usr/bin/verdict', process.execPath));
    const { status, stderr, stdout } = spawnSync('systemd-analyze', ['verify', unit], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    return { status, said: `${stdout}${stderr}`.trim() };
  } finally {
    directory.remove();
  }
}

/** A line of the unit, in seconds. */
function secondsOf(unit: string, name: string): number {
  const [, seconds] = new RegExp(`^${name}=(\\d+)s$`, 'm').exec(read(unit)) ?? [];
  return Number(seconds ?? expect.fail(`${unit} has no ${name} in seconds`));
}

describe('the unit files', () => {
  it('are two, which differ in what belongs to one node', () => {
    expect(units).toEqual(['verdict.service', 'verdict@.service']);
    const [one = '', several = ''] = units.map(read);
    const lines = (text: string) => text.split('\n').filter((line) => /^#?\w+=/.test(line));
    expect(
      lines(several).map((line) =>
        line
          .replace('/etc/verdict/%i.conf', '/etc/verdict/node.conf')
          .replace(' node %i,', ',')
          .replace(' --node %i', '')
          .replaceAll(/[-/]%i/g, ''),
      ),
    ).toEqual(lines(one));
  });

  it.each(units)('%s gives a node the time to drain', (unit) => {
    expect(secondsOf(unit, 'TimeoutStopSec') * 1_000).toBeGreaterThan(
      coordinatorOptionTable.drainMs.default + 5_000,
    );
  });
});

describe('the unit files, to systemd-analyze', () => {
  skipWithout(noSystemd);

  it.each(units)('%s is one that systemd takes', (unit) => {
    expect(verify(read(unit))).toEqual({ status: 0, said: '' });
  });

  it('is checked by a program that finds what is wrong', () => {
    const [unit = ''] = units;
    const { said } = verify(read(unit).replace('KillMode=mixed', 'KillModus=mixed'));
    expect(said).toContain('KillModus');
  });

  it.each(units)('%s lets a node do little more than it must', (unit) => {
    const directory = temporaryDirectory();
    const path = join(directory.path, 'checked.service');
    writeFileSync(path, read(unit));
    const text = execFileSync(
      'systemd-analyze',
      ['security', '--offline=true', '--no-pager', path],
      { encoding: 'utf8', timeout: 60_000 },
    );
    directory.remove();
    const [, exposure] = /exposure level for \S+: ([\d.]+)/.exec(text) ?? [];
    expect(Number(exposure)).toBeLessThanOrEqual(mostExposure);
  });
});
