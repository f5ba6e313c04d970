/** Parameters; those that are undefined are left out. */
type Query = Readonly<Record<string, string | undefined>>

/** Milliseconds after which a request counts as failed. */
const TIMEOUT = 10_000

/** A request that the server refused (then with a status), or that never reached it (0). */
export class ApiError extends Error {
  constructor (readonly status: number, message: string) {
    super(message)
  }
}

/** The key has gone, or is another one, since something was asked for: its answer is for nobody. */
export class Abandoned extends Error {}

/** The server's HTTP API, with the key that was typed in. */
export class Api {
  readonly #base: string
  key = ''

  /** @param base an address, relative to that of the page */
  constructor (base: string) {
    this.#base = new URL(base, location.href).href
  }

  /** @param fields without which an answer makes no sense: it is of something else, which stands before the server */
  async get<T> (path: string, fields: ReadonlyArray<keyof T & string>, query: Query = {}): Promise<T> {
    const answer = await this.#ask('GET', path, query)
    if (typeof answer !== 'object' || answer === null || !fields.every(field => field in answer)) {
      throw new ApiError(0, 'The server answers what makes no sense')
    }
    return answer as T
  }

  async delete (path: string, query: Query): Promise<void> {
    await this.#ask('DELETE', path, query)
  }

  async post<T> (path: string, body: object): Promise<T> {
    return await this.#ask('POST', path, {}, body) as T
  }

  async #ask (method: string, path: string, query: Query, body?: object): Promise<unknown> {
    const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined)
    const search = given.length === 0 ? '' : `?${String(new URLSearchParams(given))}`
    const { key } = this
    let response: Response
    let answer: unknown
    try {
      response = await fetch(`${this.#base}/${path}${search}`, {
        method,
        headers: { authorization: `Bearer ${key}`, ...body !== undefined && { 'content-type': 'application/json' } },
        ...body !== undefined && { body: JSON.stringify(body) },
        cache: 'no-store',
        credentials: 'omit',
        signal: AbortSignal.timeout(TIMEOUT)
      })
      const text = await response.text()
      answer = text === '' ? null : parse(text)
    } catch (error) {
      if (this.key !== key) throw new Abandoned()
      const late = error instanceof DOMException && error.name === 'TimeoutError'
      throw new ApiError(0, late ? 'The server does not answer in time' : 'The server can not be reached')
    }
    if (this.key !== key) throw new Abandoned()
    if (response.ok && answer !== undefined) return answer
    throw new ApiError(response.status, detailOf(answer) ?? `Error ${response.status}`)
  }
}

/** A name as part of an address. @throws ApiError for the two that every browser takes for steps in a path */
export function segment (name: string): string {
  if (name === '.' || name === '..') throw new ApiError(400, `"${name}" can not stand in an address`)
  return encodeURIComponent(name)
}

/** Undefined: it is not JSON, so not of this server but of something before it. */
function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function detailOf (answer: unknown): string | undefined {
  const { detail } = (answer ?? {}) as { detail?: unknown }
  return typeof detail === 'string' ? detail : undefined
}
