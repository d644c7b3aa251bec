/** `verdict`: both SDKs at once. `verdict/client` and `verdict/participant` are the same, one each. */
import './check-node.ts';

export * from './client.ts';
export * from './participant.ts';
