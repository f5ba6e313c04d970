import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { ConfigError } from './config-error.js'

/** A private key and the certificate chain that goes with it, PEM. */
export interface Identity {
  readonly key: Buffer
  readonly cert: Buffer
  readonly keyFile: string
  readonly certFile: string
}

/** Reads the two files. @throws ConfigError for what is missing, can't be read, or is not what it should be */
export function readIdentity (keyFile: string | undefined, certFile: string | undefined): Identity {
  const key = readPem('SYMPLE_SSL_KEY', keyFile)
  const cert = readPem('SYMPLE_SSL_CERT', certFile)
  check('SYMPLE_SSL_CERT', 'is no certificate in PEM', () => createSecureContext({ cert }))
  check('SYMPLE_SSL_KEY', 'is no private key in PEM that fits SYMPLE_SSL_CERT', () => createSecureContext({ key, cert }))
  return { key, cert, keyFile: keyFile!, certFile: certFile! }
}

function readPem (name: string, path: string | undefined): Buffer {
  if (!path) throw new ConfigError(`${name} is missing, and SYMPLE_SSL_ENABLED is on`)
  return check(name, 'names a file that can\'t be read', () => readFileSync(path))
}

function check<T> (name: string, problem: string, attempt: () => T): T {
  try {
    return attempt()
  } catch (cause) {
    throw new ConfigError(`${name} ${problem} (${(cause as { code?: string }).code ?? 'invalid'})`, { cause })
  }
}
