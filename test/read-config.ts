import Fastify from 'fastify'
import type { Test } from 'tap'
import configPlugin, { ConfigError, type Config } from '../plugins/config.js'
import { schema } from '../plugins/schema.js'
import { temporaryFolder } from './process.js'

/** No message may hold it. */
export const PASSWORD = 'hunter2-do-not-tell'

/** Takes away the variables and the `.env` of whoever runs the tests. */
export function isolate (t: Test): void {
  process.chdir(temporaryFolder(t))
  for (const name of Object.keys(schema.properties)) delete process.env[name]
}

/** The configuration that these variables make. */
export async function read (env: Record<string, string> = {}): Promise<Config> {
  const fastify = Fastify()
  try {
    await fastify.register(configPlugin, { env })
    return fastify.config
  } finally {
    await fastify.close()
  }
}

/** Checks that the configuration is refused with one line that begins with the variable. */
export async function refuses (t: Test, variable: string, env: Record<string, string>): Promise<void> {
  const told = await read(env).then(() => undefined, (error: unknown) => error)
  t.ok(told instanceof ConfigError, JSON.stringify(env))
  const { message } = told as ConfigError
  t.equal(message.split('\n').length, 1, message)
  t.ok(message.startsWith(`${variable} `), message)
  t.notMatch(message, PASSWORD)
}
