import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'

/** What `Config.undecided` means, in words. */
export const UNDECIDED = 'everybody is let in as who they say they are: set SYMPLE_AUTHENTICATION to true, or to false if that is meant'

/** Logs what may be wrong with the configuration, as soon as the server is ready. */
export default fp<{ log: FastifyBaseLogger }>(async (fastify, { log }) => {
  const { config, symple } = fastify
  // Until then, the application may set its hook.
  fastify.addHook('onReady', async () => {
    const open = config.undecided && symple.authenticate === null ? [UNDECIDED] : []
    for (const reason of [...config.warnings, ...open]) log.warn({ reason }, 'check the configuration')
  })
}, { name: 'symple-config-warnings', fastify: '5.x', dependencies: ['symple-config', 'symple-service'] })
