/** What API Extractor's models say of the public names of all entries. */

/** Of a model's JSON, what the reference needs. */
export interface Item {
  readonly kind: string;
  readonly name: string;
  readonly canonicalReference: string;
  readonly docComment?: string;
  readonly excerptTokens: readonly Token[];
  readonly fileUrlPath?: string;
  readonly members?: readonly Item[];
}

export interface Token {
  readonly text: string;
  readonly canonicalReference?: string;
}

/** One name, with all its overloads. */
export interface Documented {
  readonly name: string;
  readonly items: Item[];
  /** The entry that describes it; others refer there. */
  home: string;
  isExported: boolean;
}

/** Of an entry: each name that it exports, or that a signature of it has. */
export interface EntryModel {
  readonly entry: string;
  readonly names: ReadonlyMap<string, Documented>;
  readonly exported: ReadonlySet<string>;
}

/** An entry that only repeats others describes nothing that they do: it is last. */
const repeating = 'index';

export function modelsOf(files: ReadonlyMap<string, string>): EntryModel[] {
  const known = new Map<string, Documented>();
  const entries = [...files.keys()].filter((entry) => entry !== repeating);
  const models = [...entries, repeating].map((entry) => {
    const { members = [] } = JSON.parse(files.get(entry) ?? '{}') as { members?: Item[] };
    return modelOf(entry, members[0]?.members ?? [], known);
  });
  return models;
}

function modelOf(
  entry: string,
  items: readonly Item[],
  known: Map<string, Documented>,
): EntryModel {
  const names = new Map<string, Documented>();
  const exported = new Set<string>();
  for (const item of items) {
    const { name, fileUrlPath = '' } = item;
    const isExported = !item.canonicalReference.includes('!~');
    // Two entries may each have something of this name.
    const key = `${name} ${fileUrlPath}`;
    const found = known.get(key) ?? { name, items: [], home: entry, isExported };
    known.set(key, found);
    if (isExported && !found.isExported) Object.assign(found, { home: entry, isExported });
    if (!found.items.some(({ canonicalReference: reference }) => isSame(reference, item))) {
      found.items.push(item);
    }
    names.set(name, found);
    if (isExported) exported.add(name);
  }
  return { entry, names, exported };
}

/** The same overload, exported or only named. */
function isSame(reference: string, item: Item): boolean {
  return reference.replace('!~', '!') === item.canonicalReference.replace('!~', '!');
}

/** The name that a token stands for, where it is one of the package. */
export function nameIn({ canonicalReference = '' }: Token): string | null {
  return /^verdict!~?([\w$]+)/.exec(canonicalReference)?.[1] ?? null;
}
