// Exits 0 if the server in this container answers /healthz with a 2xx, otherwise 1.
// Plain JavaScript without dependencies: the image's HEALTHCHECK runs it with the server's environment.

const TIMEOUT_MS = 4_000
const ANY_ADDRESS = new Set(['', '0.0.0.0', '::'])

// The server reads .env from its working directory too; variables already set win.
try {
  process.loadEnvFile()
} catch {
  // No .env is the normal case.
}

const env = process.env
const port = env.PORT || env.SYMPLE_PORT || '4500'
const tls = /^(1|true|yes|on)$/i.test(env.SYMPLE_SSL_ENABLED ?? '')
const host = ANY_ADDRESS.has(env.SYMPLE_HOST ?? '') ? '127.0.0.1' : env.SYMPLE_HOST
const url = `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}/healthz`

// The certificate names the public host, never the loopback address that is asked here. The question
// is whether the process is alive, and nothing secret is sent.
if (tls) env.NODE_TLS_REJECT_UNAUTHORIZED = '0'

try {
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (!response.ok) throw new Error(`HTTP ${response.status}`)
  process.exit(0)
} catch (error) {
  console.error(`${url}: ${error.cause?.message ?? error.message}`)
  process.exit(1)
}
