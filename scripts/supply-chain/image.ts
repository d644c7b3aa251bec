/** The image and CI install what the lock file says, and the image says what it is. */

export function checkImage(
  dockerfile: string,
  ci: string,
  manifest: { readonly version: string; readonly license: string },
): string[] {
  const found: string[] = [];
  for (const [file, text] of [
    ['cluster/Dockerfile', dockerfile],
    ['.ci/run', ci],
  ] as const) {
    const commands = text.replaceAll(/^\s*#.*$/gm, '');
    if (/\bnpm (install|i|add|update)\b/.test(commands)) {
      found.push(`${file} installs what a registry has now. Use npm ci: the lock file decides.`);
    }
  }
  for (const [label, value] of [
    ['version', manifest.version],
    ['licenses', manifest.license],
  ]) {
    if (dockerfile.includes(`org.opencontainers.image.${label}=${value}`)) continue;
    found.push(
      `cluster/Dockerfile must have the label org.opencontainers.image.${label}=${value}.`,
    );
  }
  const users = [...dockerfile.matchAll(/^USER (.*)$/gm)].map(([, user]) => user);
  if (users.length === 0 || !users.every((user) => /^[1-9]\d*:[1-9]\d*$/.test(user ?? ''))) {
    found.push('cluster/Dockerfile must run as a user that is not root, given by number.');
  }
  return found;
}
