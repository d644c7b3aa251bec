/** What the start of a command costs, as far as it is no matter of time: what is read and kept. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/logs/stores.ts';

const verdict = fileURLToPath(new URL('../../../bin/verdict.mjs', import.meta.url));
const modules = fileURLToPath(new URL('../../../node_modules', import.meta.url));
const serve = new URL('../../../src/cli/serve.ts', import.meta.url).href;
const program = new URL('../../../src/cli/program.ts', import.meta.url).href;
const devCa = new URL('../../../src/cli/dev-ca/dev-ca.ts', import.meta.url).href;
const listen = new URL('../../../src/transport/websocket/listen.ts', import.meta.url).href;

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

function help(environment: NodeJS.ProcessEnv): number | null {
  const { NODE_COMPILE_CACHE: _, NODE_DISABLE_COMPILE_CACHE: __, ...env } = process.env;
  return spawnSync(process.execPath, [verdict, '--help'], { env: { ...env, ...environment } })
    .status;
}

describe('a start', () => {
  it('of a node does not load what fetches pages', () => {
    const script = `
      await import(${JSON.stringify(serve)});
      const { webSocketAcceptor } = await import(${JSON.stringify(listen)});
      console.log(typeof webSocketAcceptor, process.moduleLoadList.join('\\n'));`;
    const loaded = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect(loaded).toMatch(/^function /);
    expect(loaded).toContain('NativeModule http');
    expect(loaded).not.toContain('undici');
  });

  it('of the command loads what makes certificates only to make some', () => {
    const load = (then: string): string => {
      const script = `
        const { registerHooks } = await import('node:module');
        registerHooks({ load: (url, context, next) => (console.log(url), next(url, context)) });
        await import(${JSON.stringify(program)});
        ${then}`;
      return execFileSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
      });
    };
    const loaded = load('');
    expect(loaded).toContain('/node_modules/commander/');
    expect(loaded).not.toMatch(/node_modules\/(?:pkijs|asn1js)\//);
    expect(load(`await import(${JSON.stringify(devCa)});`)).toContain('/node_modules/pkijs/');
  });

  it('keeps what was compiled beside the packages, in the place that is named, or nowhere', () => {
    expect(help({})).toBe(0);
    expect(readdirSync(join(modules, '.cache', 'verdict'))).not.toEqual([]);
    const named = join(directory.path, 'named');
    expect(help({ NODE_COMPILE_CACHE: named })).toBe(0);
    expect(readdirSync(named)).not.toEqual([]);
    const none = join(directory.path, 'none');
    expect(help({ NODE_COMPILE_CACHE: none, NODE_DISABLE_COMPILE_CACHE: '1' })).toBe(0);
    expect(readdirSync(directory.path)).toEqual(['named']);
  });
});
