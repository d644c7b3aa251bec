/** A line of a program's log in JSON (pino's, zap's) as a person reads it. */
import { escapeUnseen } from '../../src/core/names.ts';

const pinoLevels: Readonly<Record<number, string>> = { 40: 'WARN ', 50: 'ERROR ', 60: 'FATAL ' };
const hidden: ReadonlySet<string> = new Set([
  ...['level', 'time', 'pid', 'hostname', 'node', 'msg'],
  ...['ts', 'caller', 'logger'],
]);

/**
 * Null where it is nothing that a person need see: what etcd says of its ordinary doings, much of
 * it as warnings.
 */
export function readable(name: string, line: string): string | null {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return escapeUnseen(line);
  }
  if (typeof entry !== 'object' || entry === null || typeof entry['msg'] !== 'string') {
    return escapeUnseen(line);
  }
  const { level, msg } = entry;
  const isEtcd = typeof level === 'string';
  if (isEtcd && name.startsWith('etcd') && !['error', 'fatal', 'panic'].includes(level)) {
    return null;
  }
  const shown = isEtcd ? `${level.toUpperCase()} ` : (pinoLevels[Number(level)] ?? '');
  const more = Object.entries(entry)
    .filter(([key]) => !hidden.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return escapeUnseen(`${shown}${msg}${more.length === 0 ? '' : `  ${more.join(' ')}`}`);
}
