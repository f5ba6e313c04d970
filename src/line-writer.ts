import { write, writeSync } from 'node:fs'
import { hostname } from 'node:os'

/** Bytes that are written together: a write for each line would be a seventh of what a connection costs. */
const BATCH = 16_000

/** Milliseconds that a line waits for others at most, and until one is tried again for which there was no room. */
const INTERVAL = 100

/** Bytes of lines that wait while nobody reads. */
const MAX_WAITING = 8 * 1024 * 1024

/** Milliseconds that the end of the process waits for whoever reads, and until it tries again. */
const PATIENCE = 1000
const PAUSE = 10

/**
 * Writes lines to a file, pipe or terminal, many together and without waiting for it. Whoever reads them must not harm
 * the process: where nobody does, lines are dropped, and that is said when it is over; where there is nobody any more,
 * they are forgotten.
 */
export class LineWriter {
  readonly #fd: number
  #lines: Buffer[] = []
  #waiting = 0
  /** What is left of the batch that is being written. */
  #batch: Buffer = Buffer.alloc(0)
  /** Whether another thread is about it. */
  #underWay = false
  #timer: NodeJS.Timeout | null = null
  #dropped = 0
  #broken = false

  constructor (fd: number) {
    this.#fd = fd
  }

  write (line: string): void {
    if (this.#broken) return
    if (this.#waiting > MAX_WAITING) {
      this.#dropped++
      return
    }
    if (this.#dropped > 0) this.#confess()
    this.#add(line)
    this.#schedule()
  }

  /** Writes what waits before it returns, unless nobody takes it in time: for the end of the process. */
  flushSync (): void {
    // What another thread is writing comes first.
    if (this.#underWay) pause()
    else this.#lines.unshift(this.#batch)
    if (this.#dropped > 0) this.#confess()
    let rest = Buffer.concat(this.#lines)
    this.#reset()
    for (let waited = 0; rest.length > 0 && waited < PATIENCE; waited += PAUSE) {
      try {
        while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest))
      } catch (error) {
        if (!isBusy(error)) return
        pause()
      }
    }
  }

  #add (line: string): void {
    const bytes = Buffer.from(line)
    this.#lines.push(bytes)
    this.#waiting += bytes.length
  }

  #confess (): void {
    const details = { level: 40, time: Date.now(), pid: process.pid, hostname: hostname(), dropped: this.#dropped }
    this.#dropped = 0
    this.#add(`${JSON.stringify({ ...details, msg: 'log lines dropped' })}\n`)
  }

  #schedule (): void {
    if (this.#waiting >= BATCH) this.#flush()
    else this.#wait()
  }

  #wait (): void {
    this.#timer ??= setTimeout(() => { this.#flush() }, INTERVAL).unref()
  }

  #flush (): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#underWay) return
    if (this.#batch.length === 0) {
      this.#batch = Buffer.concat(this.#lines)
      this.#lines = []
      this.#waiting = 0
    }
    this.#send()
  }

  #send (): void {
    if (this.#batch.length === 0) return
    this.#underWay = true
    write(this.#fd, this.#batch, (error, written) => {
      this.#underWay = false
      if (error !== null && !isBusy(error)) return this.#break()
      this.#batch = this.#batch.subarray(written ?? 0)
      if (error !== null) this.#wait()
      else if (this.#batch.length > 0) this.#send()
      else if (this.#waiting > 0) this.#schedule()
    })
  }

  #break (): void {
    this.#broken = true
    this.#reset()
  }

  #reset (): void {
    this.#lines = []
    this.#waiting = 0
    if (!this.#underWay) this.#batch = Buffer.alloc(0)
  }
}

function isBusy (error: unknown): boolean {
  return ['EAGAIN', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '')
}

/** Stands still for a moment. */
function pause (): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE)
}
