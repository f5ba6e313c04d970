import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** Makes the signature of what is signed. */
export type Sign = (input: Buffer) => Buffer

export interface KeyPair { publicKey: KeyObject, privateKey: KeyObject }

export const rsa = (bits = 2048): KeyPair => generateKeyPairSync('rsa', { modulusLength: bits })
export const ec = (namedCurve = 'P-256'): KeyPair => generateKeyPairSync('ec', { namedCurve })
export const ed25519 = (): KeyPair => generateKeyPairSync('ed25519')

export const pem = ({ publicKey }: KeyPair): string => publicKey.export({ type: 'spki', format: 'pem' }) as string

export const hmac = (secret: string | Buffer, bits = 256): Sign => input => createHmac(`sha${bits}`, secret).update(input).digest()
export const asymmetric = ({ privateKey }: KeyPair, hash: string | null = 'sha256'): Sign =>
  input => sign(hash, input, { key: privateKey, dsaEncoding: 'ieee-p1363' })
export const unsigned: Sign = () => Buffer.alloc(0)

const encode = (part: object | string): string =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')

/** A token, put together by hand: what the server makes of it, it makes without help from the library that it uses. */
export function tokenOf (header: object | string, claims: object | string, signature: Sign): string {
  const input = `${encode(header)}.${encode(claims)}`
  return `${input}.${signature(Buffer.from(input)).toString('base64url')}`
}

/** Seconds since 1970, some seconds from now. */
export const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

/** A web server that publishes keys, as an identity provider does, and can fail in many ways. */
export class KeyServer {
  /** The keys that are published, by id. */
  readonly keys = new Map<string | undefined, KeyPair>()
  /** What is answered instead, where it is set. */
  answer: { status?: number, body?: string, location?: string } | null = null
  /** Whether it takes requests and never answers. */
  silent = false
  requests = 0
  readonly #server: Server
  #port = 0

  constructor () {
    this.#server = createServer((_request, response) => {
      this.requests++
      if (this.silent) return
      const { status = 200, body = this.#document(), location } = this.answer ?? {}
      response.writeHead(status, { 'content-type': 'application/json', ...(location !== undefined && { location }) }).end(body)
    })
  }

  get url (): string {
    return `http://127.0.0.1:${this.#port}/keys.json`
  }

  async start (): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async stop (): Promise<void> {
    if (!this.#server.listening) return
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #document (): string {
    const keys = Array.from(this.keys, ([kid, { publicKey }]) => ({ ...publicKey.export({ format: 'jwk' }), kid }))
    return JSON.stringify({ keys })
  }
}

/** Starts a server of keys; the test's teardown ends it. */
export async function startKeyServer (t: Test, keys: Record<string, KeyPair> = {}): Promise<KeyServer> {
  const server = new KeyServer()
  for (const [id, pair] of Object.entries(keys)) server.keys.set(id, pair)
  t.teardown(async () => { await server.stop() })
  await server.start()
  return server
}
