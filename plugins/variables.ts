import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import env from '@fastify/env'
import type { FastifyInstance } from 'fastify'
import { ConfigError } from './config-error.js'
import { addEnvironmentKeywords, notEmpty } from './environment.js'
import { schema, type Variables } from './schema.js'

/** What Ajv says in words that help nobody. */
const PROBLEMS: Record<string, string> = {
  pattern: 'must be a path like /realtime: without spaces and any of : * ? # ( ) %, and not one of the server\'s own'
}

interface SchemaError {
  keyword?: string
  instancePath: string
  message?: string
  params?: { allowedValues?: string[] }
}

/** The environment of this process, before it that of `.env`, where there is one; what is set to nothing is not set. */
export function readEnvironment (): Record<string, string> {
  return { ...readDotenv(), ...notEmpty(process.env) }
}

function readDotenv (): Record<string, string> {
  try {
    return notEmpty(parseEnv(readFileSync('.env', 'utf8')))
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return {}
    throw new ConfigError(`.env can't be read (${code})`, { cause })
  }
}

/** Checks data against the schema and fills in its defaults. @throws ConfigError about the first that is wrong */
export async function checkVariables (fastify: FastifyInstance, data: Record<string, unknown>): Promise<Variables> {
  let variables: Variables | undefined
  // In a scope of its own: what @fastify/env decorates stays there.
  await fastify.register(async scope => {
    try {
      await scope.register(env, {
        schema,
        confKey: 'variables',
        env: false,
        // Its own reading of `.env` would take what is set to nothing for a value.
        dotenv: false,
        data,
        ajv: { customOptions: addEnvironmentKeywords }
      })
    } catch (error) {
      throw explain(error)
    }
    variables = scope.getDecorator<Variables>('variables')
  })
  // Ajv takes "Infinity" and "1e999" for numbers, and holds no bound against them.
  const infinite = Object.entries(variables!).find(([, value]) => typeof value === 'number' && !isFinite(value))
  if (infinite !== undefined) throw new ConfigError(`${infinite[0]} must be a finite number`)
  return variables!
}

/** What Ajv found, as one line about the first variable that is wrong. */
function explain (error: unknown): unknown {
  const { errors } = error as { errors?: SchemaError[] }
  const first = errors?.[0]
  if (first === undefined) return error
  const allowed = first.params?.allowedValues
  const problem = allowed === undefined
    ? PROBLEMS[first.keyword ?? ''] ?? first.message
    : `must be one of ${allowed.join(', ')}`
  return new ConfigError(`${first.instancePath.slice(1)} ${problem}`)
}
