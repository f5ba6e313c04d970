#!/usr/bin/env node
import closeWithGrace from 'close-with-grace'
import { ConfigError } from '../plugins/config.js'
import { createServer } from './create-server.js'

/** Seconds that a shutdown may take beside the drain. */
const GRACE = 5

try {
  const server = await createServer()
  const { config } = server
  closeWithGrace({ delay: (config.drainSeconds + GRACE) * 1000, logger: server.log }, async ({ err, signal }) => {
    if (err !== undefined) server.log.fatal({ err }, 'unexpected error')
    else server.log.info({ signal }, 'shutting down')
    // Before `close`, which ends plain HTTP: probes are answered while peers are drained.
    await server.symple.drain(config.drainSeconds)
    await server.close()
  })
  await server.listen({ host: config.host, port: config.port, backlog: 4096 })
} catch (error) {
  process.stderr.write(`symple-server: ${explain(error)}\n`)
  process.exit(1)
}

function explain (error: unknown): string {
  if (error instanceof ConfigError) return error.message
  const { code, message, stack } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE' || code === 'EACCES' || code === 'EADDRNOTAVAIL') return `${message} (see SYMPLE_HOST, PORT and SYMPLE_PORT)`
  return stack ?? message
}
