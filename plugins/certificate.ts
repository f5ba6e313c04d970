import { X509Certificate } from 'node:crypto'
import { statSync } from 'node:fs'
import type { Server } from 'node:tls'
import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import { readIdentity, type Identity } from './tls.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Null without TLS. */
    certificate: Certificate | null
  }
}

export interface CertificateOptions {
  readonly server: Pick<Server, 'setSecureContext'>
  /** What the server has now. */
  readonly identity: Identity
  readonly log: Pick<FastifyBaseLogger, 'info' | 'error'>
  /** Milliseconds between two looks. */
  readonly interval?: number
}

const LOOK_INTERVAL = 60_000

/** Gives new connections the certificate that is in the files by then; those that are open keep theirs. */
export class Certificate {
  readonly #server: CertificateOptions['server']
  readonly #log: CertificateOptions['log']
  readonly #timer: NodeJS.Timeout
  #identity: Identity
  /** The state of the files that was read last; null: none has been since the start, or they made no pair. */
  #seen: string | null = null
  /** What was said last of files that make no pair. */
  #reason: string | null = null

  constructor ({ server, identity, log, interval = LOOK_INTERVAL }: CertificateOptions) {
    this.#server = server
    this.#identity = identity
    this.#log = log
    this.#timer = setInterval(() => { this.#look() }, interval).unref()
  }

  /** Reads the files now, and says in the log what came of it. */
  renew (): void {
    this.#reason = null
    if (this.#read()) return
    if (this.#reason === null) this.#log.info({ validTo: expiryOf(this.#identity) }, 'certificate unchanged')
  }

  stop (): void {
    clearInterval(this.#timer)
  }

  #look (): void {
    if (this.#seen === null || this.#seen !== stateOf(this.#identity)) this.#read()
  }

  /** @returns whether there was something new that could be taken */
  #read (): boolean {
    const { keyFile, certFile } = this.#identity
    // Before they are read: what changes meanwhile is seen at the next look.
    const state = stateOf(this.#identity)
    try {
      const identity = readIdentity(keyFile, certFile)
      const changed = !identity.key.equals(this.#identity.key) || !identity.cert.equals(this.#identity.cert)
      if (changed) this.#take(identity)
      this.#seen = state
      this.#reason = null
      return changed
    } catch (error) {
      this.#seen = null
      this.#failed((error as Error).message)
      return false
    }
  }

  #take (identity: Identity): void {
    const { key, cert } = identity
    this.#server.setSecureContext({ key, cert })
    this.#identity = identity
    this.#log.info({ validTo: expiryOf(identity) }, 'certificate renewed')
  }

  /** Tried again at each look, and said once: they may be about to be replaced, one after the other. */
  #failed (reason: string): void {
    if (reason !== this.#reason) this.#log.error({ reason }, 'certificate not renewed')
    this.#reason = reason
  }
}

/** Decorates the instance with the certificate of a server on its own. */
export default fp(async (fastify) => {
  const { config: { tls: identity }, log } = fastify
  if (identity === undefined) {
    fastify.decorate('certificate', null)
    return
  }
  const certificate = new Certificate({ server: fastify.server as unknown as Server, identity, log })
  fastify.decorate('certificate', certificate)
  fastify.addHook('onClose', async () => { certificate.stop() })
}, { name: 'symple-certificate', fastify: '5.x', dependencies: ['symple-config'] })

/** Other than before if one of the files, or of those that links lead to, is another or has been written to. */
function stateOf ({ keyFile, certFile }: Identity): string | null {
  try {
    return [keyFile, certFile].map(file => {
      const { dev, ino, size, mtimeMs, ctimeMs } = statSync(file)
      return [dev, ino, size, mtimeMs, ctimeMs].join(':')
    }).join(' ')
  } catch {
    return null
  }
}

function expiryOf ({ cert }: Identity): string {
  return new Date(new X509Certificate(cert).validTo).toISOString()
}
