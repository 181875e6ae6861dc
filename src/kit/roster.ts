// The calls that are open now, or anything else that begins and ends with every request. With a Set, V8's old hash tables keep
// finished calls alive until a full garbage collection; an array does not.

export interface OnRoster {
  /** Its index on its roster, or -1. Set by the roster alone. */
  place: number;
}

export class Roster<Member extends OnRoster> {
  /** Never shrinks: its length is the largest number of members at once. */
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

  /** Removes a member; the last member takes its place. Does nothing for one that is not on the roster. */
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

  /** A copy of the members, so that the roster may change while a caller goes through them. */
  all(): readonly Member[] {
    return this.#members.slice(0, this.#size) as readonly Member[];
  }
}
