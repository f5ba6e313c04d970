import { SympleConnection, type ConnectionOptions } from '../../client/index.js'

type Attach = (connection: SympleConnection) => void

/** The one connection of this tab, at a time; the parts of the page follow each new one. */
export class App {
  /** Where the page is, there is the server. */
  readonly url = `${location.protocol.replace('http', 'ws')}//${location.host}${location.pathname}`
  readonly #parts: Attach[] = []
  #connection: SympleConnection | undefined

  get connection (): SympleConnection | undefined {
    return this.#connection
  }

  get online (): boolean {
    return this.#connection?.state === 'online'
  }

  /** Has a part of the page listen to each connection, before it does anything. */
  follow (attach: Attach): void {
    this.#parts.push(attach)
  }

  connect (options: ConnectionOptions): void {
    this.#connection?.close()
    const connection = new SympleConnection(this.url, options)
    this.#connection = connection
    for (const attach of this.#parts) attach(connection)
    connection.connect()
  }
}
