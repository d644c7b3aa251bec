/**
 * Part of the build: `dist/light`, the package `verdict-client` (docs/adr/0011-light-client.md). It
 * has the files of `dist` that its entries lead to, and nothing that needs native code.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));
const dist = join(root, 'dist');
const light = join(dist, 'light');
const entries = { '.': 'client', './participant': 'participant' } as const;
/** What participants do without here: it is native, or brings gRPC along. */
const leftOut = /\/(journal\/lmdb\/journal|decision-log\/etcd\/reader)\.js$/;
/** For whoever looks for spans, which are loaded where an SDK of OpenTelemetry is. */
const openTelemetry = '@opentelemetry/api';

interface Manifest {
  readonly version: string;
  readonly license: string;
  readonly engines: object;
  readonly sideEffects: readonly string[];
  readonly dependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, Readonly<Record<string, object | string>>>>;
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

/** Files of `dist`, from there. */
async function reached(format: 'esm' | 'cjs'): Promise<readonly string[]> {
  const from = format === 'esm' ? dist : join(dist, 'require/commonjs');
  const { metafile } = await build({
    ...common,
    entryPoints: Object.values(entries).map((entry) => join(from, `${entry}.js`)),
    outdir: join(light, 'unwritten'),
    write: false,
    metafile: true,
    packages: 'external',
    plugins: [withoutNative],
  });
  return Object.keys(metafile?.inputs ?? {}).map((path) => relative(dist, join(root, path)));
}

/** The decoder in JavaScript alone: its package would bring a native one along. */
async function vendor(): Promise<void> {
  for (const [format, extension] of [
    ['esm', 'js'],
    ['cjs', 'cjs'],
  ] as const) {
    await build({
      ...common,
      stdin: { contents: "export { Packr, Unpackr } from 'msgpackr';", resolveDir: root },
      format,
      outfile: join(light, 'vendor', `msgpackr.${extension}`),
      plugins: [plainMsgpackr],
    });
  }
  cpSync(join(root, 'node_modules/msgpackr/LICENSE'), join(light, 'vendor/LICENSE.msgpackr'));
  cpSync(join(root, 'node_modules/ws/LICENSE'), join(light, 'vendor/LICENSE.ws'));
}

/**
 * Each entry as one file, for bundlers (the condition `module`): `ws` is CommonJS, whose `require`
 * an ES module has not, and is made a part of it by import here.
 */
async function bundles(): Promise<void> {
  for (const entry of Object.values(entries)) {
    const codec = entry === 'client' ? clientsCodec : plainMsgpackr;
    const { outputFiles } = await build({
      ...common,
      entryPoints: [join(dist, `${entry}.js`)],
      outfile: join(light, 'bundled', `${entry}.js`),
      format: 'esm',
      minifySyntax: true,
      minifyWhitespace: true,
      legalComments: 'inline',
      ignoreAnnotations: true,
      define: withoutAddons,
      external: ['node:sqlite'],
      plugins: [
        refusedNative,
        nodesEncoding,
        unexplained,
        codec,
        clientsSocket,
        tracingWherePresent,
      ],
      write: false,
    });
    for (const { path, text } of outputFiles) {
      mkdirSync(dirname(path), { recursive: true });
      // The paths of what is loaded late: for profilers, and no minifier can shorten them.
      writeFileSync(
        path,
        text.replace(/(__(?:esm|commonJS)\(\{\s*(?:async)?)\s*"[^"]+"\(/g, '$1 _('),
      );
    }
  }
}

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node22',
  logLevel: 'warning',
};

const withoutNative: Plugin = {
  name: 'without native code',
  setup({ onResolve }) {
    onResolve({ filter: leftOut }, ({ path }) => ({ path, external: true }));
  },
};

/** A bundler must find something: it fails when it is asked for, as the file that is not there. */
const refusedNative: Plugin = {
  name: 'native code refused',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: leftOut }, ({ path }) => ({ path, namespace: 'left out' }));
    onLoad({ filter: /.*/, namespace: 'left out' }, ({ path }) => ({
      contents: `throw Object.assign(new Error('There is no ${path} in verdict-client.'), { code: 'MODULE_NOT_FOUND' });`,
    }));
  },
};

/** Only nodes send one value to many. */
const nodesEncoding: Plugin = {
  name: 'without what nodes alone encode',
  setup({ onResolve, onLoad }) {
    const path = 'encoded once';
    onResolve({ filter: /\/encoded-once\.js$/ }, () => ({ path, namespace: path }));
    onLoad({ filter: /.*/, namespace: path }, () => ({
      contents: 'export const holdsEncoded = () => false; export let binaryOf, textOf;',
    }));
  },
};

/** What fields mean is for docs/MESSAGES.md: nothing reads it at run time. */
const unexplained: Plugin = {
  name: 'fields without what they mean',
  setup({ onLoad }) {
    onLoad({ filter: /\/wire\/shapes(\/[\w-]+)?\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(
        /(\b(?:required|optional|lenient)\(.*, )('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(\)[,;]?)$/gm,
        "$1''$3",
      ),
    }));
  },
};

const plainMsgpackr: Plugin = {
  name: 'msgpackr in JavaScript alone',
  setup({ onResolve, onLoad }) {
    const at = join(root, 'node_modules/msgpackr');
    onResolve({ filter: /^msgpackr$/ }, () => ({ path: 'msgpackr', namespace: 'plain' }));
    onLoad({ filter: /^msgpackr$/, namespace: 'plain' }, () => ({
      contents: "export { Packr } from './pack.js'; export { Unpackr } from './unpack.js';",
      resolveDir: at,
    }));
  },
};

/** What a client packs and unpacks, by a codec of a tenth of the size. */
const clientsCodec: Plugin = {
  name: "the client's codec",
  setup({ onResolve }) {
    onResolve({ filter: /^msgpackr$/ }, () => ({ path: join(root, 'scripts/light/codec.ts') }));
  },
};

/**
 * `ws` without its server, without listeners as browsers have them, and without extensions: none is
 * offered, compression neither, and one that was not offered ends the handshake.
 */
const clientsSocket: Plugin = {
  name: 'the client of ws',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^ws$/ }, () => ({ path: 'ws', namespace: 'client' }));
    onLoad({ filter: /^ws$/, namespace: 'client' }, () => ({
      contents: "import WebSocket from './websocket.js'; export { WebSocket };",
      resolveDir: join(root, 'node_modules/ws/lib'),
    }));
    for (const [name, contents] of Object.entries(unusedOfWs)) {
      onResolve({ filter: new RegExp(`/${name}$`) }, () => ({ path: name, namespace: 'client' }));
      onLoad({ filter: new RegExp(`^${name}$`), namespace: 'client' }, () => ({ contents }));
    }
    // What it requires of Node is imported: the name alone, for a bundler asks by it.
    onResolve({ filter: /^[a-z_]+$/ }, ({ path, kind }) =>
      kind === 'require-call' && builtIns.has(path) ? { path, namespace: 'built-in' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'built-in' }, ({ path }) => ({
      contents: `module.exports = require('imported ${path}').default;`,
    }));
    onResolve({ filter: /^imported / }, ({ path }) => ({
      path: path.slice('imported '.length),
      namespace: 'imported',
    }));
    onLoad({ filter: /.*/, namespace: 'imported' }, ({ path }) => ({
      contents: `import all from 'node:${path}'; export default all;`,
    }));
  },
};

/** Native helpers of `ws`, which it looks for unless told not to. */
const withoutAddons = {
  'process.env.WS_NO_BUFFER_UTIL': '"1"',
  'process.env.WS_NO_UTF_8_VALIDATE': '"1"',
};

/** What stands for files of `ws` that are loaded, and whose functions are never called. */
const unusedOfWs = {
  'permessage-deflate': "exports.extensionName = 'permessage-deflate';",
  extension: '',
  'event-target': 'exports.EventTarget = {};',
};

const builtIns: ReadonlySet<string> = new Set(builtinModules);

/** By an import that may fail: a project without OpenTelemetry can be bundled all the same. */
const tracingWherePresent: Plugin = {
  name: 'tracing where it is present',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@opentelemetry\/api$/ }, ({ kind }) =>
      kind === 'dynamic-import'
        ? { path: openTelemetry, external: true }
        : { path: openTelemetry, namespace: 'present' },
    );
    onLoad({ filter: /.*/, namespace: 'present' }, () => ({
      contents: `
        let api;
        try { api = await import('${openTelemetry}'); } catch (error) { throw error; }
        export const { context, createTraceState, isSpanContextValid, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = api;`,
    }));
  },
};

function copy(file: string, format: 'esm' | 'cjs'): void {
  const text = readFileSync(join(dist, file), 'utf8');
  const to = join(light, file);
  const extension = format === 'esm' ? 'js' : 'cjs';
  const vendored = relative(dirname(to), join(light, 'vendor', `msgpackr.${extension}`));
  const specifier = vendored.startsWith('.') ? vendored : `./${vendored}`;
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(
    to,
    text
      .replace(/(from )'msgpackr'/g, `$1'${specifier}'`)
      .replace(/require\("msgpackr"\)/g, `require("${specifier}")`),
  );
}

function copyOne(file: string): void {
  mkdirSync(dirname(join(light, file)), { recursive: true });
  cpSync(join(dist, file), join(light, file));
}

/** Those of the entries, and what they name. */
function declarations(): readonly string[] {
  const found = new Set<string>();
  const waiting = Object.values(entries).map((entry) => `${entry}.d.ts`);
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    const text = readFileSync(join(dist, file), 'utf8');
    for (const [, path = ''] of text.matchAll(/(?:from |import\()['"](\.[^'"]+)\.[jt]s['"]/g)) {
      waiting.push(`${join(dirname(file), path)}.d.ts`);
    }
    // By its effects alone.
    for (const [, path = ''] of text.matchAll(/^import ['"](\.[^'"]+)\.[jt]s['"]/gm)) {
      waiting.push(`${join(dirname(file), path)}.d.ts`);
    }
  }
  return [...found];
}

function lightManifest(): object {
  const exported = Object.entries(entries).map(([path, entry]) => {
    const text = JSON.stringify(manifest.exports[`./${entry}`]).replaceAll('./dist/', './');
    const { browser, ...others } = JSON.parse(text) as Record<string, object | string>;
    // Bun knows `module`, too, and brings a `ws` of its own: it gets what Node gets.
    const bun = others['default'];
    return [path, { browser, bun, module: `./bundled/${entry}.js`, ...others }];
  });
  const { ws } = manifest.dependencies;
  return {
    name: 'verdict-client',
    version: manifest.version,
    description:
      'The client and the participants of Verdict, a distributed transaction coordinator, without native code.',
    license: manifest.license,
    type: 'module',
    sideEffects: manifest.sideEffects.map((path) => path.replace('./dist/', './')),
    engines: manifest.engines,
    exports: { ...Object.fromEntries(exported), './package.json': './package.json' },
    dependencies: { ws },
    peerDependencies: { [openTelemetry]: manifest.dependencies[openTelemetry] },
    peerDependenciesMeta: { [openTelemetry]: { optional: true } },
  };
}

function readme(): string {
  return `# verdict-client

What \`verdict/client\` and \`verdict/participant\` of the package \`verdict\` are, as \`verdict-client\` and
\`verdict-client/participant\`: from the same sources, with the same version, without native code.
Journals are kept in SQLite, which is part of Node, Bun and Deno. Everything else is said in the
documentation of \`verdict\`; errors match by \`code\` between the two.
`;
}

rmSync(light, { recursive: true, force: true });
mkdirSync(join(light, 'vendor'), { recursive: true });
await vendor();
for (const format of ['esm', 'cjs'] as const) {
  for (const file of await reached(format)) copy(file, format);
}
for (const file of declarations()) copyOne(file);
for (const name of ['browser.cjs', 'check-node.cjs', 'commonjs/package.json']) {
  copyOne(join('require', name));
}
for (const entry of Object.values(entries)) {
  for (const kind of ['cjs', 'd.cts']) copyOne(join('require', `${entry}.${kind}`));
}
await bundles();
for (const name of ['LICENSE', 'CHANGELOG.md']) {
  if (existsSync(join(root, name))) cpSync(join(root, name), join(light, name));
}
writeFileSync(join(light, 'package.json'), `${JSON.stringify(lightManifest(), null, 2)}\n`);
writeFileSync(join(light, 'README.md'), readme());
