/** The first import of every way in: a Node that is too old says so in one sentence. */
const wanted = [22, 18] as const;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < wanted[0] || (major === wanted[0] && minor < wanted[1])) {
  const error = new Error(
    `Verdict needs Node ${wanted.join('.')} or newer, and this is ${process.version}: install a newer one.`,
  );
  // Where it was thrown helps no one.
  error.stack = `Error: ${error.message}`;
  throw error;
}
