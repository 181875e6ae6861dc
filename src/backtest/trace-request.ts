// A request of a trace: as its source states it, and with the labels that the source left out. Read by trace.ts, completed by
// trace-spread.ts, replayed by backtest.ts.

export interface TraceRequest {
  /** Arrival, epoch ms; digits below a millisecond are cut off. */
  readonly at: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly tenant: string;
  readonly user: string;
  readonly model: string;
  /** Name of the source that it came from. */
  readonly source: string;
}

/** A request as read: null where the source does not say. */
export interface RawRequest extends Omit<TraceRequest, 'tenant' | 'user' | 'model'> {
  readonly tenant: string | null;
  readonly user: string | null;
  readonly model: string | null;
}
