// What is open now, of something that comes and goes with every request. As a Set it would do the same and cost more: V8
// makes a new table for every few dozen members that pass through one, and each old table keeps what was in it, and the
// next table, until a full collection. Almost every call then lived on for seconds, and was copied on the way.

export interface OnRoster {
  /** Where it stands on its roster, or -1; the roster's own. */
  place: number;
}

export class Roster<Member extends OnRoster> {
  /** Never shrinks: as long as the most members that there were at once. */
  readonly #members: (Member | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(member: Member): void {
    if (member.place !== -1) throw new Error('bug: it is on a roster already');
    member.place = this.#size;
    this.#members[this.#size] = member;
    this.#size += 1;
  }

  /** Takes it off; the last one takes its place. Nothing when it is not on. */
  remove(member: Member): void {
    if (member.place === -1) return;
    this.#size -= 1;
    const last = this.#members[this.#size] as Member;
    this.#members[this.#size] = undefined;
    if (last !== member) {
      this.#members[member.place] = last;
      last.place = member.place;
    }
    member.place = -1;
  }

  /** Those that are on it now: it may change while they are gone through. */
  all(): readonly Member[] {
    return this.#members.slice(0, this.#size) as readonly Member[];
  }
}
