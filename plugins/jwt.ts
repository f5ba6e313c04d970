import { createPublicKey } from 'node:crypto'
import {
  createLocalJWKSet, errors, jwtVerify,
  type JSONWebKeySet, type JWK, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions
} from 'jose'
import { notTheirs, type Authenticator } from '../src/core/auth.js'
import { grantOf } from '../src/core/claims.js'
import { SympleError } from '../src/core/errors.js'
import { isNestedWithin, isObject, MAX_DEPTH, type Json, type JsonObject } from '../src/core/json.js'
import type { Limits } from '../src/core/limits.js'
import type { Logger } from '../src/core/logger.js'
import { algorithmsFor, type JwtConfig } from './jwt-config.js'
import { RemoteDocument } from './remote-document.js'

export interface JwtOptions {
  readonly config: JwtConfig
  readonly limits: Limits
  readonly log: Logger
  /** A monotonic clock, in milliseconds. Default: `performance.now`. */
  readonly now?: () => number
  /** Milliseconds since 1970. Default: `Date.now`. */
  readonly wallNow?: () => number
}

type Verify = (token: string, options: JWTVerifyOptions) => Promise<JWTPayload>

/** Lets in who brings a JSON Web Token of a trusted issuer, as what its claims say, until it expires. */
export class JwtAuthenticator {
  readonly #options: JwtOptions
  readonly #verify: Verify
  readonly #keys: RemoteDocument<JWTVerifyGetKey> | null = null

  constructor (options: JwtOptions) {
    this.#options = options
    const { config: { key }, log, now = () => performance.now() } = options
    if (key.kind === 'jwks') {
      const keys = new RemoteDocument({ url: key.url, parse: parseKeys, log, now })
      this.#keys = keys
      this.#verify = async (token, checks) => await verifyWithLatest(keys, token, checks)
      // So that the first client does not wait, and the operator reads at once what is wrong.
      keys.renew()
    } else {
      const secret = key.kind === 'secret' ? key.secret : key.key
      this.#verify = async (token, checks) => (await jwtVerify(token, secret, checks)).payload
    }
  }

  readonly authenticate: Authenticator = async ({ token, user }) => {
    if (token === undefined) throw new SympleError(401, 'Token required')
    const { claims: names, leeway } = this.#options.config
    // JSON, since it comes from a parser.
    const claims = await this.#claimsOf(token) as JsonObject
    if (!isNestedWithin(claims, MAX_DEPTH)) throw faulty('it is nested too deeply')
    const granted = grantOf({
      user: claimAt(claims, names.user),
      name: claimAt(claims, names.name),
      rooms: claimAt(claims, names.rooms),
      data: names.data === undefined ? undefined : claimAt(claims, names.data)
    }, this.#options.limits, faulty)
    if (user !== undefined && user !== granted.user) throw notTheirs()
    const grant = { ...granted, session: claims }
    const { exp } = claims
    return typeof exp === 'number' ? { ...grant, expires: (exp + leeway) * 1000 } : grant
  }

  /** Gives up what is under way. */
  close (): void {
    this.#keys?.close()
  }

  async #claimsOf (token: string): Promise<JWTPayload> {
    const { config, wallNow = Date.now } = this.#options
    const { algorithms, issuers, audiences, leeway } = config
    try {
      return await this.#verify(token, {
        algorithms: [...algorithms],
        ...(issuers.length > 0 && { issuer: [...issuers] }),
        ...(audiences.length > 0 && { audience: [...audiences] }),
        clockTolerance: leeway,
        currentDate: new Date(wallNow())
      })
    } catch (error) {
      throw refusalFor(error)
    }
  }
}

/** Checks with published keys. Where none of them fits, there may be newer ones. */
async function verifyWithLatest (
  keys: RemoteDocument<JWTVerifyGetKey>, token: string, checks: JWTVerifyOptions
): Promise<JWTPayload> {
  const known = await keys.get()
  let failure: unknown
  try {
    if (known !== undefined) return await verifyWith(known, token, checks)
  } catch (error) {
    if (!isOfKey(error)) throw error
    failure = error
  }
  await keys.renew()
  const latest = keys.value
  if (latest !== undefined && latest !== known) return await verifyWith(latest, token, checks)
  if (failure instanceof errors.JWSSignatureVerificationFailed) throw failure
  if (latest !== undefined && keys.error === undefined) throw failure
  // Whether there is such a key can't be known now.
  throw new SympleError(503, 'Keys of tokens unavailable', { cause: keys.error })
}

async function verifyWith (keys: JWTVerifyGetKey, token: string, checks: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keys, checks)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    // The token does not say which of them.
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, checks)).payload
      } catch (failure) {
        // The signature is good, by then. Anything else is of this key, which may be one that can't be used.
        if (isOfClaims(failure)) throw failure
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

/** Whether the key is to blame: there is none, it is another one, or it can't be used. */
function isOfKey (error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return true
  const { JWKInvalid, JWKSInvalid, JWKSNoMatchingKey, JWSSignatureVerificationFailed: BadSignature } = errors
  return [JWKInvalid, JWKSInvalid, JWKSNoMatchingKey, BadSignature].some(kind => error instanceof kind)
}

function isOfClaims (error: unknown): boolean {
  const { JWTExpired, JWTClaimValidationFailed, JWTInvalid } = errors
  return [JWTExpired, JWTClaimValidationFailed, JWTInvalid].some(kind => error instanceof kind)
}

/** @throws for a set without a good key: by it, an issuer in trouble would have all its tokens refused */
function parseKeys (json: unknown): JWTVerifyGetKey {
  const keys = createLocalJWKSet(json as JSONWebKeySet)
  if (!keys.jwks().keys.some(isUsable)) throw new Error('The set has no key that can be used')
  return keys
}

function isUsable (key: JWK): boolean {
  if (key.d !== undefined || (key.use !== undefined && key.use !== 'sig')) return false
  try {
    return algorithmsFor(createPublicKey({ key, format: 'jwk' })).length > 0
  } catch {
    return false
  }
}

/** @param name of the claim; dots lead into objects, where no claim is called so */
function claimAt (claims: JsonObject, name: string): Json | undefined {
  if (Object.hasOwn(claims, name)) return claims[name]
  let value: Json | undefined = claims
  for (const part of name.split('.')) value = isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined
  return value
}

function faulty (fault: string): SympleError {
  return new SympleError(401, 'Invalid token', { cause: new Error(`The token is faulty: ${fault}`) })
}

/** What is wrong with a token, by the code of the library, whose own words may repeat what an attacker wrote. */
const DETAILS: Record<string, string> = {
  ERR_JWT_EXPIRED: 'expired',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'bad signature',
  ERR_JOSE_ALG_NOT_ALLOWED: 'algorithm not allowed',
  ERR_JWKS_NO_MATCHING_KEY: 'unknown key'
}

const CLAIM_DETAILS: Record<string, string> = {
  'iss missing': 'no issuer',
  'iss check_failed': 'wrong issuer',
  'aud missing': 'no audience',
  'aud check_failed': 'wrong audience',
  'nbf check_failed': 'not valid yet'
}

/** What the client is told; it learns no more than that it needs another token. */
function refusalFor (error: unknown): unknown {
  if (error instanceof SympleError) return error
  if (!(error instanceof errors.JOSEError)) {
    return new SympleError(401, 'Invalid token', { detail: 'the key can not be used', cause: error })
  }
  const detail = error instanceof errors.JWTClaimValidationFailed
    ? CLAIM_DETAILS[`${error.claim} ${error.reason}`]
    : DETAILS[error.code]
  const message = error instanceof errors.JWTExpired ? 'Token expired' : 'Invalid token'
  return new SympleError(401, message, { detail: detail ?? 'malformed' })
}
