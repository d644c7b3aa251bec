import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, describe, expect, it } from 'vitest';
import { configure, readConfigFile } from '../../../src/cli/config-file.ts';
import { exitCodes } from '../../../src/cli/exit-codes.ts';
import { processIo } from '../../../src/cli/io.ts';
import { serveCommand } from '../../../src/cli/serve-command.ts';
import { runMain } from '../../support/process/cli-io.ts';

const directory = mkdtempSync(join(tmpdir(), 'verdict-config-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The options of `verdict serve`, as if these were its arguments. */
function serveWith(argv: readonly string[]): Command {
  const program = new Command();
  serveCommand(program, processIo(), () => undefined);
  const [serve] = program.commands;
  if (serve === undefined) throw new Error('no serve command');
  serve.exitOverride().parseOptions([...argv]);
  return serve;
}

function fileOf(content: unknown): string {
  const file = join(directory, 'config.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

describe('the configuration of a node', () => {
  it('is of the flags, then of the environment, then of the file, then the default', () => {
    const file = fileOf({
      listen: '0.0.0.0:9001',
      node: 'of-file',
      'log-level': 'warn',
      etcd: ['0-1=10.0.0.1:2379', '2-3=10.0.0.2:2379'],
      'etcd-compact': true,
      option: { drainMs: 1, tickMs: 5_000, maxBranches: 7 },
    });
    const command = serveWith(['--config', file, '--node', 'of-flag', '--option', 'drainMs=3']);
    const sources = configure(command, { VERDICT_OPTION: 'drainMs=2,tickMs=6000' });
    expect(command.opts()).toMatchObject({
      listen: { host: '0.0.0.0', port: 9_001 },
      node: 'of-flag',
      logLevel: 'warn',
      etcdCompact: true,
      data: './verdict-data',
      option: { drainMs: 3, tickMs: 6_000, maxBranches: 7 },
    });
    expect(sources.flags).toMatchObject({
      listen: 'file',
      node: 'flag',
      logLevel: 'file',
      data: 'default',
    });
    expect(sources.options).toEqual({
      drainMs: 'flag',
      tickMs: 'environment',
      maxBranches: 'file',
    });
  });

  it.each([
    [{ lsiten: 'a:1' }, 'there is no option "lsiten". Did you mean "listen"?'],
    [{ colour: 'red' }, 'there is no option "colour". The names are those of the flags'],
    [{ config: 'other.json' }, 'there is no option "config"'],
    [{ listen: 'a:99999' }, '"listen" is "a:99999".'],
    [{ 'log-level': 'loud' }, '"log-level" is "loud". Allowed choices are'],
    [{ insecure: 'yes' }, 'Write true or false.'],
    [{ option: { drainms: 1 } }, '"option" is {"drainms":1}.'],
    ['[1]', 'write one JSON object'],
    ['{', 'is not JSON'],
    ['hunter2\n', "is not JSON: SyntaxError: Unexpected token 'h' is not valid JSON"],
  ])('refuses %j', (content, text) => {
    const file = fileOf(content);
    expect(() => readConfigFile(serveWith([]), file)).toThrow(text);
  });

  it('refuses a variable that is nearly one of its own, and lets others be', () => {
    const kubernetes = { VERDICT_SERVICE_HOST: '10.0.0.1', VERDICT_PORT: 'tcp://10.0.0.1:7070' };
    expect(configure(serveWith([]), kubernetes).flags['listen']).toBe('default');
    expect(() => configure(serveWith([]), { VERDICT_LISTN: 'a:1' })).toThrow(
      'There is no variable VERDICT_LISTN. Did you mean VERDICT_LISTEN?',
    );
  });
});

describe('config --check', () => {
  it('does not take a file for an access file that is not JSON', async () => {
    const file = fileOf('{"listen":"127.0.0.1:7070",}');
    const { exitCode, errors } = await runMain(['config', '--check', file]);
    expect(exitCode).toBe(exitCodes.fault);
    expect(errors).toContain(`${file} is not JSON: `);
    expect(errors).not.toContain('access file');
    // It may be an access file all the same, with a secret in it.
    const secret = await runMain(['config', '--check', fileOf('geheim')]);
    expect(secret.errors).toContain('is not JSON');
    expect(secret.errors).not.toContain('geheim');
  });
});
