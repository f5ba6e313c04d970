import type { ChainableCommander } from 'ioredis'
import type { Client } from './client.js'

type Command = [name: string, ...args: Array<string | number>]

interface Queued {
  readonly command: Command
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: Error) => void
}

/** Sends the commands of one turn of the event loop together. They are done in order where they have the same key. */
export class Batch {
  readonly #client: Client
  #queue: Queued[] = []

  constructor (client: Client) {
    this.#client = client
  }

  /** Rejects where the command failed, timed out, or could not be sent. */
  async send (...command: Command): Promise<unknown> {
    return await new Promise<unknown>((resolve, reject) => {
      const fail = (error: Error) => { reject(withoutCommand(error)) }
      if (this.#queue.push({ command, resolve, reject: fail }) === 1) setImmediate(() => { this.#flush() })
    })
  }

  #flush (): void {
    const queue = this.#queue
    this.#queue = []
    // The nodes of a Redis Cluster have different keys: there each command finds its own way.
    if (this.#client.isCluster) {
      for (const { command: [name, ...args], resolve, reject } of queue) {
        this.#client.call(name, args).then(resolve, reject)
      }
      return
    }
    const pipeline: ChainableCommander = this.#client.pipeline(queue.map(({ command }) => command))
    pipeline.exec().then(replies => {
      for (const [i, { resolve, reject }] of queue.entries()) {
        const [error, reply] = replies?.[i] ?? [new Error('No reply'), null]
        if (error === null) resolve(reply)
        else reject(error)
      }
    }, (error: Error) => {
      for (const { reject } of queue) reject(error)
    })
  }
}

/** What Redis said, without the command that it said it to: its keys hold tokens, and errors are logged. */
function withoutCommand ({ name, message }: Error): Error {
  // Some of its complaints repeat what it was told.
  return Object.assign(new Error(message.replace(/,? with args beginning with:.*/s, '')), { name })
}
