/** Questions to whoever sits at the terminal. */
import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import type { Template } from './templates.ts';

export interface Questions {
  directory(usual: string): Promise<string>;
  template(templates: readonly Template[], usual: string): Promise<string>;
}

/** Null where it was ended by Ctrl-C or Ctrl-D. */
export async function asking<T>(work: (ask: Questions) => Promise<T>): Promise<T | null> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const ended = new Promise<null>((resolve) => terminal.once('close', () => resolve(null)));
  const ask = async (question: string, usual: string): Promise<string> =>
    (await terminal.question(`${question} (${usual}): `)).trim() || usual;
  const questions: Questions = {
    directory: (usual) => ask('Directory', usual),
    template: (templates, usual) => {
      for (const { name, manifest } of templates) console.log(`  ${name}: ${manifest.description}`);
      return ask('Template', usual);
    },
  };
  try {
    return await Promise.race([work(questions), ended]);
  } finally {
    terminal.close();
  }
}
