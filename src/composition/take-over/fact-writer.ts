// Writes facts in groups, and before each group the texts that its facts name. What every part of the take-over works with.

import type { Logger } from 'pino';
import type { Ledger } from '../../authority/api.js';
import type { Fact } from '../../core/facts.js';
import type { Vault, VaultItem } from '../../vault/vault.js';
import type { ViewDatabase } from '../../views/view.js';
import type { ServiceFile } from './service-file.js';

/** One command of the ledger: some 20 ms. */
const FACTS_IN_GROUP = 1_000;
/** Texts and facts in memory. Well below what a command of the ledger takes, since one fact may come on top. */
const GROUP_BYTES = 8 * 1024 * 1024;

/** What takes over the tables of a feature has the old file, and the new ones. */
export interface Taking {
  readonly file: ServiceFile;
  readonly writer: FactWriter;
  readonly ledger: Ledger;
  readonly vault: Vault;
  readonly views: ViewDatabase;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

export interface WriterParts {
  readonly ledger: Pick<Ledger, 'run'>;
  readonly vault: Pick<Vault, 'put'>;
  /** Told of how many facts are written by now. */
  readonly progress: (facts: number) => void;
}

export class FactWriter {
  #facts: Fact[] = [];
  #texts: VaultItem[] = [];
  #bytes = 0;
  #written = 0;

  constructor(private readonly parts: WriterParts) {}

  /** @param texts what the fact names in the vault */
  async write(fact: Fact, texts: readonly VaultItem[] = []): Promise<void> {
    this.#facts.push(fact);
    this.#texts.push(...texts);
    this.#bytes += texts.reduce((sum, { body }) => sum + body.length, fact.body.length);
    if (this.#facts.length >= FACTS_IN_GROUP || this.#bytes >= GROUP_BYTES) await this.flush();
  }

  /** Resolves when all that was written is durable. */
  async flush(): Promise<void> {
    const [facts, texts] = [this.#facts, this.#texts];
    if (facts.length === 0) return;
    this.#facts = [];
    this.#texts = [];
    this.#bytes = 0;
    if (texts.length > 0) await this.parts.vault.put(texts);
    const outcome = await this.parts.ledger.run({ command: 'record_facts' }, { facts });
    if (outcome.outcome === 'rejected') throw new Error(`bug: the ledger refused facts: ${outcome.message}`);
    this.#written += facts.length;
    this.parts.progress(this.#written);
  }
}
