import type { FastifyEnvOptions } from '@fastify/env'

type Ajv = Parameters<Extract<NonNullable<FastifyEnvOptions['ajv']>, { customOptions: unknown }>['customOptions']>[0]

const SPELLINGS = new Map([
  ['1', true], ['true', true], ['yes', true], ['on', true], ['0', false], ['false', false], ['no', false], ['off', false]
])

/** The boolean that a variable spells, in any case; undefined where it spells none. */
export function flagOf (value: string): boolean | undefined {
  return SPELLINGS.get(value.trim().toLowerCase())
}

/**
 * Teaches Ajv our keywords: `flag` turns the spelling into the boolean; `accepts` and `secret` are for those who read
 * the schema.
 */
export function addEnvironmentKeywords (ajv: Ajv): Ajv {
  return ajv.addVocabulary(['accepts', 'secret']).addKeyword({
    keyword: 'flag',
    type: 'string',
    modifying: true,
    errors: 'full',
    compile: () => function convert (value: string, context) {
      const flag = flagOf(value)
      if (flag === undefined) {
        (convert as { errors?: object[] }).errors = [{ keyword: 'flag', message: 'must be true or false (or 1/0, yes/no, on/off)' }]
        return false
      }
      context!.parentData[context!.parentDataProperty] = flag
      return true
    }
  })
}

/** The items of a comma-separated list. */
export function listOf (value: string): string[] {
  return value.split(',').map(item => item.trim()).filter(item => item !== '')
}

/** An environment without the variables that are set to nothing: those count as not set. */
export function notEmpty (env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1].trim() !== '')
  )
}
