import t from 'tap'
import { guardedAttempts, sessionOf, tokenOf } from './impostor/guarded.js'
import { openAttempts } from './impostor/open.js'
import { Scene, SECRET, VAULT } from './impostor/scene.js'
import { startProcess } from './process.js'
import { startRedis } from './redis.js'
import { scrape } from './scrape.js'
import { writeSession } from './session-server.js'

t.test('where everybody is who he says he is', async t => {
  const server = await startProcess(t, { LOG_LEVEL: 'debug', SYMPLE_ALLOWED_ORIGINS: 'https://good.example' })
  for (const attempt of openAttempts) {
    await t.test(attempt.what, async t => {
      const scene = await Scene.set(t, server, (user, room) => ({ user, rooms: [room] }))
      await attempt.make(scene)
      await scene.check(attempt)
      await scene.leave()
    })
  }
  t.notMatch(server.stdout, SECRET, 'no message is logged')
  const { text } = await scrape(server.origin)
  for (const word of [SECRET, VAULT, 'alice', 'mallory']) t.notMatch(text, word, 'metrics name nobody')
})

t.test('where sessions say who is who', async t => {
  const redis = await startRedis(t)
  const backend = redis.client()
  const server = await startProcess(t, {
    LOG_LEVEL: 'debug',
    SYMPLE_AUTHENTICATION: 'true',
    SYMPLE_REDIS_URL: redis.url,
    SYMPLE_DYNAMIC_ROOMS: 'false',
    SYMPLE_SESSION_CHECK: '0.2'
  })
  const enter = async (user: string, room: string) => {
    await writeSession(backend, tokenOf(user), sessionOf(user, room))
    return { token: tokenOf(user) }
  }
  for (const attempt of guardedAttempts) {
    await t.test(attempt.what, async t => {
      const scene = await Scene.set(t, server, enter, backend)
      await attempt.make(scene)
      await scene.check(attempt)
      await scene.leave()
    })
  }
  for (const secret of [SECRET, tokenOf(''), 'private']) t.notMatch(server.stdout, secret, 'no secret is logged')
})
