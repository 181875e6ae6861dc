// The figures of a usage object in one pass: each object within it that some path goes through is looked up once, and only
// the names in those that are there. On the path of every answer. Made by usage-places.ts, once for each profile.

import { isObject, type Json } from './json-scan.js';
import { figure } from './usage-figures.js';

/** Figures of tokens and calls as they are stated; null where they are not. */
export interface StatedFigures {
  input: number | null;
  output: number | null;
  /** Of input and output together. */
  total: number | null;
  cacheRead: number | null;
  cacheWrite: number | null;
  cacheWriteHour: number | null;
  cacheWriteShort: number | null;
  inputAudio: number | null;
  outputAudio: number | null;
  outputImage: number | null;
  reasoning: number | null;
  webSearch: number | null;
  codeInterpreter: number | null;
  fileSearch: number | null;
  freeTools: number | null;
}

export type FigureName = keyof StatedFigures;

/** Dotted paths by figure: of several the first that states one counts; those of `added` figures are added up. */
export interface FigurePaths {
  readonly names: readonly FigureName[];
  readonly paths: Readonly<Record<FigureName, readonly string[]>>;
  readonly added: ReadonlySet<FigureName>;
}

/** An object on the way to a figure: where it stands in its own parent. */
interface Parent {
  readonly above: number;
  readonly key: string;
}

interface Step {
  readonly figure: FigureName;
  readonly isAdded: boolean;
  readonly parent: number;
  readonly key: string;
}

export class FigurePlan {
  /** The usage object itself is the first. */
  readonly #parents: Parent[] = [{ above: 0, key: '' }];
  readonly #steps: Step[] = [];
  /** The objects of the answer that is read now; emptied for the next by being written over. */
  readonly #objects: (Json | null)[];

  constructor({ names, paths, added }: FigurePaths) {
    for (const name of names)
      for (const path of paths[name]) this.#add(name, path.split('.'), added.has(name));
    this.#objects = this.#parents.map(() => null);
  }

  #add(name: FigureName, path: readonly string[], isAdded: boolean): void {
    let parent = 0;
    for (const key of path.slice(0, -1)) parent = this.#parentAt(parent, key);
    this.#steps.push({ figure: name, isAdded, parent, key: path.at(-1) as string });
  }

  #parentAt(above: number, key: string): number {
    const known = this.#parents.findIndex(
      (one, index) => index > 0 && one.above === above && one.key === key,
    );
    return known === -1 ? this.#parents.push({ above, key }) - 1 : known;
  }

  /** Writes the figures of a usage object into `stated`, whose figures are all null. */
  read(usage: Json, stated: StatedFigures): void {
    const objects = this.#objects;
    objects[0] = usage;
    for (let at = 1; at < objects.length; at++) {
      const { above, key } = this.#parents[at];
      const value = objects[above]?.[key];
      objects[at] = isObject(value) ? value : null;
    }
    for (const { figure: name, isAdded, parent, key } of this.#steps) {
      const value = objects[parent]?.[key];
      if (value === undefined || value === null) continue;
      const before = stated[name];
      if (before !== null && !isAdded) continue;
      const count = figure(value);
      if (count !== null) stated[name] = before === null ? count : before + count;
    }
    // What was read is not kept.
    objects.fill(null);
  }
}
