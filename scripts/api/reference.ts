/** The API reference in docs/api: a page for each entry, made of its doc comments. */
import { type Documented, type EntryModel, type Item, nameIn, type Token } from './model.ts';

/** Longer signatures stand in a block, where no link can be. */
const lineCharacters = 100;

const groups: readonly [title: string, kinds: readonly string[]][] = [
  ['Functions and values', ['Function', 'Variable']],
  ['Classes', ['Class']],
  ['Types', ['Interface', 'TypeAlias']],
];
const about = `Every name that the package exports, with the comment that an editor shows for it. \`npm run api\`
makes these pages from the sources; \`npm run api:check\` fails where they are stale, or a name has no
comment. How things go together: [Concepts](../CONCEPTS.md), [Participants](../PARTICIPANTS.md),
[Errors](../errors.md).`;
const unexported = 'Named above, not exported';

/** `headers`: what each entry is for. By file name. */
export function referencePages(
  models: readonly EntryModel[],
  headers: ReadonlyMap<string, string>,
): Map<string, string> {
  const sections = new Map(models.map((model) => [model.entry, sectionsOf(model)]));
  const anchors = new Map<Documented, string>();
  for (const { entry } of models) {
    const taken = new Map<string, number>();
    for (const [title, names] of sections.get(entry) ?? []) {
      anchorOf(title, taken);
      for (const each of names) {
        const anchor = anchorOf(each.name, taken);
        if (each.home === entry) anchors.set(each, anchor);
      }
    }
  }
  const pages = models.map((model): [string, string] => {
    const { entry } = model;
    const linkTo = (name: string): string | null => {
      const found = model.names.get(name);
      const anchor = found === undefined ? undefined : anchors.get(found);
      if (found === undefined || anchor === undefined) return null;
      return `${found.home === entry ? '' : `${found.home}.md`}#${anchor}`;
    };
    const parts = [`# ${importName(entry)}`, headers.get(entry) ?? ''];
    for (const [title, names] of sections.get(entry) ?? []) {
      parts.push(`## ${title}`, ...names.map((each) => described(each, linkTo)));
    }
    const elsewhere = [...model.exported].filter((name) => model.names.get(name)?.home !== entry);
    if (elsewhere.length > 0) {
      const links = elsewhere.sort().map((name) => `[\`${name}\`](${linkTo(name)})`);
      parts.push('## Exported here too', links.join(', '));
    }
    return [`${entry}.md`, `${parts.join('\n\n')}\n`];
  });
  return new Map([['README.md', contents(models, headers)], ...pages]);
}

function contents(models: readonly EntryModel[], headers: ReadonlyMap<string, string>): string {
  const rows = models.map(({ entry }) => {
    const header = (headers.get(entry) ?? '').replaceAll('\n', ' ').replace(/^`[^`]+`:\s*/, '');
    const text = header.charAt(0).toUpperCase() + header.slice(1).replaceAll('|', '\\|');
    return `| [\`${importName(entry)}\`](${entry}.md) | ${text} |`;
  });
  const table = ['| import | what it is |', '| --- | --- |', ...rows].join('\n');
  return `# API reference\n\n${about}\n\n${table}\n`;
}

function importName(entry: string): string {
  return entry === 'index' ? 'verdict' : `verdict/${entry}`;
}

function sectionsOf({ entry, names }: EntryModel): [string, Documented[]][] {
  const own = [...names.values()]
    .filter(({ home }) => home === entry)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const sections = groups.map(([title, kinds]): [string, Documented[]] => [
    title,
    own.filter(({ isExported, items }) => isExported && kinds.includes(items[0]?.kind ?? '')),
  ]);
  sections.push([unexported, own.filter(({ isExported }) => !isExported)]);
  const left = own.find((each) => !sections.some(([, of]) => of.includes(each)));
  if (left !== undefined) throw new Error(`No section is for ${left.name}`);
  return sections.filter(([, of]) => of.length > 0);
}

/** As GitHub makes them: a second heading of the same text gets a number. */
function anchorOf(title: string, taken: Map<string, number>): string {
  const slug = title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
    .replaceAll(' ', '-');
  const count = taken.get(slug) ?? 0;
  taken.set(slug, count + 1);
  return count === 0 ? slug : `${slug}-${count}`;
}

type LinkTo = (name: string) => string | null;

function described({ name, items }: Documented, linkTo: LinkTo): string {
  return [`### ${name}`, ...items.map((item) => declared(item, linkTo))].join('\n\n');
}

function declared(item: Item, linkTo: LinkTo): string {
  const members = (item.members ?? []).map((member) => {
    const text = comment(member);
    const about = text === '' ? '' : `\\\n${text}`.replaceAll(/\n(?=.)/g, '\n  ');
    return `- ${signature(member, linkTo, Number.POSITIVE_INFINITY)}${about}`;
  });
  const parts = [signature(item, linkTo, lineCharacters), comment(item), members.join('\n')];
  return parts.filter((part) => part !== '').join('\n\n');
}

/** In one line with links, or, where that is too long, as it stands in the sources. */
function signature({ excerptTokens }: Item, linkTo: LinkTo, maxCharacters: number): string {
  const whole = bare(excerptTokens.map(({ text }) => text).join(''));
  const hasComments = /\/\*|\/\//.test(whole);
  if (!hasComments && whole.replaceAll(/\s+/g, ' ').length <= maxCharacters) {
    return inLine(excerptTokens, linkTo);
  }
  const named = new Set<string>();
  for (const token of excerptTokens) {
    const name = nameIn(token);
    if (name !== null && linkTo(name) !== null) named.add(name);
  }
  const links = [...named].map((name) => `[\`${name}\`](${linkTo(name)})`);
  const block = `\`\`\`ts\n${whole}\n\`\`\``;
  return links.length === 0 ? block : `${block}\n\nIts types: ${links.join(', ')}.`;
}

/** Without what only a file of declarations needs. */
function bare(text: string): string {
  return text.replace(/^export (?:declare )?|^declare /, '').replace(/^readonly |[;\s]+$/g, '');
}

function inLine(tokens: readonly Token[], linkTo: LinkTo): string {
  const pieces: { text: string; link: string | null }[] = [];
  for (const token of tokens) {
    const name = nameIn(token);
    const link = name === null ? null : linkTo(name);
    const last = pieces.at(-1);
    if (link === null && last?.link === null) last.text += token.text;
    else pieces.push({ text: token.text, link });
  }
  const [first] = pieces;
  const last = pieces.at(-1);
  if (first !== undefined) first.text = bare(`${first.text}.`).slice(0, -1);
  if (last !== undefined) last.text = last.text.replace(/[;\s]+$/, '');
  return pieces.map(({ text, link }) => span(text.replaceAll(/\s+/g, ' '), link)).join('');
}

/** Blanks at the ends of code would not be shown. */
function span(text: string, link: string | null): string {
  const code = text.trim();
  if (code === '') return text;
  const fence = code.includes('`') ? '``' : '`';
  const quoted = `${fence}${code}${fence}`;
  const shown = link === null ? quoted : `[${quoted}](${link})`;
  return `${/^\s/.test(text) ? ' ' : ''}${shown}${/\s$/.test(text) ? ' ' : ''}`;
}

function comment({ docComment = '' }: Item): string {
  return docComment
    .replace(/^\/\*\*\n?/, '')
    .replace(/\n? *\*\/\n?$/, '')
    .replaceAll(/^ *\* ?/gm, '')
    .trim()
    .replaceAll(/\n*^(```\w+\n[\s\S]*?^```)$\n*/gm, '\n\n$1\n\n')
    .replaceAll(/(?<![`\w/])docs\/([\w-]+\.md)(?!`)/g, '[docs/$1](../$1)')
    .trim();
}
