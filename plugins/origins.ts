import { ConfigError } from './config-error.js'
import { listOf } from './environment.js'

/** The origins of a list, as browsers send them. @throws ConfigError where one is none */
export function parseOrigins (value: string): string[] {
  return listOf(value).map(item => {
    const origin = URL.canParse(item) ? new URL(item).origin : 'null'
    if (origin === 'null') throw new ConfigError('SYMPLE_ALLOWED_ORIGINS must be a list of origins like https://example.com')
    return origin
  })
}
