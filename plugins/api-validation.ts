import type { FastifySchema, FastifySchemaCompiler } from 'fastify'
import Type, { type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

/**
 * Checks requests against schemas, and reads the integers of a query. (The compiler of the type provider takes any text
 * that a number could be made of: `2.5` for 2, `true` for 1.)
 */
export const validatorCompiler: FastifySchemaCompiler<FastifySchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema as TSchema)
  return (value: unknown) => {
    const input = httpPart === 'querystring' ? withIntegers(schema as TSchema, value as Record<string, unknown>) : value
    if (validator.Check(input)) return { value: input }
    return { error: validator.Errors(input) as unknown as Error }
  }
}

function withIntegers (schema: TSchema, query: Record<string, unknown>): Record<string, unknown> {
  if (!Type.IsObject(schema)) return query
  return Object.fromEntries(Object.entries(query).map(([name, value]) => {
    const property = schema.properties[name]
    const isInteger = property !== undefined && Type.IsInteger(property) && /^\d+$/.test(String(value))
    return [name, isInteger && typeof value === 'string' ? Number(value) : value]
  }))
}
