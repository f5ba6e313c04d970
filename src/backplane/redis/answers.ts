import { KEPT, PENDING, type AnswerStore } from '../answers.js'
import { Batch } from './batch.js'
import { isReady, type Client, type Names } from './client.js'

/** Keeps answers where all nodes find them: whoever asks again may come to another. */
export class RedisAnswers implements AnswerStore {
  readonly #client: Client
  readonly #names: Names
  readonly #batch: Batch

  constructor (client: Client, names: Names) {
    this.#client = client
    this.#names = names
    this.#batch = new Batch(client)
  }

  async claim (name: string, record: string): Promise<string | null> {
    const key = this.#names.answer(name)
    for (;;) {
      if (await this.#send('set', key, record, 'PX', PENDING * 1000, 'NX') === 'OK') return null
      const there = await this.#send('get', key)
      // Null: it has gone in between.
      if (there !== null) return there as string
    }
  }

  async keep (name: string, record: string): Promise<void> {
    await this.#send('set', this.#names.answer(name), record, 'PX', KEPT * 1000)
  }

  async release (name: string): Promise<void> {
    await this.#send('del', this.#names.answer(name))
  }

  async #send (...command: Parameters<Batch['send']>): Promise<unknown> {
    if (!isReady(this.#client)) throw new Error('Redis is not connected')
    return await this.#batch.send(...command)
  }
}
