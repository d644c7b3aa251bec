/** What names of images say, and the file of variables that Compose reads. */

/**
 * The variables of the Compose file that name images, with what they are where they are not set.
 */
export function defaultImages(composeFile: string): Map<string, string> {
  const found = composeFile.matchAll(/\$\{(VERDICT_[A-Z]+_IMAGE):-([^}]+)\}/g);
  return new Map([...found].map(([, variable = '', image = '']) => [variable, image]));
}

/** The name with tag and digest: the tag for people, the digest for the engine. */
export function pinned(image: string, digests: readonly string[]): string {
  const repository = image.replace(/:[^:/]+$/, '');
  const own = digests.find((each) => each.startsWith(`${repository}@`)) ?? digests[0];
  const digest = own?.slice(own.indexOf('@') + 1);
  if (digest === undefined || !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw new Error(
      `${image} has no digest: it was built or loaded on this machine, and comes from no registry. Nothing was written.`,
    );
  }
  return `${image}@${digest}`;
}

/** The text with these lines in place of their like; all others stay. */
export function withVariables(
  text: string,
  variables: readonly (readonly [string, string])[],
): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  for (const [name, value] of variables) {
    const line = `${name}=${value}`;
    const at = lines.findIndex((each) => each.startsWith(`${name}=`));
    if (at < 0) lines.push(line);
    else lines[at] = line;
  }
  return `${lines.join('\n')}\n`;
}

export function pinnedText(
  file: string,
  variables: readonly (readonly [string, string])[],
): string {
  const lines = variables.map(([name, value]) => `  ${name}=${value}\n`);
  return `Pinned in ${file}:\n${lines.join('')}`;
}
