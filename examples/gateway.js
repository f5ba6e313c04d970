// A gateway whose clients prove who they are with JSON Web Tokens.
import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import { jwtVerify, SignJWT } from 'jose'
import symple from 'symple-server'

// Where tokens are signed by another process, it needs the same secret.
const secret = randomBytes(32)
const gateway = Fastify({ logger: true })

// Your sign-in: check a password here. The rooms are what the user may see.
gateway.post('/login', async ({ body }) => {
  const token = new SignJWT({ rooms: ['lobby'] }).setSubject(body.user).setExpirationTime('1h')
  return { token: await token.setProtectedHeader({ alg: 'HS256' }).sign(secret) }
})

await gateway.register(symple, {
  prefix: '/realtime',
  async authenticate (_peer, { token = '' }) {
    const verified = await jwtVerify(token, secret).catch(() => null)
    if (verified === null) return { allowed: false, message: 'Sign in first' }
    const { sub: user, rooms } = verified.payload
    return { allowed: true, user, rooms }
  },
  // The token's rooms, and no other.
  authorizeJoin: () => false
})

// Clients are told, and closed one after the other.
process.once('SIGTERM', () => gateway.close())

await gateway.listen({ port: Number(process.env.PORT ?? 3000) })
