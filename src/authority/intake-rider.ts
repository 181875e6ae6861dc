// The part of the edge that takes riders: the actor of a command and the facts that ride with it.

import { InvalidInputError } from '../core/errors.js';
import type { Actor, CheckedRider, Fact, Rider } from '../core/facts.js';
import { FACT_BODY_BYTES_MAX, FACTS_BYTES_MAX, FACTS_MAX, NO_RIDER } from '../core/facts.js';
import { assertText, quoted } from '../core/labels.js';
import { assertList, assertObject } from './checks.js';

/** An IPv6 address with a zone has about 60 characters. */
const ADDRESS_LENGTH_MAX = 64;
const WORD = /^[a-z][a-z0-9_-]{0,63}$/;

export function riderIn(rider: Rider | undefined): CheckedRider {
  if (rider === undefined) return NO_RIDER;
  assertObject(rider, 'rider');
  const actor = actorIn(rider.actor);
  if (rider.facts === undefined || rider.facts.length === 0)
    return actor === null ? NO_RIDER : { actor, facts: NO_RIDER.facts };
  return { actor, facts: factsIn(rider.facts) };
}

/** The actor as it is journalled. */
export function actorIn(actor: Actor | null | undefined): Actor | null {
  if (actor === undefined || actor === null) return null;
  assertObject(actor, 'actor');
  const { key, address } = actor;
  assertText(key, 'actor.key');
  if (address !== null) assertText(address, 'actor.address', ADDRESS_LENGTH_MAX);
  return { key, address };
}

function factsIn(facts: readonly Fact[]): readonly Fact[] {
  assertList(facts, 'facts', FACTS_MAX);
  const checked = facts.map((fact, index) => factIn(fact, `facts[${index}]`));
  assertFactBytes(checked, 'facts');
  return checked;
}

/** The bodies of one command, or of all commands of a group, become part of one batch. @throws InvalidInputError */
export function assertFactBytes(facts: readonly Fact[], field: string): void {
  let bytes = 0;
  for (const { body } of facts) bytes += Buffer.byteLength(body);
  if (bytes > FACTS_BYTES_MAX)
    throw new InvalidInputError(field, `have ${bytes} bytes of UTF-8 together; at most ${FACTS_BYTES_MAX}`);
}

function factIn({ feature, kind, body }: Fact, field: string): Fact {
  for (const [name, word] of Object.entries({ feature, kind })) {
    if (typeof word !== 'string' || !WORD.test(word))
      throw new InvalidInputError(`${field}.${name}`, `${quoted(word)} is no short lower-case word`);
  }
  if (typeof body !== 'string' || !body.isWellFormed())
    throw new InvalidInputError(`${field}.body`, `expected well-formed JSON text, got ${quoted(body)}`);
  const bytes = Buffer.byteLength(body);
  if (bytes > FACT_BODY_BYTES_MAX)
    throw new InvalidInputError(
      `${field}.body`,
      `has ${bytes} bytes of UTF-8; at most ${FACT_BODY_BYTES_MAX}`,
    );
  return { feature, kind, body };
}
