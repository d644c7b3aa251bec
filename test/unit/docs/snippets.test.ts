/**
 * Every TypeScript snippet of the README and the docs compiles against the sources, as a whole
 * program of its own.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { slownessFactor } from '../../support/process/slowness.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** It compiles them all, beside whatever else this machine has to do. */
const timeoutMs = 60_000 * slownessFactor;

interface Snippet {
  readonly file: string;
  readonly line: number;
  readonly code: string;
}

async function documents(): Promise<string[]> {
  const docs = await readdir(join(root, 'docs'), { recursive: true });
  return [
    'README.md',
    // Of docs/api the signatures and examples are parts, and no programs.
    ...docs
      .filter((file) => file.endsWith('.md') && !file.startsWith('api/'))
      .map((file) => `docs/${file}`),
  ];
}

function snippetsOf(file: string, text: string): Snippet[] {
  const snippets: Snippet[] = [];
  for (const match of text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)) {
    const line = text.slice(0, match.index).split('\n').length + 1;
    snippets.push({ file, line, code: match[1] ?? '' });
  }
  return snippets;
}

/** What the compiler says of the snippets: its output, or an empty string where it is content. */
async function compile(snippets: readonly Snippet[]): Promise<string> {
  const ofNest = snippets.filter(({ code }) => code.includes("'verdict/nestjs'"));
  const others = snippets.filter((snippet) => !ofNest.includes(snippet));
  // As projects of NestJS are set up.
  const more = { experimentalDecorators: true, erasableSyntaxOnly: false };
  return `${await compiled(others, {})}${await compiled(ofNest, more)}`;
}

async function compiled(snippets: readonly Snippet[], more: object): Promise<string> {
  if (snippets.length === 0) return '';
  const directory = await mkdtemp(join(tmpdir(), 'verdict-snippets-'));
  try {
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
    await writeFile(join(directory, 'package.json'), '{"type":"module"}');
    await writeFile(
      join(directory, 'tsconfig.json'),
      JSON.stringify({
        extends: join(root, 'tsconfig.json'),
        compilerOptions: {
          isolatedDeclarations: false,
          declaration: false,
          paths: {
            verdict: [join(root, 'src/index.ts')],
            'verdict/*': [join(root, 'src/*.ts')],
          },
          types: ['node'],
          typeRoots: [join(root, 'node_modules/@types')],
          ...more,
        },
        include: ['*.ts', join(root, 'src/store/*.d.ts')],
      }),
    );
    for (const [index, snippet] of snippets.entries()) {
      const name = `${snippet.file.replaceAll(/\W/g, '-')}-${snippet.line}-${index}.ts`;
      await writeFile(join(directory, name), `${snippet.code}\nexport {};\n`);
    }
    const compiler = join(root, 'node_modules/.bin/tsc');
    await promisify(execFile)(compiler, ['-p', directory], { timeout: timeoutMs });
    return '';
  } catch (error) {
    const { stdout } = error as { stdout?: string };
    return stdout === undefined || stdout === '' ? String(error) : stdout;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

describe('snippets of the documentation', () => {
  it('compile', { timeout: timeoutMs }, async () => {
    const all: Snippet[] = [];
    for (const file of await documents()) {
      all.push(...snippetsOf(file, await readFile(join(root, file), 'utf8')));
    }
    expect(all.filter(({ file }) => file === 'README.md').length).toBeGreaterThanOrEqual(2);
    expect(await compile(all)).toBe('');
  });

  it('are really looked at: a wrong one is refused', { timeout: timeoutMs }, async () => {
    const code = "import { connect } from 'verdict/client';\nawait connect({ url: 'there' });\n";
    expect(await compile([{ file: 'README.md', line: 1, code }])).toContain('url');
  });
});
