/**
 * The package as its users compile it: each subpath that belongs to a library in a project with
 * Verdict and that library alone, strict and with all declarations checked, as a module and as
 * CommonJS; and a client that has only the type of a service's contract.
 */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { contractPrograms } from '../support/light/contract-programs.ts';
import { libraryPrograms } from '../support/orm/library-programs.ts';
import { slownessFactor } from '../support/process/slowness.ts';

const run = promisify(execFile);
const timeoutMs = 60_000 * slownessFactor;

export interface InstalledPackage {
  /** Of a project where Verdict is installed, and no library. */
  readonly project: () => string;
  /** Puts packages beside it, and what Verdict itself needs. */
  readonly install: (modules: string, packages: readonly string[]) => void;
}

export function packageLibraries({ project, install }: InstalledPackage): void {
  async function newProject(name: string, packages: readonly string[]): Promise<string> {
    const own = join(project(), '..', name);
    const modules = join(own, 'node_modules');
    await mkdir(modules, { recursive: true });
    // Not a link: it looks for libraries where it really is.
    await run('cp', ['-al', join(project(), 'node_modules/verdict'), modules]);
    install(modules, packages);
    await writeFile(join(own, 'package.json'), '{"name":"shop","type":"module"}');
    return own;
  }

  /** What the compiler has against these files, one line each. */
  async function errorsIn(own: string, files: Readonly<Record<string, string>>): Promise<string[]> {
    const compilerOptions = {
      ...{ strict: true, module: 'nodenext', target: 'es2024', lib: ['esnext'], noEmit: true },
      ...{ types: ['node'], skipLibCheck: false, experimentalDecorators: true },
      allowImportingTsExtensions: true,
    };
    for (const [file, text] of Object.entries(files)) await writeFile(join(own, file), text);
    const config = { compilerOptions, files: Object.keys(files) };
    await writeFile(join(own, 'tsconfig.json'), JSON.stringify(config));
    const compiler = join(own, 'node_modules/typescript/bin/tsc');
    const options = { cwd: own, timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024 };
    const { stdout } = await run(process.execPath, [compiler, '-p', '.'], options).catch(
      (error: { stdout: string }) => error,
    );
    return stdout.split('\n').filter((line) => /error TS\d/.test(line));
  }

  describe.each(Object.entries(libraryPrograms))('%s', (subpath, use) => {
    const { packages, program, faulty, typesOnly = false, loadedLate = false } = use;

    it('compiles, and loads, beside its library alone', async () => {
      const own = await newProject(subpath.replace('verdict/', 'with-'), packages);
      const errors = await errorsIn(own, { 'main.mts': program, 'main.cts': program });
      const theirs = (line: string): boolean => line.includes(`node_modules/${faulty}/`);
      expect(errors.filter((line) => !theirs(line))).toEqual([]);
      // Once they are gone, the documents need not speak of skipLibCheck any more.
      expect(errors.some(theirs)).toBe(faulty !== undefined);

      const loads = `const names = Object.keys(await import(process.argv[1]));
        const { createRequire } = await import('node:module');
        const required = createRequire(process.cwd() + '/x.js')(process.argv[1]);
        console.log(names.length > 0 && names.every((name) => name in required));`;
      const args = ['--input-type=module', '-e', loads, subpath];
      expect((await run(process.execPath, args, { cwd: own })).stdout).toBe('true\n');
    });

    if (loadedLate)
      it('loads without its packages, to import and to require', async () => {
        const code = `const names = Object.keys(require(process.argv[1]));
        import(process.argv[1]).then((all) => console.log(names.length > 0 && names.every((name) => name in all)));`;
        const args = ['--input-type=commonjs', '-e', code, subpath];
        expect((await run(process.execPath, args, { cwd: project() })).stdout).toBe('true\n');
      });
    else if (!typesOnly)
      it('names the package that is missing, to import and to require', async () => {
        const code = `const name = process.argv[1];
        try { require(name); console.log('loaded'); } catch (error) { console.log(error.message.split('\\n')[0]); }
        import(name).then(() => console.log('loaded'), (error) => console.log(error.message));`;
        const args = ['--input-type=commonjs', '-e', code, subpath];
        const { stdout } = await run(process.execPath, args, { cwd: project() });
        const missing = new RegExp(`^Cannot find (package|module) '(${packages.join('|')})[/']`);
        const lines = stdout.trim().split('\n');
        expect(lines).toEqual([expect.stringMatching(missing), expect.stringMatching(missing)]);
      });
  });

  it("checks payloads and results by the type of a service's contract alone", async () => {
    const own = await newProject('with-contract', ['zod']);
    expect(await errorsIn(own, contractPrograms('verdict'))).toEqual([]);
  });
}
