import type { Logger } from '../../core/logger.js'
import type { Client, Clients } from './client.js'

/** What ioredis says where it knows no more than that nothing was said, or no server of a Redis Cluster was there. */
const VAGUE = new Set([
  'Connection is closed.', 'Command timed out', 'Stream isn\'t writeable and enableOfflineQueue options is false'
])

/**
 * Says in the log why other nodes can't be reached: each reason once, not for each attempt. Clients go on trying
 * without end, and only the error of an attempt has the reason.
 */
export class Trouble {
  readonly #log: Logger
  /** In the words of the last error that had one. */
  #reason: string | null = null
  /** Reasons that have been said since it began, without what may differ each time. */
  readonly #said = new Set<string>()

  constructor (clients: Clients, log: Logger) {
    this.#log = log
    for (const client of Object.values(clients) as Client[]) client.on('error', (error: Error) => { this.#note(error) })
  }

  /** A command has failed. That a connection broke under it is no reason why it broke. */
  refused (error: unknown): void {
    if (error instanceof Error && error.name === 'ReplyError') this.#note(error)
  }

  /** Other nodes can't be reached. */
  begins (reason: string): void {
    this.#log.warn({ reason }, 'other nodes can not be reached')
  }

  /** Nor can they after some time. @param otherwise what to say where no error had a reason; default: nothing */
  goesOn (otherwise?: string): void {
    const reason = this.#reason ?? otherwise
    const kind = reason?.replaceAll(/\d+/g, '')
    if (kind === undefined || this.#said.has(kind)) return
    this.#said.add(kind)
    this.begins(reason!)
  }

  /** They can. */
  ends (): void {
    this.#reason = null
    this.#said.clear()
  }

  #note (error: Error): void {
    const reason = reasonOf(error)
    if (!isVague(reason)) this.#reason = reason
  }
}

/** Whether what an error says tells an operator nothing. */
export function isVague (reason: string): boolean {
  return VAGUE.has(reason)
}

/** What an error says. All else in it may be secret, such as a command that was refused, with a password. */
export function reasonOf (error: Error): string {
  const { message, code, lastNodeError, errors } = error as Error & {
    code?: string
    /** Of a Redis Cluster. */
    lastNodeError?: Error | null
    /** Of a name with several addresses. */
    errors?: readonly Error[]
  }
  const [cause = lastNodeError] = errors ?? []
  if (cause) return reasonOf(cause)
  return message === '' ? code ?? error.name : message
}
