// How a rider (the actor and the facts) is written into a record and read from it: at the end of the command, so that
// whoever skips the command skips them too. Actors and the words of facts are interned like labels, for one batch.

import type { Actor, CheckedRider, Fact } from '../core/facts.js';
import { NO_RIDER } from '../core/facts.js';
import { SEPARATOR } from '../core/labels.js';
import type { ByteReader, ByteWriter } from './bytes.js';
import { HAS_ACTOR, HAS_FACTS } from './format.js';

export class RiderWriter {
  readonly #actors = new Map<string, number>();
  readonly #words = new Map<string, number>();

  constructor(private readonly out: ByteWriter) {}

  /** Forgets what the batch before spelt out. */
  restart(): void {
    this.#actors.clear();
    this.#words.clear();
  }

  /** The record flags that say what of the rider is written. */
  flagsOf({ actor, facts }: CheckedRider, carriedOut: boolean): number {
    return (actor === null ? 0 : HAS_ACTOR) | (facts.length > 0 && carriedOut ? HAS_FACTS : 0);
  }

  write({ actor, facts }: CheckedRider, flags: number): void {
    if (actor !== null) this.#actor(actor);
    if ((flags & HAS_FACTS) === 0) return;
    this.out.count(facts.length);
    for (const { feature, kind, body } of facts) {
      this.#word(feature);
      this.#word(kind);
      this.out.text(body);
    }
  }

  // An address is never empty, so an empty text says that there is none.
  #actor({ key, address }: Actor): void {
    const identity = (address ?? '') + SEPARATOR + key;
    if (!this.#isNew(this.#actors, identity)) return;
    this.out.text(key);
    this.out.text(address ?? '');
  }

  #word(word: string): void {
    if (this.#isNew(this.#words, word)) this.out.text(word);
  }

  /** Writes the number of an entry; true when the entry itself must follow. */
  #isNew(known: Map<string, number>, entry: string): boolean {
    const number = known.get(entry);
    this.out.count(number ?? known.size);
    if (number === undefined) known.set(entry, known.size);
    return number === undefined;
  }
}

export class RiderReader {
  readonly #actors: Actor[] = [];
  readonly #words: string[] = [];

  constructor(private readonly input: ByteReader) {}

  read(flags: number): CheckedRider {
    if ((flags & (HAS_ACTOR | HAS_FACTS)) === 0) return NO_RIDER;
    const actor = flags & HAS_ACTOR ? this.#entry(this.#actors, 'actor', () => this.#actor()) : null;
    const facts: Fact[] = [];
    if (flags & HAS_FACTS) {
      for (let left = this.input.count(); left > 0; left -= 1)
        facts.push({ feature: this.#word(), kind: this.#word(), body: this.input.text() });
    }
    return { actor, facts };
  }

  #actor(): Actor {
    const key = this.input.text();
    const address = this.input.text();
    return { key, address: address === '' ? null : address };
  }

  #word(): string {
    return this.#entry(this.#words, 'word', () => this.input.text());
  }

  #entry<T>(known: T[], what: string, read: () => T): T {
    const number = this.input.count();
    if (number > known.length) throw new RangeError(`${what} ${number} was not spelt out`);
    if (number === known.length) known.push(read());
    return known[number];
  }
}
