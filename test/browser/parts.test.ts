import { readFileSync } from 'node:fs'
import t from 'tap'
import { checkFrame, describeTo } from '../../src/browser/playground/check.js'
import { explainEnd, explainFault } from '../../src/browser/playground/explain.js'
import { FrameStore, matches, type SeenFrame } from '../../src/browser/playground/frame-store.js'
import { TEMPLATES } from '../../src/browser/playground/templates.js'
import { mayReconnect, parseFrame } from '../../src/client/index.js'
import { CloseCode } from '../../src/core/errors.js'
import { connect, startServer } from '../helper.js'

const PROTOCOL = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8')

/** The rows of the first table of a section: numbers of the first cell, and the last cell. */
function table (section: number): Array<{ numbers: number[], last: string }> {
  const [, text = ''] = new RegExp(`^## ${section}\\..*?\\n\\n(\\|.*?)\\n\\n`, 'ms').exec(PROTOCOL.slice(PROTOCOL.indexOf(`\n## ${section}.`))) ?? []
  return text.split('\n').map(row => row.split('|').map(cell => cell.trim()))
    .map(([, first = '', ...rest]) => ({ numbers: first.match(/\d+/g)?.map(Number) ?? [], last: rest.at(-2) ?? '' }))
    .filter(({ numbers }) => numbers.length > 0)
}

t.test('every close code of the protocol has words of its own, and the client obeys it', async t => {
  const rows = table(9)
  const codes = rows.flatMap(({ numbers }) => numbers)
  t.strictSame(Object.values(CloseCode).filter(code => !codes.includes(code)), [])
  for (const { numbers, last } of rows) {
    for (const code of numbers) t.equal(mayReconnect(code), last.startsWith('yes'), `${code}: ${last}`)
  }
  const titles = [...codes, 3000, 4999].map(code => explainEnd(code).title)
  t.equal(new Set(titles).size, titles.length)
})

t.test('every status of the protocol has words of its own', async t => {
  const statuses = new Set(table(8).flatMap(({ numbers }) => numbers))
  t.ok(statuses.size > 5)
  for (const welcome of [true, false]) {
    const words = [...statuses, 599].map(status => explainFault(status, welcome))
    t.equal(new Set(words).size, words.length)
    t.equal(words.some(text => text.includes('stays open')), welcome, 'before welcome, no error leaves the connection open')
  }
})

t.test('a frame is checked as the server will check it', async t => {
  const { url } = await startServer(t)
  const client = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const texts = [
    '[]', '1', 'null', '{}', '{"type":1}', '{"type":"message","to":""}', '{"type":"message","to":[1]}', '{"type":"message","to":{}}',
    '{"type":"join"}', '{"type":"leave","room":""}', '{"type":"message"}', '{"type":"event","to":null}', '{"type":"command","to":"x"}',
    '{"type":"presence","to":["a","b"]}', '{"type":"message","to":[]}', '{"type":"join","room":"x"}', '{"type":"leave","room":"x"}',
    ...Object.values(TEMPLATES).map(template => JSON.stringify(template)).filter(text => text !== '{"type":"close"}')
  ]
  for (const text of texts) {
    client.send(text)
    client.take()
    await client.barrier()
    const refused = client.take().some(({ type }) => type === 'error')
    const { verdict, words } = checkFrame(text)
    t.equal(verdict, refused ? 'doubtful' : 'good', `${text}: ${words}`)
  }
  for (const text of ['', '{', '{"type":"message"', 'x']) t.equal(checkFrame(text).verdict, 'bad', text)
  t.match(checkFrame('{\n  "a": 1,\n  oops\n}').words, /line 3,? column 3/)
  t.match(checkFrame('{"type":"nonsense"}'), { verdict: 'doubtful', words: /ignore/ })
  t.match(checkFrame('{"type":"auth"}'), { verdict: 'doubtful', words: /token/ })
  t.match(checkFrame('{"type":"close"}'), { verdict: 'good' })
  t.strictSame([undefined, ['a', 'b'], [], 'x'].map(describeTo), ['everybody', 'a, b', 'nobody', 'x'])
})

t.test('frames are kept within bounds', async t => {
  const now = new Date()
  const add = (store: FrameStore, text: string) => { store.add({ direction: 'in', text, frame: parseFrame(text) }, now) }
  const numbers = (store: FrameStore) => store.frames.map(({ number }) => number)
  const byCount = new FrameStore(3, Infinity)
  for (let n = 0; n < 5; n++) add(byCount, '{"type":"message"}')
  t.strictSame([numbers(byCount), byCount.count], [[3, 4, 5], 5])
  const byLength = new FrameStore(100, 10)
  for (const text of ['12345', '12345', '1', '12345678901234567890']) add(byLength, text)
  t.strictSame(numbers(byLength), [4], 'the last one stays, however long')
  byLength.clear()
  t.strictSame([numbers(byLength), byLength.count], [[], 0])
  add(byLength, '12345')
  add(byLength, '12345')
  t.strictSame(numbers(byLength), [1, 2])
})

t.test('frames are shown without tokens, and found by direction and text', async t => {
  const store = new FrameStore()
  const text = '{"type":"auth","token":"s3cr3t","user":"alice"}'
  store.add({ direction: 'out', text, frame: parseFrame(text) }, new Date())
  const [frame] = store.frames as [SeenFrame]
  t.notMatch(frame.text, 's3cr3t')
  t.match(frame, { type: 'auth', text: /alice/ })
  t.ok(matches(frame, { direction: 'all', text: 'ALICE' }))
  t.ok(matches(frame, { direction: 'out', text: '' }))
  t.notOk(matches(frame, { direction: 'in', text: '' }))
  t.notOk(matches(frame, { direction: 'all', text: 'bob' }))
})
