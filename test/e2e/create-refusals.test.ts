/**
 * What `create-verdict` refuses, and that it then leaves everything as it was; and what it asks at
 * a terminal. The tool alone, as the build makes it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { endWithParent } from '../support/process/end-with-parent.ts';
import { lacking } from '../support/process/lacking.ts';
import { slownessFactor } from '../support/process/slowness.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const tool = join(root, 'dist/create/create.mjs');
const timeoutMs = 30_000 * slownessFactor;

let place: string;
beforeAll(() => {
  const built = spawnSync(process.execPath, [join(root, 'scripts/create/build.ts')], {
    timeout: timeoutMs,
  });
  expect(built.stderr.toString()).toBe('');
});
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'create-verdict-test-'));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

function run(
  args: readonly string[],
  {
    cwd = place,
    env = {},
    through = [],
    flags = [],
  }: {
    readonly cwd?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly through?: readonly string[];
    readonly flags?: readonly string[];
  } = {},
): Said {
  const own = Object.entries(process.env).filter(([key]) => !key.startsWith('npm_'));
  const [program = '', ...rest] = [...through, process.execPath, ...flags, tool, ...args];
  const { status, stdout, stderr } = spawnSync(program, rest, {
    cwd,
    env: { ...Object.fromEntries(own), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    encoding: 'utf8',
  });
  return { code: status, out: stdout, errors: stderr };
}

/** Every path below the place, with what is in the files. */
function everything(): readonly string[] {
  return readdirSync(place, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return `${path} ${entry.isFile() ? readFileSync(path, 'utf8') : ''}`;
    })
    .sort();
}

function expectRefused(said: Said, pattern: RegExp, code = 1): void {
  expect(said.errors).toMatch(pattern);
  expect(said).toMatchObject({ code, out: '' });
}

function nameIn(...path: readonly string[]): string {
  const text = readFileSync(join(place, ...path, 'package.json'), 'utf8');
  return (JSON.parse(text) as { name: string }).name;
}

describe('a place', () => {
  it.each([
    [
      'a file',
      (path: string) => writeFileSync(path, 'mine'),
      /it, or a part of its path, is a file/,
    ],
    [
      'a directory with files',
      (path: string) => {
        mkdirSync(path);
        for (const name of ['a', 'b\u001b[31m', 'c', 'd', 'e', 'f']) {
          writeFileSync(join(path, name), 'mine');
        }
      },
      /is not empty: it has "a", "b\?\[31m", "c", "d", "e" and 1 more\. Nothing was changed/,
    ],
    [
      'a link to nothing',
      (path: string) => symlinkSync('nowhere', path),
      /a link leads to nothing/,
    ],
    ['a link to itself', (path: string) => symlinkSync('shop', path), /links lead in a circle/],
  ])('that is %s is refused, and left as it was', (_what, make, pattern) => {
    make(join(place, 'shop'));
    const before = readdirSync(place, { recursive: true });
    expectRefused(run(['shop']), pattern);
    expect(readdirSync(place, { recursive: true })).toEqual(before);
  });

  it('below a file is refused', () => {
    writeFileSync(join(place, 'file'), 'mine');
    const before = everything();
    expectRefused(run(['file/deeper/shop']), /a part of its path, is a file/);
    expect(everything()).toEqual(before);
  });

  it('whose path is too long is refused, and what was made on the way is gone', () => {
    expectRefused(run([`some/where/${'x'.repeat(300)}/shop`]), /the name is too long/);
    expect(everything()).toEqual([]);
  });

  it('where the account may not write is refused', () => {
    const isRoot = process.getuid?.() === 0;
    chmodSync(place, 0o555);
    // Root may write everywhere, so it is not root that tries.
    const through = isRoot
      ? ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']
      : [];
    for (const target of ['shop', '.']) {
      expectRefused(run([target], { through }), /this account may not write there/);
    }
    chmodSync(place, 0o755);
    expect(everything()).toEqual([]);
  });

  it.each([
    ['a new directory', 'some/where/shop', []],
    ['an empty one', '.', []],
    ['an empty repository', '.', ['.git']],
  ])('gets nothing where the disk takes no more: %s', (_what, target, there) => {
    for (const name of there) mkdirSync(join(place, name));
    const before = everything();
    // A limit on files, one block each: the small ones of a template are written before it is met.
    const through = ['sh', '-c', 'ulimit -f 1; exec "$@"', 'sh'];
    expectRefused(run([target], { through }), /the limit of this process for files/);
    expect(everything()).toEqual(before);
  });
});

describe('a name', () => {
  it.each([
    ['My Shop', 'my-shop', 'My Shop'],
    ['deep/er/shop', 'shop', 'deep/er/shop'],
    ['@acme/shop', '@acme/shop', '@acme/shop'],
    ['sub/../shop', 'shop', 'shop'],
    ['shop/', 'shop', 'shop'],
    ["it's/shop", 'shop', "it's/shop"],
  ])('%j makes the package %j', (argument, name, path) => {
    const said = run([argument]);
    expect(said).toMatchObject({ code: 0, errors: '' });
    expect(nameIn(path)).toBe(name);
    const [, shown = ''] = /^ {2}cd (.+)$/m.exec(said.out) ?? [];
    // What is told to be typed leads there.
    const { stdout } = spawnSync('sh', ['-c', `cd ${shown} && cat package.json`], { cwd: place });
    expect(stdout.toString()).toContain(JSON.stringify(name));
  });

  it('is that of the directory where it is ".", also through "..", and beside an empty .git', () => {
    const shop = join(place, 'shop');
    mkdirSync(join(shop, '.git'), { recursive: true });
    mkdirSync(join(place, 'other'));
    const said = run(['.'], { cwd: shop });
    expect(said).toMatchObject({ code: 0, errors: '' });
    expect(said.out).not.toContain('  cd ');
    expect(nameIn('shop')).toBe('shop');
    expect(run(['../third'], { cwd: join(place, 'other') }).code).toBe(0);
    expect(nameIn('third')).toBe('third');
  });

  it.each([
    ['żaba', /a-z, 0-9/],
    ['.hidden', /begins with a letter or a digit/],
    ['_under', /begins with a letter or a digit/],
    ['shop!', /a-z, 0-9/],
    ['a$(touch x)', /a-z, 0-9/],
    ['@ac me!/shop', /a-z, 0-9/],
    ['node_modules', /one of Node's or npm's own/],
    ['http', /one of Node's or npm's own/],
    ['verdict', /depends on a package of that name/],
    ['zod', /depends on a package of that name/],
    ['x'.repeat(215), /at most 214 characters/],
    ['/', /a-z, 0-9/],
    ['a\u001b[31mb', /control characters/],
    ['a\nb', /control characters/],
  ])('%j is refused', (argument, pattern) => {
    expectRefused(run([argument]), pattern);
    expect(everything()).toEqual([]);
  });
});

describe('a command line', () => {
  it.each([
    [[], /^Name a directory\./],
    [[''], /The name of the directory is empty/],
    [['a', 'b'], /One directory at most/],
    [['a', '--tmplate', 'service'], /Unknown option '--tmplate'\.\nTry: .*--help/],
    [['a', '--template'], /--template.* argument missing/],
    [['a', '--template', '../service'], /no template "\.\.\/service"\. There are: .*service/],
  ] as const)('%j is refused', (args, pattern) => {
    expectRefused(run(args), pattern, 2);
    expect(everything()).toEqual([]);
  });

  it('may ask for help and for the version', () => {
    expect(run(['--help']).out).toMatch(/^npm create verdict \[DIRECTORY\].*^ {6}service /ms);
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(run(['--version']).out).toBe(`${version}\n`);
    expect(everything()).toEqual([]);
  });

  it.each(['npm', 'pnpm', 'yarn'])('of %s is told its next steps', (manager) => {
    const env = { npm_config_user_agent: `${manager}/10.1.0 npm/? node/v24.0.0 linux x64` };
    expect(run(['shop'], { env }).out).toContain(
      `  cd shop\n  ${manager} install\n  ${manager} test\n  ${manager} run dev\n`,
    );
  });

  it('on a Node that is too old says which is needed', () => {
    const old = `Object.defineProperty(process.versions, 'node', { value: '20.11.1' });
      Object.defineProperty(process, 'version', { value: 'v20.11.1' });`;
    const flags = ['--import', `data:text/javascript,${encodeURIComponent(old)}`];
    const pattern = /needs Node 22\.18 or newer, and this is v20\.11\.1: install a newer one/;
    expectRefused(run(['shop'], { flags }), pattern);
    expect(everything()).toEqual([]);
  });
});

const noScript = lacking(
  spawnSync('which', ['script']).status === 0 ? null : 'there is no program named script here',
);
describe.skipIf(noScript !== null)('at a terminal', () => {
  async function typed(
    keys: string,
    args = '',
    program = tool,
  ): Promise<{ text: string; code: string }> {
    const command = `"${process.execPath}" "${program}" ${args}; echo "ended $?"`;
    const terminal = spawn('script', ['-qec', command, '/dev/null'], { cwd: place, stdio: 'pipe' });
    endWithParent(terminal);
    const timer = setTimeout(() => terminal.kill('SIGKILL'), timeoutMs);
    let text = '';
    let answered = false;
    terminal.stdout.on('data', (chunk) => {
      text += chunk;
      if (answered || !/\): /.test(text)) return;
      answered = true;
      terminal.stdin.write(keys);
    });
    await once(terminal, 'close');
    clearTimeout(timer);
    return { text, code: /ended (\d+)/.exec(text)?.[1] ?? text };
  }

  it('asks for what is missing', async () => {
    const { text, code } = await typed('shop\n', '--template service');
    expect(text).toContain('Directory (verdict-service): ');
    expect(code).toBe('0');
    expect(nameIn('shop')).toBe('shop');
  });

  it('asks for the template where there are several', async () => {
    const several = join(place, 'tool');
    cpSync(join(root, 'dist/create'), several, { recursive: true });
    cpSync(join(several, 'templates/service'), join(several, 'templates/other'), {
      recursive: true,
    });
    writeFileSync(join(several, 'templates/other/other.ts'), '');
    const { text, code } = await typed('other\n', 'shop', join(several, 'create.mjs'));
    expect(text).toMatch(/^ {2}other: .*^ {2}service: .*Template \(service\): /ms);
    expect(code).toBe('0');
    expect(readdirSync(join(place, 'shop'))).toContain('other.ts');
  });

  it('takes what it proposes for an empty answer', async () => {
    const { code } = await typed('\n', '--template service');
    expect(code).toBe('0');
    expect(nameIn('verdict-service')).toBe('verdict-service');
  });

  it.each([
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('lays out nothing after %s', async (_name, key) => {
    const { text, code } = await typed(key, '--template service');
    expect(text).toContain('Nothing was laid out.');
    expect(code).toBe('130');
    expect(everything()).toEqual([]);
  });
});
