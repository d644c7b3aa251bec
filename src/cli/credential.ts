/** What a command shows the nodes that it dials, where that is no certificate. */
import { isTokenText, tokenText } from '../peer/token.ts';
import { readSecretFile } from '../system/secret-file.ts';
import { isJwtText } from '../wire/jwt.ts';
import { CommandError, usageError } from './command-error.ts';

export interface CredentialFlags {
  readonly tokenFile?: string;
  readonly jwtFile?: string;
}

export interface DialCredential {
  readonly token?: string;
  readonly jwt?: () => string;
}

/** Throws for files that cannot be used. That of a JWT is read again for each connection. */
export function dialCredential({ tokenFile, jwtFile }: CredentialFlags): DialCredential {
  if (jwtFile === undefined) {
    const token = readToken(tokenFile);
    return token === null ? {} : { token };
  }
  if (tokenFile !== undefined) {
    throw usageError(
      '--token-file and --jwt-file (VERDICT_TOKEN_FILE and VERDICT_JWT_FILE) are two credentials. Give the one that the nodes know.',
    );
  }
  const jwt = (): string => readJwt(jwtFile);
  jwt();
  return { jwt };
}

function readJwt(file: string): string {
  const jwt = readSecretFile(file, 'JWT').trim();
  if (isJwtText(jwt)) return jwt;
  throw new CommandError('INPUT', `${file} must hold a JWT: three parts with dots between.`);
}

/** The token on the file's first line; null where no file is named. */
export function readToken(file: string | undefined): string | null {
  if (file === undefined) return null;
  const token = (readSecretFile(file, 'token').split('\n', 1)[0] ?? '').trim();
  if (!isTokenText(token)) {
    throw new CommandError('INPUT', `The first line of ${file} must be a token of ${tokenText}.`);
  }
  return token;
}
