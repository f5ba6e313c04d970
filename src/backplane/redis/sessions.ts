import type { SessionStore } from '../../core/auth.js'
import { Batch } from './batch.js'
import { isReady, type Client, type Names } from './client.js'

/** Keys that are asked for with one command. */
const CHUNK = 500

/** The sessions that a backend writes: a JSON object under each token. */
export class RedisSessions implements SessionStore {
  readonly #client: Client
  readonly #names: Names
  readonly #batch: Batch

  constructor (client: Client, names: Names) {
    this.#client = client
    this.#names = names
    this.#batch = new Batch(client)
  }

  async load (token: string): Promise<string | null> {
    if (!isReady(this.#client)) throw new Error('Redis is not connected')
    return await this.#batch.send('get', this.#names.session(token)) as string | null
  }

  async renew (tokens: readonly string[], seconds: number): Promise<string[]> {
    // Not EXPIRE, which takes no fraction of a second.
    const milliseconds = Math.ceil(seconds * 1000)
    const replies = await Promise.all(tokens.map(async token =>
      await this.#batch.send('pexpire', this.#names.session(token), milliseconds)))
    return tokens.filter((_, i) => replies[i] === 0)
  }

  async missing (tokens: readonly string[]): Promise<string[]> {
    const missing: string[] = []
    for (let i = 0; i < tokens.length; i += CHUNK) missing.push(...await this.#missingOf(tokens.slice(i, i + CHUNK)))
    return missing
  }

  /** One command tells that all are there; only where some are not, each is asked for. */
  async #missingOf (tokens: readonly string[]): Promise<string[]> {
    const keys = tokens.map(token => this.#names.session(token))
    // The keys of one command must be on one node of a Redis Cluster.
    if (!this.#client.isCluster && await this.#batch.send('exists', ...keys) === keys.length) return []
    const replies = await Promise.all(keys.map(async key => await this.#batch.send('exists', key)))
    return tokens.filter((_, i) => replies[i] === 0)
  }
}
