import type { Session } from './session.js'

/** Which sessions rest on which token. */
export class Tokens {
  readonly #sessions = new Map<string, Set<Session>>()

  /** The tokens on which some session rests. */
  get all (): string[] {
    return [...this.#sessions.keys()]
  }

  sessionsOf (token: string): Session[] {
    return [...this.#sessions.get(token) ?? []]
  }

  add (token: string, session: Session): void {
    const sessions = this.#sessions.get(token)
    if (sessions === undefined) this.#sessions.set(token, new Set([session]))
    else sessions.add(session)
  }

  delete (token: string, session: Session): void {
    const sessions = this.#sessions.get(token)
    if (sessions === undefined) return
    sessions.delete(session)
    if (sessions.size === 0) this.#sessions.delete(token)
  }
}
