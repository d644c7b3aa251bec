import process from 'node:process';

export function environmentVariable(name: string): string | undefined {
  return process.env[name];
}
