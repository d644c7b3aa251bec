/**
 * Secrets are compared in constant time: `isSecret`, `TxidSeal`, `timingSafeEqual`. How long `===`
 * takes tells how many characters were right, and whoever knocks may guess one after the other.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { parseSync } from 'vite';

/** The last word of a name that holds what others must not guess. */
const secretName = /(?:^|[a-z_#])(?:token|secret|password|proof|mac|hmac|nonce|seal|share)$/i;
const whole = /^(?:brought|shown|authorization)$/;
const comparing: ReadonlySet<string> = new Set(['===', '!==', '==', '!=']);
/** Methods of text and bytes that stop at the first difference. */
const stopping: ReadonlySet<string> = new Set(['equals', 'compare', 'localeCompare', 'includes']);

/** What is no secret of a peer's, each with the reason. */
const allowed: ReadonlyMap<string, string> = new Map([
  ['src/decision-log/etcd/login.ts:token === this.#token', "both are the node's own"],
]);

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

/** Every comparison below `<root>/src` that tells how much of a secret was right. */
export function checkSecrets(root: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    const file = relative(root, path).split(sep).join('/');
    found.push(...comparisons(file, readFileSync(path, 'utf8')));
  }
  return found;
}

export function comparisons(file: string, source: string): string[] {
  const found: string[] = [];
  const { program } = parseSync(file, source);
  walk(program as unknown as Node, (node) => {
    if (!isComparison(node)) return;
    const text = source.slice(node.start, node.end);
    if (allowed.has(`${file}:${text}`)) return;
    const line = source.slice(0, node.start).split('\n').length;
    found.push(`${file}:${line} ${text}: compare secrets with isSecret (src/system/secret.ts).`);
  });
  return found;
}

function isComparison(node: Node): boolean {
  if (node.type === 'BinaryExpression' && comparing.has(String(node['operator']))) {
    const sides = [node['left'], node['right']] as Node[];
    return sides.some(isSecret) && !sides.some(isKnown);
  }
  if (node.type !== 'CallExpression') return false;
  const callee = node['callee'] as Node;
  if (callee.type !== 'MemberExpression') return false;
  const method = String((callee['property'] as Node)['name'] ?? '');
  if (!stopping.has(method)) return false;
  const parties = [callee['object'], ...(node['arguments'] as Node[])] as Node[];
  return parties.some(isSecret);
}

function isSecret(node: Node): boolean {
  const name = nameOf(node);
  return secretName.test(name) || whole.test(name);
}

/** Whether something is there, and of which type, is no secret; nor is what the source says. */
function isKnown(node: Node): boolean {
  if (node.type === 'Literal') return true;
  if (node.type === 'UnaryExpression') return true;
  return node.type === 'Identifier' && node['name'] === 'undefined';
}

function nameOf(node: Node): string {
  if (node.type === 'Identifier' || node.type === 'PrivateIdentifier') return String(node['name']);
  if (node.type === 'MemberExpression') return nameOf(node['property'] as Node);
  if (node.type === 'ChainExpression') return nameOf(node['expression'] as Node);
  return '';
}

function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child !== null && typeof child === 'object' && 'type' in child) walk(child, visit);
    }
  }
}
