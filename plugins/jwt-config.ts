import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfigError } from './config-error.js'
import { listOf } from './environment.js'

/** What tokens are checked with: a shared secret, one public key, or those that are published at a URL. */
export type JwtKey =
  { readonly kind: 'secret', readonly secret: Buffer } |
  { readonly kind: 'public', readonly key: KeyObject } |
  { readonly kind: 'jwks', readonly url: URL }

/** How JSON Web Tokens are checked and read. */
export interface JwtConfig {
  readonly key: JwtKey
  /** Those that fit the key: no other is ever taken. */
  readonly algorithms: readonly string[]
  /** One of these must have made the token; empty: anybody who has the key. */
  readonly issuers: readonly string[]
  /** The token must be for one of these; empty: for anybody. */
  readonly audiences: readonly string[]
  /** Names of claims; undefined: none. */
  readonly claims: {
    readonly user: string
    readonly name: string
    readonly rooms: string
    readonly data: string | undefined
  }
  /** Seconds by which the clocks of issuers may differ. */
  readonly leeway: number
}

/** The variables, as the schema has them. */
export interface JwtVariables {
  SYMPLE_JWT_SECRET?: string
  SYMPLE_JWT_PUBLIC_KEY?: string
  SYMPLE_JWT_JWKS_URL?: string
  SYMPLE_JWT_ALGORITHMS?: string
  SYMPLE_JWT_ISSUER?: string
  SYMPLE_JWT_AUDIENCE?: string
  SYMPLE_JWT_USER_CLAIM: string
  SYMPLE_JWT_NAME_CLAIM: string
  SYMPLE_JWT_ROOMS_CLAIM: string
  SYMPLE_JWT_DATA_CLAIM?: string
  SYMPLE_JWT_LEEWAY: number
}

const SOURCES = ['SYMPLE_JWT_SECRET', 'SYMPLE_JWT_PUBLIC_KEY', 'SYMPLE_JWT_JWKS_URL'] as const

/** What says nothing without a key, and whose absence may be taken for a presence. */
const DEPENDENT = [
  'SYMPLE_JWT_ALGORITHMS', 'SYMPLE_JWT_ISSUER', 'SYMPLE_JWT_AUDIENCE', 'SYMPLE_JWT_DATA_CLAIM'
] as const

/** With the bytes that RFC 7518 asks of a secret: as many as the hash has. */
const SECRET_ALGORITHMS = { HS256: 32, HS384: 48, HS512: 64 }
const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const CURVES: Record<string, string> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }
const EDWARDS = ['EdDSA', 'Ed25519']
const MIN_RSA_BITS = 2048

/**
 * @returns undefined where no key is configured, so that tokens are not JSON Web Tokens
 * @throws ConfigError that names the variable that can't be honoured, and repeats no key
 */
export function jwtOf (variables: JwtVariables): JwtConfig | undefined {
  const [source, other] = SOURCES.filter(name => variables[name])
  if (source === undefined) {
    const orphan = DEPENDENT.find(name => variables[name] !== undefined)
    if (orphan === undefined) return undefined
    throw new ConfigError(`${orphan} is set, but there is no key for tokens: set one of ${SOURCES.join(', ')}`)
  }
  if (other !== undefined) throw new ConfigError(`${other} is set beside ${source}: there can be only one`)
  const { key, usual, possible } = keyOf(source, variables[source]!)
  const algorithms = algorithmsOf(variables.SYMPLE_JWT_ALGORITHMS, usual, possible)
  if (key.kind === 'secret') checkLength(key.secret, algorithms)
  return {
    key,
    algorithms,
    issuers: namesOf('SYMPLE_JWT_ISSUER', variables.SYMPLE_JWT_ISSUER),
    audiences: namesOf('SYMPLE_JWT_AUDIENCE', variables.SYMPLE_JWT_AUDIENCE),
    claims: {
      user: variables.SYMPLE_JWT_USER_CLAIM,
      name: variables.SYMPLE_JWT_NAME_CLAIM,
      rooms: variables.SYMPLE_JWT_ROOMS_CLAIM,
      data: variables.SYMPLE_JWT_DATA_CLAIM
    },
    leeway: variables.SYMPLE_JWT_LEEWAY
  }
}

/** The algorithms that are taken unless others are named, and those that can be. */
interface KeySource { key: JwtKey, usual: readonly string[], possible: readonly string[] }

function keyOf (source: typeof SOURCES[number], value: string): KeySource {
  switch (source) {
    case 'SYMPLE_JWT_SECRET':
      return { key: { kind: 'secret', secret: Buffer.from(value) }, usual: ['HS256'], possible: Object.keys(SECRET_ALGORITHMS) }
    case 'SYMPLE_JWT_PUBLIC_KEY': {
      const key = publicKeyOf(value)
      const possible = algorithmsFor(key)
      return { key: { kind: 'public', key }, usual: possible, possible }
    }
    case 'SYMPLE_JWT_JWKS_URL': {
      // Each key of the set says itself for which of them it is.
      const possible = [...RSA, ...Object.values(CURVES), ...EDWARDS]
      return { key: { kind: 'jwks', url: urlOf(value) }, usual: possible, possible }
    }
  }
}

/** @param value PEM, in which line breaks may be written `\n`, or the path of a file with it */
function publicKeyOf (value: string): KeyObject {
  const pem = value.includes('-----BEGIN ') ? value.replaceAll('\\n', '\n') : readKey(value)
  if (pem.includes('PRIVATE KEY-----')) {
    throw new ConfigError('SYMPLE_JWT_PUBLIC_KEY holds a private key: it belongs to the issuer alone')
  }
  try {
    return createPublicKey(pem)
  } catch (cause) {
    throw new ConfigError('SYMPLE_JWT_PUBLIC_KEY is no public key or certificate in PEM', { cause })
  }
}

function readKey (path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code = 'invalid' } = cause as NodeJS.ErrnoException
    throw new ConfigError(`SYMPLE_JWT_PUBLIC_KEY is neither PEM nor a file that can be read (${code})`, { cause })
  }
}

/**
 * The algorithms that a key is for, by its type alone.
 *
 * @throws ConfigError for one that tokens can't be checked with
 */
export function algorithmsFor (key: KeyObject): readonly string[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = key
  if (type === 'rsa') {
    if (details.modulusLength! >= MIN_RSA_BITS) return RSA
    throw new ConfigError(`SYMPLE_JWT_PUBLIC_KEY must have at least ${MIN_RSA_BITS} bits`)
  }
  const curve = CURVES[details.namedCurve ?? '']
  if (type === 'ec' && curve !== undefined) return [curve]
  if (type === 'ed25519') return EDWARDS
  throw new ConfigError(`SYMPLE_JWT_PUBLIC_KEY is of a type (${details.namedCurve ?? type}) that is not RSA, P-256, P-384, P-521 or Ed25519`)
}

function algorithmsOf (
  value: string | undefined, usual: readonly string[], possible: readonly string[]
): readonly string[] {
  if (value === undefined) return usual
  const algorithms = listOf(value)
  if (algorithms.length > 0 && algorithms.every(algorithm => possible.includes(algorithm))) return algorithms
  throw new ConfigError(`SYMPLE_JWT_ALGORITHMS must be a list of what fits the key: ${possible.join(', ')}`)
}

function checkLength (secret: Buffer, algorithms: readonly string[]): void {
  for (const [algorithm, bytes] of Object.entries(SECRET_ALGORITHMS)) {
    if (!algorithms.includes(algorithm) || secret.length >= bytes) continue
    throw new ConfigError(`SYMPLE_JWT_SECRET must have at least ${bytes} bytes for ${algorithm}`)
  }
}

function urlOf (value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url !== undefined && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.password === '') return url
  throw new ConfigError('SYMPLE_JWT_JWKS_URL must be a URL like https://example.com/.well-known/jwks.json, without a password')
}

/** Who means somebody must not be taken to mean anybody. */
function namesOf (variable: string, value: string | undefined): string[] {
  if (value === undefined) return []
  const names = listOf(value)
  if (names.length > 0) return names
  throw new ConfigError(`${variable} is a list of nothing`)
}
