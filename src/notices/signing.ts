// Standard Webhooks 1.0: the secret of a webhook, and the headers that sign a message with it (HMAC-SHA256 over id, time
// and body), once with each secret where a rotation has left several. https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

import { createHmac, randomBytes } from 'node:crypto';

const SECRET_PREFIX = 'whsec_';
/** The specification asks for 24 to 64. */
const SECRET_BYTES = 32;

export function newSecret(): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64');
}

export interface Message {
  /** The same for every attempt: receivers know a repeat by it. */
  readonly id: string;
  readonly body: string;
}

/** `at`: of this attempt, epoch ms; receivers refuse what is minutes old. */
export function signedHeaders(
  { id, body }: Message,
  secrets: readonly string[],
  at: number,
): Record<string, string> {
  const timestamp = Math.floor(at / 1_000).toString();
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
