/** What a client has sent that waits for work on what it has sent before. */
export class Backlog {
  /** In their order; none once they were too much. */
  readonly messages: Array<[data: Buffer, binary: boolean]> = []
  #bytes = 0

  /** All bytes that were ever added. */
  get bytes (): number {
    return this.#bytes
  }

  /**
   * @param data is copied
   * @param limit bytes that may wait
   * @returns false: with this message they are too much, and all are let go
   */
  add (data: Buffer, binary: boolean, limit: number): boolean {
    // It was too much before.
    if (this.#bytes > limit) return true
    this.#bytes += data.length
    if (this.#bytes <= limit) {
      this.messages.push([Buffer.from(data), binary])
      return true
    }
    this.messages.length = 0
    return false
  }
}
