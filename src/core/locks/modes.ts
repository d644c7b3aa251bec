/** The modes of a named lock. */
export const lockModes = ['shared', 'exclusive'] as const;
/** `shared` with others that share it; `exclusive` keeps all others out. */
export type LockMode = (typeof lockModes)[number];
