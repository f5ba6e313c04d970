import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROOT } from './tools.js'

/** The last instruction of a kind in a Dockerfile, without its name. */
const last = (dockerfile: string, instruction: string) =>
  [...dockerfile.matchAll(new RegExp(`^${instruction} (.*)$`, 'gm'))].at(-1)![1]!

t.test('the image with an SDK, as deployment.md builds it, runs what the image runs, as the same user', async t => {
  const [own, page] = ['Dockerfile', 'docs/deployment.md'].map(path => readFileSync(join(ROOT, path), 'utf8'))
  const [, derived] = /^```dockerfile\n(.*?)^```$/ms.exec(page!)!
  t.equal(last(derived!, 'USER'), last(own!, 'USER'))
  const [program, , module, script] = JSON.parse(last(derived!, 'CMD')) as string[]
  t.strictSame([program, script], JSON.parse(last(own!, 'CMD')))
  t.match(last(derived!, 'RUN'), new RegExp(` ${module!.replace('/register', '')}$`))
})
