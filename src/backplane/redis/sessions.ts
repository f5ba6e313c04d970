import type { SessionStore } from '../../core/auth.js'
import { Batch } from './batch.js'
import { isReady, type Client, type Names } from './client.js'

/** Keys that are asked for with one command. */
const CHUNK = 500

/** Has all keys expire after as many milliseconds. Returns the places of those that are not there, from 1. */
const RENEW = `
  local gone = {}
  for i, key in ipairs(KEYS) do
    if redis.call('PEXPIRE', key, ARGV[1]) == 0 then gone[#gone + 1] = i end
  end
  return gone`

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
    try {
      return await this.#batch.send('get', this.#names.session(token)) as string | null
    } catch (error) {
      // Something else than a string stands there: no session, whoever wrote it.
      if ((error as Error).message.startsWith('WRONGTYPE')) return ''
      throw error
    }
  }

  async renew (tokens: readonly string[], seconds: number): Promise<string[]> {
    // Not EXPIRE, which takes no fraction of a second.
    const milliseconds = Math.ceil(seconds * 1000)
    const gone: string[] = []
    for (let i = 0; i < tokens.length; i += CHUNK) {
      gone.push(...await this.#renew(tokens.slice(i, i + CHUNK), milliseconds))
    }
    return gone
  }

  async #renew (tokens: readonly string[], milliseconds: number): Promise<string[]> {
    const keys = tokens.map(token => this.#names.session(token))
    if (this.#client.isCluster) {
      const replies = await Promise.all(keys.map(async key => await this.#batch.send('pexpire', key, milliseconds)))
      return tokens.filter((_, i) => replies[i] === 0)
    }
    const places = await this.#batch.send('eval', RENEW, keys.length, ...keys, milliseconds) as number[]
    return places.map(place => tokens[place - 1]!)
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
