/** The directories of examples/ that `npm create verdict` lays out. */
export const templateNames: readonly string[] = ['service', 'shop'];
