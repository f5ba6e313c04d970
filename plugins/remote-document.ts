import type { Logger } from '../src/core/logger.js'

/** Milliseconds after which a document is fetched anew, while what is there is used. */
const REFRESH_AGE = 300_000

/** Milliseconds after which nobody uses it before that has been tried. */
const MAX_AGE = 2 * REFRESH_AGE

/** Milliseconds between two attempts, whoever asks for one. */
const COOLDOWN = 10_000

/** Milliseconds that an attempt may take. */
const TIMEOUT = 5000

/** Bytes that a document may have. */
const MAX_SIZE = 256 * 1024

export interface RemoteDocumentOptions<T> {
  readonly url: URL
  /** Reads the document; throws where it is not what it should be. */
  readonly parse: (json: unknown) => T
  readonly log: Logger
  /** A monotonic clock, in milliseconds. */
  readonly now: () => number
}

/** A JSON document at a URL. Once it has been got it stays, as old as it may be, while it can't be got anew. */
export class RemoteDocument<T> {
  readonly #options: RemoteDocumentOptions<T>
  readonly #closing = new AbortController()
  #value: T | undefined
  #error: unknown
  #fetchedAt = -Infinity
  #triedAt = -Infinity
  #pending: Promise<void> | null = null

  constructor (options: RemoteDocumentOptions<T>) {
    this.#options = options
  }

  /** As it was got last; undefined: not yet. Each time that it is got it is another value. */
  get value (): T | undefined {
    return this.#value
  }

  /** Why the last attempt failed; undefined: it did not. */
  get error (): unknown {
    return this.#error
  }

  /** As new as can be expected. */
  async get (): Promise<T | undefined> {
    const age = this.#options.now() - this.#fetchedAt
    if (age < REFRESH_AGE) return this.#value
    const renewed = this.renew()
    // Who has waited in vain once is not kept waiting again.
    if (this.#value === undefined || (age >= MAX_AGE && this.#error === undefined)) await renewed
    return this.#value
  }

  /** Tries to get it anew, unless that has been tried a moment ago. Never rejects. */
  async renew (): Promise<void> {
    if (this.#pending === null) {
      const now = this.#options.now()
      if (now - this.#triedAt < COOLDOWN) return
      this.#triedAt = now
      this.#pending = this.#renew().finally(() => { this.#pending = null })
    }
    await this.#pending
  }

  /** Gives up what is under way. */
  close (): void {
    this.#closing.abort()
  }

  async #renew (): Promise<void> {
    const { url, log, now } = this.#options
    // Its query may hold a secret.
    const where = url.origin + url.pathname
    try {
      this.#value = await this.#fetch()
      this.#fetchedAt = now()
      if (this.#error !== undefined) log.info({ url: where }, 'can be fetched again')
      this.#error = undefined
    } catch (error) {
      if (this.#closing.signal.aborted) return
      if (this.#error === undefined) log.warn({ url: where, err: error }, 'can not be fetched')
      this.#error = error
    }
  }

  async #fetch (): Promise<T> {
    const { url, parse } = this.#options
    const response = await fetch(url, {
      headers: { accept: 'application/json, application/jwk-set+json' },
      // Whom the operator trusts is not for a server to change.
      redirect: 'error',
      signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT), this.#closing.signal])
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`The answer has the status ${response.status}`)
    }
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of response.body ?? []) {
      size += chunk.length
      if (size > MAX_SIZE) throw new Error(`The answer has more than ${MAX_SIZE} bytes`)
      chunks.push(chunk)
    }
    return parse(JSON.parse(Buffer.concat(chunks).toString()))
  }
}
