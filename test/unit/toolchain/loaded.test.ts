/**
 * A start is as short as what it loads is small: what only one path needs is loaded where that path
 * begins. So it is held by what is loaded, not by time.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Child } from '../../support/process/child.ts';

const root = new URL('../../../', import.meta.url);
const said = 'loaded ';
const etcdPackages = ['etcd3', '@grpc/grpc-js', 'protobufjs', 'cockatiel'];
/** Runs in the process that is looked at, and says at its end what was loaded. */
const listener = `
import { registerHooks } from 'node:module';
import { writeSync } from 'node:fs';
const urls = new Set();
registerHooks({ load: (url, context, next) => { urls.add(url); return next(url, context); } });
process.on('exit', () => writeSync(2, [...urls, ''].map((url) => '\\n${said}' + url).join('')));
`;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'verdict-loaded-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Loaded {
  readonly packages: readonly string[];
  /** Of Node. */
  readonly builtIn: readonly string[];
  /** Files of this project, from its root. */
  readonly own: readonly string[];
}

function started(file: string, args: readonly string[] = []): Child {
  const env = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(listener)}` };
  return new Child(file, { args, env });
}

async function loadedBy(child: Child): Promise<Loaded> {
  await child.exited;
  const urls = child.lines.flatMap((line) =>
    line.startsWith(said) ? [line.slice(said.length)] : [],
  );
  expect(urls, child.lines.join('\n')).not.toEqual([]);
  const packages = urls.flatMap(
    (url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? [],
  );
  return {
    packages: [...new Set(packages)].sort(),
    builtIn: urls.filter((url) => url.startsWith('node:')),
    own: urls
      .filter((url) => url.startsWith(root.href) && !url.includes('/node_modules/'))
      // The command runs what was built where that is newer.
      .map((url) => url.slice(root.href.length).replace(/^dist(.*)js$/, 'src$1ts')),
  };
}

const within = (own: readonly string[], folder: string): readonly string[] =>
  own.filter((path) => path.startsWith(folder));

describe('what is loaded', () => {
  it("by importing verdict/client: nothing but its own files; how it connects comes with 'connect'", async () => {
    const program = join(directory, 'import.mjs');
    writeFileSync(program, `import ${JSON.stringify(new URL('src/client.ts', root).href)};`);
    const { packages, builtIn, own } = await loadedBy(started(pathToFileURL(program).href));
    expect(packages).toEqual([]);
    expect(builtIn).toEqual([]);
    expect(within(own, 'src/transport')).toEqual([]);
    expect(within(own, 'src/client/')).not.toEqual([]);
    // Three are for traces, two for metrics, two for what a payload may hold, one for
    // `withTransaction`; no API of OpenTelemetry or Prometheus is among them.
    expect(own.length).toBeLessThanOrEqual(58);
  });

  it('by verdict --help: the parts of a command are not, nor what decodes messages', async () => {
    const { packages, own } = await loadedBy(started('bin/verdict.mjs', ['--help']));
    expect(packages).toEqual(['commander', 'picocolors']);
    for (const folder of ['node', 'coordinator', 'client', 'transport', 'core/term']) {
      expect(within(own, `src/${folder}/`)).toEqual([]);
    }
    expect(own).toContain('src/cli/main.ts');
    // Each command adds the file with its options. Two are for commands that there are not, one for
    // defaults that a help names.
    expect(own.length).toBeLessThanOrEqual(45);
  });

  it('by verdict serve on its own store, for machines: nothing of etcd, nothing that colours logs', async () => {
    const data = join(directory, 'data');
    const node = started('bin/verdict.mjs', [
      'serve',
      '--data',
      data,
      '--listen',
      '127.0.0.1:0',
      '--log-format',
      'json',
    ]);
    expect(await node.line(/"msg":"Ready\."/), node.lines.join('\n')).not.toBeNull();
    await node.stop();
    const { packages, own } = await loadedBy(node);
    expect(packages).toEqual(expect.arrayContaining(['lmdb', 'pino', 'ws']));
    for (const name of [...etcdPackages, 'pino-pretty', '@opentelemetry/api']) {
      expect(packages).not.toContain(name);
    }
    expect(within(own, 'src/decision-log/etcd/')).toEqual(['src/decision-log/etcd/endpoints.ts']);
  });
});
