/** Seconds for which an answer is kept for whoever asks the same again. */
export const KEPT = 3600

/** Seconds after which a request whose answer has not come is given up: its node may be no more. */
export const PENDING = 60

/**
 * Answers to requests that are to be done once, however often they are sent. A record says what was asked, and, as soon
 * as there is one, the answer; only who hands it in reads it. All methods reject where nothing can be kept now.
 */
export interface AnswerStore {
  /**
   * Claims a name, where nobody has, for `PENDING` seconds.
   *
   * @returns null where it is ours now, else the record that stands there
   */
  claim (name: string, record: string): Promise<string | null>
  /** Puts another record under a name that we have claimed, for `KEPT` seconds. */
  keep (name: string, record: string): Promise<void>
  /** Gives a name that we have claimed back: it can be claimed again. */
  release (name: string): Promise<void>
}

/** Records of one node, past which the oldest goes. */
const MAX_RECORDS = 10_000

/** Keeps answers in this process, for a server that stands alone. */
export class MemoryAnswers implements AnswerStore {
  readonly #records = new Map<string, { readonly record: string, readonly until: number }>()
  readonly #now: () => number

  /** @param now milliseconds */
  constructor (now: () => number = () => performance.now()) {
    this.#now = now
  }

  async claim (name: string, record: string): Promise<string | null> {
    const there = this.#records.get(name)
    if (there !== undefined && there.until > this.#now()) return there.record
    this.#put(name, record, PENDING)
    return null
  }

  async keep (name: string, record: string): Promise<void> {
    this.#put(name, record, KEPT)
  }

  async release (name: string): Promise<void> {
    this.#records.delete(name)
  }

  #put (name: string, record: string, seconds: number): void {
    // A map keeps the order in which its keys came.
    this.#records.delete(name)
    this.#records.set(name, { record, until: this.#now() + seconds * 1000 })
    if (this.#records.size <= MAX_RECORDS) return
    const [oldest] = this.#records.keys()
    this.#records.delete(oldest!)
  }
}
