import Fastify from 'fastify'
import type { Page } from 'playwright-core'
import t from 'tap'
import symple from '../../src/app.js'
import { startNodes } from '../cluster/nodes.js'
import { connect, eventually } from '../helper.js'
import { startRedis } from '../redis.js'
import { openTabs, startBrowser } from './chromium.js'
import { chart, enter, FAILED, KEY, rows, search, signIn, start } from './console-page.js'

const browser = await startBrowser(t)

/** What a chart shows now, and the line in front. */
const figures = async (page: Page, title: string) => await chart(page, title).locator('.legend li').allInnerTexts()
const line = async (page: Page, title: string) => await chart(page, title).locator('path.line-0').getAttribute('d')

t.test('a wrong key is explained; a good one lets in, stays with the tab, and stands in no address', async t => {
  const { origin } = await start(t)
  const tabs = await openTabs(t, browser)
  const page = await tabs.open(`${origin}/console`)
  const asked: string[] = []
  page.on('request', request => { asked.push(request.url()) })
  await signIn(page, 'a-key-that-nobody-has-given-to-anyone')
  await page.getByRole('alert').getByText(/does not accept this key.*SYMPLE_CONSOLE_KEY/).waitFor()
  await signIn(page, 'no key: \u2603')
  await page.getByRole('alert').getByText(/can not be a key/).waitFor()
  await signIn(page)
  await page.getByText('Live', { exact: true }).waitFor()
  t.equal(await page.locator('#key').inputValue(), '')
  await page.reload()
  await page.getByText('Live', { exact: true }).waitFor()
  t.equal(await page.evaluate('localStorage.length + document.cookie.length'), 0)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('Signed out').waitFor()
  t.equal(await page.evaluate('sessionStorage.length'), 0)
  await page.reload()
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  t.notOk(asked.some(url => url.includes(KEY)))
  t.strictSame(tabs.complaints.filter(complaint => !FAILED.test(complaint)), [])
})

t.test('charts move when traffic flows; drops are told by reason', async t => {
  const { origin, url } = await start(t)
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, origin)
  await eventually(async () => await line(page, 'Peers') !== null, 'a first sample')
  const before = await line(page, 'Messages')
  const [alice] = [await connect(t, url, { user: 'alice', rooms: ['lobby'] }), await connect(t, url, { user: 'bob', rooms: ['lobby'] })]
  for (let n = 0; n < 50; n++) alice.send({ type: 'message', to: ['lobby'], data: n })
  for (let n = 0; n < 7; n++) alice.send({ type: 'message', to: ['elsewhere'] })
  await page.locator('#drops li').filter({ hasText: 'To a room that the sender is not in' }).getByText('7', { exact: true }).waitFor()
  t.not(await line(page, 'Messages'), before)
  t.match(await chart(page, 'Messages').locator('svg').getAttribute('aria-label'), /delivered: .* now, from 0\/s to [\d.]+\/s/)
  t.match(await figures(page, 'Peers'), [/^2\s*peers/, /^2\s*users/])
  t.match(await page.locator('#outcomes').innerText(), /Let in\s*2/)
  t.ok(await page.locator('#drops rect').count() > 0)
  await page.locator('#rooms').getByText('lobby').waitFor()

  t.comment('keys move through time, and what is there is said')
  await chart(page, 'Messages').locator('svg').focus()
  await page.keyboard.press('Home')
  await page.locator('#spoken').getByText(/Messages: delivered .*\/s, received/).waitFor({ state: 'attached' })
  await page.keyboard.press('Escape')
  await chart(page, 'Messages').locator('summary').press('Enter')
  await chart(page, 'Messages').locator('tbody tr').nth(1).waitFor()

  t.comment('a pause holds')
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByText(/^Paused at/).waitFor()
  const held = await line(page, 'Peers')
  const samples = async () => await (await fetch(`${origin}/api/stats`, { headers: { authorization: `Bearer ${KEY}` } })).json() as { times: number[] }
  const { times: { length } } = await samples()
  await eventually(async () => (await samples()).times.length > length, 'another sample')
  t.equal(await line(page, 'Peers'), held)
  await page.getByRole('button', { name: 'Pause' }).click()
  await eventually(async () => await line(page, 'Peers') !== held, 'it moves again')
  t.strictSame(tabs.complaints, [])
})

t.test('finds peers, and sends them away after asking', async t => {
  const { origin, url } = await start(t)
  const evil = '<img src=x onerror="alert(1)">'
  const phone = await connect(t, url, { user: 'alice', name: 'Alice', rooms: ['lobby', evil] })
  const laptop = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, origin)
  await search(page, 'User', 'alice')
  await eventually(async () => await rows(page).count() === 2, 'both')
  const row = rows(page).filter({ hasText: phone.peer.id })
  await row.getByRole('button', { name: evil }).waitFor()
  t.match(await row.innerText(), /alice\s+Alice\s+[^]*lobby[^]*127\.0\.0\.1/)

  await row.getByRole('button', { name: /^Disconnect/ }).click()
  await page.getByRole('button', { name: 'Cancel' }).click()
  t.equal(await rows(page).count(), 2)
  await row.getByRole('button', { name: /^Disconnect/ }).click()
  await page.locator('#reason').fill('Enough')
  await page.keyboard.press('Enter')
  t.match(await phone.closed, { code: 4403, reason: 'Enough' })
  await row.waitFor({ state: 'detached' })
  t.equal(await rows(page).count(), 1)

  await page.getByRole('button', { name: 'Disconnect all of them' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Disconnect' }).click()
  t.equal((await laptop.closed).code, 4403)
  await page.getByText('The user alice has no peer online.').waitFor()

  await page.locator('#rooms').getByRole('button', { name: 'lobby' }).click()
  await rows(page).filter({ hasText: bob.peer.id }).waitFor()
  await search(page, 'Id or address', bob.address)
  await page.getByText('1 peer', { exact: true }).waitFor()
  await search(page, 'User', 'nobody')
  await page.getByText('The user nobody has no peer online.').waitFor()
  await search(page, 'Room', '..')
  await page.getByText(/can not stand in an address/).waitFor()
  t.equal(await page.locator('img').count(), 0)
  t.strictSame(tabs.complaints, [])
})

t.test('lists the nodes of a cluster with their leases, and reaches peers of all', async t => {
  const redis = await startRedis(t)
  const [a, b] = await startNodes(t, redis.url, 2, { SYMPLE_CONSOLE_KEY: KEY, SYMPLE_NODE_TTL: '5', SYMPLE_REDIS_REQUIRED: 'false' })
  const alice = await connect(t, b!.url, { user: 'alice', rooms: ['lobby'] })
  await connect(t, a!.url, { user: 'bob', rooms: ['lobby'] })
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, a!.origin)
  const nodes = page.locator('#nodes tr')
  await eventually(async () => await nodes.count() === 2, 'both nodes')
  t.match((await nodes.allInnerTexts()).join('\n'), /answers here/)
  for (const text of await nodes.allInnerTexts()) t.match(text, /pid \d+[^]*\d\.\d s left/)
  await page.locator('#rooms tr').filter({ hasText: 'lobby' }).getByText('2', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'All by name' }).click()
  await page.getByText(/^On all nodes/).waitFor()
  t.match(await page.locator('#rooms tr').allInnerTexts(), [/lobby\s*2/])
  await search(page, 'User', 'alice')
  await rows(page).getByRole('button', { name: /^Disconnect/ }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Disconnect' }).click()
  t.equal((await alice.closed).code, 4403)

  t.comment('without Redis, figures of this node go on, and what needs others says why not')
  await redis.stop()
  await page.locator('#nodes-problem').getByText('Other nodes can not be reached').waitFor()
  t.equal(await page.locator('#state').textContent(), 'Live')
})

t.test('ten thousand peers: answers stay small, and the page quick', async t => {
  const { origin, server: { symple } } = await start(t)
  for (let n = 0; n < 10_000; n++) {
    await symple.addVirtualPeer({ user: `user-${n}`, rooms: [`team-${n % 1000}`, `doc-${n}`] }, () => {})
  }
  const tabs = await openTabs(t, browser)
  const page = await tabs.open(`${origin}/console`)
  const sizes: number[] = []
  page.on('response', response => { response.body().then(body => { sizes.push(body.length) }, () => {}) })
  await signIn(page)
  await chart(page, 'Peers').getByText('10,000').first().waitFor()
  t.equal(await page.locator('#rooms tr').count(), 12)
  await search(page, 'All peers')
  await eventually(async () => await rows(page).count() === 20, 'a page')
  const first = await rows(page).first().getAttribute('data-peer')
  await page.locator('#peers-next').click()
  await page.getByText('Page 2: 20 peers').waitFor()
  t.not(await rows(page).first().getAttribute('data-peer'), first)
  await page.locator('#peers-back').click()
  await page.getByText('Page 1: 20 peers').waitFor()
  t.equal(await rows(page).first().getAttribute('data-peer'), first)
  await page.getByRole('button', { name: 'All by name' }).click()
  await page.locator('#rooms').getByText('doc-0', { exact: true }).waitFor()
  await page.locator('#rooms-next').click()
  await page.locator('#rooms').getByText('doc-1009', { exact: true }).waitFor()
  t.ok(await page.evaluate('document.querySelectorAll("*").length < 1500'), 'the page is no larger for it')
  t.ok(Math.max(...sizes) < 100_000, `the largest answer has ${Math.max(...sizes)} bytes`)
  t.strictSame(tabs.complaints, [])
})

t.test('works in a gateway, under its prefix and a path', async t => {
  const gateway = Fastify()
  t.teardown(() => gateway.close())
  await gateway.register(symple, { env: false, prefix: '/realtime', path: '/ws', consoleKey: KEY, drainSeconds: 0 })
  const origin = await gateway.listen({ host: '127.0.0.1', port: 0 })
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, `${origin}/realtime/ws`)
  await page.locator('#nodes tr').getByText('answers here').waitFor()
  await page.getByText('There are no rooms.').waitFor()
  t.strictSame(tabs.complaints, [])
})
