import type { FastifyRequest } from 'fastify'
import type { LoggerOptions } from 'pino'

/** Where a token could stand in what is logged. */
const SECRETS = [
  'token', '*.token', 'req.headers.authorization', 'req.headers.cookie', 'req.headers["sec-websocket-protocol"]',
  // What Node could not parse as HTTP, byte for byte; what Redis was asked.
  'err.rawPacket', 'err.command', 'err.previousErrors'
]

/**
 * Options of pino: JSON lines, without tokens. A terminal gets them readable where pino-pretty is installed.
 *
 * @param level least level that is logged
 */
export function loggerOptions (level: string): LoggerOptions {
  return {
    level,
    redact: { paths: SECRETS, censor: '[redacted]' },
    serializers: { req: serializeRequest },
    ...(process.stdout.isTTY && isInstalled('pino-pretty') && { transport: { target: 'pino-pretty' } })
  }
}

function serializeRequest (request: FastifyRequest): object {
  return { method: request.method, url: redactUrl(request.url), host: request.host, remoteAddress: request.ip }
}

/** Query strings end up in logs; what they hold is nobody's business. */
function redactUrl (url: string): string {
  return url.replace(/([?&][^=&]*(?:token|key|secret|password|session)[^=&]*=)[^&]*/gi, '$1[redacted]')
}

function isInstalled (name: string): boolean {
  try {
    import.meta.resolve(name)
    return true
  } catch {
    return false
  }
}
