import type { Page } from 'playwright-core'
import t from 'tap'
import { createIdentity, tlsVariables } from '../certificate.js'
import { connect, eventually, startServer } from '../helper.js'
import { startSessionServer } from '../session-server.js'
import { openTabs, startBrowser, violations, type Tabs } from './chromium.js'

const browser = await startBrowser(t)

/** What the browser says of each attempt to reach a server that is away. */
const REFUSED = /WebSocket connection to .* failed/

const httpOf = (url: string) => url.replace(/^ws/, 'http')

const field = (page: Page, label: string) => page.locator('input').and(page.getByLabel(label, { exact: true }))

async function fill (page: Page, fields: Record<string, string>): Promise<void> {
  for (const [label, value] of Object.entries(fields)) await field(page, label).fill(value)
}

/** Opens a tab and connects in it. */
async function enter (tabs: Tabs, url: string, user: string, rooms = 'lobby'): Promise<Page> {
  const page = await tabs.open(httpOf(url))
  await fill(page, { User: user, Rooms: rooms })
  await page.getByRole('button', { name: 'Connect' }).click()
  await page.getByRole('status').getByText(`Online as ${user}`).waitFor()
  return page
}

/** Writes to one of those in the list. */
async function write (page: Page, to: string | RegExp, text: string): Promise<void> {
  const options = page.locator('#to option')
  const option = typeof to === 'string' ? options.getByText(to, { exact: true }) : options.filter({ hasText: to })
  // It is there as soon as its presence is.
  await option.first().waitFor({ state: 'attached' })
  await page.locator('#to').selectOption(await option.first().getAttribute('value') ?? '')
  await page.locator('#text').fill(text)
  await page.locator('#text').press('Enter')
}

const said = (page: Page, text: string) => page.locator('#chat .line').filter({ hasText: text })

const people = async (page: Page) => await page.locator('#people b').allTextContents()

t.test('two tabs see each other, and chat with a peer, a user, rooms and everybody', async t => {
  const { url } = await startServer(t)
  const tabs = await openTabs(t, browser)
  const alice = await enter(tabs, url, 'alice', 'lobby, staff')
  await alice.getByText('Nobody else is here yet.').waitFor()
  const bob = await enter(tabs, url, 'bob', 'lobby')
  await alice.locator('#people').getByText('bob', { exact: true }).waitFor()
  await alice.getByText('bob is here.').waitFor()
  t.strictSame([await people(alice), await people(bob)], [['bob'], ['alice']])

  await write(alice, 'Everybody near', 'to all')
  await write(alice, 'bob', 'to the user')
  await write(alice, 'lobby', 'to the room')
  await write(alice, 'staff', 'to a room without bob')
  await alice.locator('#people button').click()
  await alice.locator('#text').pressSequentially('to the peer')
  await alice.keyboard.press('Enter')
  await said(bob, 'to the peer').waitFor()
  t.strictSame(await bob.locator('.line .text').allTextContents(), ['to all', 'to the user', 'to the room', 'to the peer'])
  t.match(await said(bob, 'to all').textContent(), /alice.*to everybody/)
  t.equal(await alice.locator('.line.own').count(), 5, 'the sender sees what she sent')
  await write(bob, 'alice', 'back')
  await said(alice, 'back').waitFor()

  t.comment('rooms')
  await fill(bob, { 'Room to join': 'den' })
  await bob.getByRole('button', { name: 'Join' }).click()
  await bob.getByText('You have joined den.').waitFor()
  await bob.getByRole('button', { name: 'Leave lobby' }).click()
  await bob.getByText('Nobody else is here yet.').waitFor()
  await alice.getByText('bob is gone.').waitFor()
  t.strictSame(await people(alice), [])
  await fill(alice, { 'Room to join': 'den' })
  await alice.keyboard.press('Enter')
  await alice.locator('#people').getByText('bob', { exact: true }).waitFor()

  t.comment('presence')
  await fill(alice, { 'Your status, which others see': 'in a meeting' })
  await alice.getByRole('button', { name: 'Publish' }).click()
  await bob.locator('#people').getByText('in a meeting').waitFor()

  await bob.close()
  await alice.getByText('Nobody else is here yet.').waitFor()
  t.strictSame(tabs.complaints, [])
})

t.test('sends any JSON, checks it first, and explains the error that comes back', async t => {
  const { url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, url, 'alice')
  await page.getByRole('button', { name: 'JSON' }).click()
  const send = page.locator('#send-json')
  const editor = page.getByLabel('Frame as JSON')
  await page.getByLabel('Start from').selectOption('Command')
  await page.getByText('Valid: command to bob').waitFor()
  await send.click()
  t.match(await bob.find('command'), { node: 'camera', action: 'start', from: /^alice\|/ })

  await editor.fill('{"type":"message",\n  oops}')
  await page.getByText(/Not JSON/).waitFor()
  t.ok(await send.isDisabled())
  t.equal(await editor.getAttribute('aria-invalid'), 'true')

  await editor.fill('{"type":"message","to":"","id":"m7"}')
  await page.getByText(/will answer error 400/).waitFor()
  await editor.press('Control+Enter')
  const fault = page.locator('.fault')
  t.match(await fault.textContent(), /Error 400: to must be .*The connection stays open/)
  t.strictSame(tabs.complaints, [])
})

t.test('shows frames in both directions: filter, pause, clear, edit', async t => {
  const { url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const tabs = await openTabs(t, browser)
  const page = await tabs.open(httpOf(url))
  await page.getByText('Token', { exact: true }).first().click()
  await fill(page, { User: 'alice', Token: 's3cr3t' })
  await field(page, 'Token').press('Enter')
  const frames = page.locator('#frames .frame')
  const rows = async () => (await frames.allTextContents()).map(text => /[↑↓](?:sent|received)([\w:]+)/.exec(text)?.[1])
  await frames.nth(2).waitFor()
  t.strictSame(await rows(), ['auth', 'welcome', 'presence'])
  t.notMatch(await page.locator('#frames').textContent(), 's3cr3t', 'a token is not shown')
  const welcomed = await page.locator('.address').textContent()
  t.match(welcomed, /^alice\|/)

  await page.getByLabel('Direction').selectOption('Sent')
  await eventually(async () => await frames.count() === 1, 'what was sent')
  await page.getByLabel('Direction').selectOption('Both ways')
  await page.getByLabel('Only frames that contain').fill('BOB')
  await eventually(async () => await frames.count() === 1, 'what has bob in it')
  await page.getByLabel('Only frames that contain').fill('')
  await eventually(async () => await frames.count() === 3, 'all')

  const pause = page.getByRole('button', { name: 'Pause' })
  await pause.click()
  bob.send({ type: 'message', data: 'while paused' })
  await said(page, 'while paused').waitFor()
  await page.getByText('4, 1 new').waitFor()
  t.equal(await frames.count(), 3)
  await pause.click()
  await frames.nth(3).waitFor()

  await frames.nth(3).locator('summary').press('Enter')
  t.match(await frames.nth(3).locator('pre').textContent(), /"data": "while paused"/)
  await frames.nth(3).getByRole('button', { name: 'Edit and send' }).click()
  t.match(await page.getByLabel('Frame as JSON').inputValue(), /"data": "while paused"/)
  await page.locator('#frames-clear').click()
  t.equal(await frames.count(), 0)
  t.strictSame(tabs.complaints, [])
})

t.test('a flood neither freezes nor fills it', async t => {
  const { url } = await startServer(t, { SYMPLE_RATE_LIMIT: '0' })
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, url, 'alice')
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  for (let n = 1; n <= 3000; n++) bob.send({ type: 'message', data: `message ${n}` })
  await said(page, 'message 3000').waitFor()
  await page.locator('#frames .raw').getByText('"message 3000"').waitFor()
  t.ok(await page.locator('#chat > *').count() <= 300)
  t.equal(await page.locator('#frames .frame').count(), 500)
})

t.test('comes back after a restart, and says what happens meanwhile', async t => {
  const first = await startServer(t)
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, first.url, 'alice', 'lobby, den')
  const alert = page.getByRole('alert')
  await first.server.close()
  await alert.locator('b').getByText(/shutting down|No connection/).waitFor()
  await page.getByText(/^Next attempt/).waitFor()
  await page.getByText('The server is shutting down.', { exact: true }).waitFor()
  await page.getByText('Waiting to reconnect').waitFor()
  await startServer(t, { SYMPLE_PORT: String(first.port) })
  await page.getByText('Online as alice').waitFor()
  t.equal(await page.locator('#notice').isVisible(), false)
  t.strictSame(await page.locator('#room-list .chip').allTextContents(), ['aliceyou', 'lobby×', 'den×'])
  t.strictSame(tabs.complaints.filter(complaint => !REFUSED.test(complaint)), [])
})

t.test('a wait can be given up, and a tab remembers who it was', async t => {
  const { server, url, port } = await startServer(t)
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, url, 'alice', 'den')
  await server.close()
  await page.getByRole('button', { name: 'Stop trying' }).click()
  await page.getByRole('alert').getByText('Disconnected').waitFor()
  await startServer(t, { SYMPLE_PORT: String(port) })
  await page.reload()
  t.strictSame([await field(page, 'User').inputValue(), await field(page, 'Rooms').inputValue()], ['alice', 'den'])
  const other = await tabs.open(httpOf(url))
  t.match(await field(other, 'User').inputValue(), /^\w+-\w+$/, 'another tab is another user')
  await page.getByRole('button', { name: 'Connect' }).click()
  await page.getByText('Online as alice').waitFor()
  await page.getByRole('button', { name: 'Disconnect' }).click()
  await page.getByText('Not connected').waitFor()
})

t.test('a refused token is explained, and a good one lets in', async t => {
  const { url, write } = await startSessionServer(t)
  await write('good', { user: 'alice', rooms: ['staff'] })
  const tabs = await openTabs(t, browser)
  const page = await tabs.open(httpOf(url))
  await fill(page, { User: '' })
  await page.getByRole('button', { name: 'Connect' }).click()
  const alert = page.getByRole('alert')
  await alert.getByText('The server does not let you in').waitFor()
  t.match(await alert.textContent(), /Token required \(error 401\).*close code 4401.*needs a token/)
  await fill(page, { Token: 'wrong' })
  await page.getByRole('button', { name: 'Connect' }).click()
  await alert.getByText(/Invalid token/).waitFor()
  await fill(page, { Token: 'good' })
  await page.getByRole('button', { name: 'Connect' }).click()
  await page.getByText('Online as alice').waitFor()
  t.equal(await page.locator('#notice').isVisible(), false)
  t.strictSame(tabs.complaints, [])
})

t.test('what peers send is text, never markup', async t => {
  const { url } = await startServer(t)
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, url, 'alice')
  const evil = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
  const bob = await connect(t, url, { user: evil, name: `${evil}\u202egnp`, rooms: ['lobby'], data: { status: evil } })
  bob.send({ type: 'message', data: evil })
  bob.send({ type: 'event', name: evil, data: { [evil]: evil } })
  bob.send({ type: evil, data: evil })
  bob.send({ type: 'command', node: evil, action: evil, to: ['lobby'] })
  await fill(page, { 'Room to join': evil })
  await page.keyboard.press('Enter')
  await page.getByText(`You have joined ${evil}.`).waitFor()
  await eventually(async () => await page.locator('#chat .line').count() === 3, 'all three')
  for (const row of await page.locator('#frames summary').all()) await row.click()
  await page.locator('#people button').click()
  t.equal(await page.locator('img, main script').count(), 0)
  t.match(await page.locator('#people').textContent(), evil)
  t.match(await page.locator('#chat').textContent(), evil)
  t.strictSame(tabs.complaints, [], 'nothing ran, and nothing tried to')
})

t.test('works with the keyboard alone', async t => {
  const { url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const tabs = await openTabs(t, browser)
  const page = await tabs.open(httpOf(url))
  const focused = async () => await page.evaluate('document.activeElement.id') as string
  await page.keyboard.press('Tab')
  t.equal(await focused(), 'user')
  await page.keyboard.press('Enter')
  await page.getByText(/^Online as/).waitFor()
  t.equal(await focused(), 'text', 'the next thing to do')
  await page.keyboard.type('typed')
  await page.keyboard.press('Enter')
  t.match(await bob.find('message'), { data: 'typed' })
  await page.keyboard.press('Shift+Tab')
  t.equal(await focused(), 'to')
})

t.test('works under a path, and over TLS', async t => {
  const { url } = await startServer(t, { SYMPLE_PATH: '/a/ws', ...tlsVariables(t, createIdentity()) })
  const tabs = await openTabs(t, browser, { ignoreHTTPSErrors: true })
  const alice = await enter(tabs, url, 'alice')
  const bob = await enter(tabs, `${url}?any=thing`, 'bob')
  await write(alice, 'bob', 'hello')
  await said(bob, 'hello').waitFor()
  t.equal(await alice.locator('#url').textContent(), url)
  t.strictSame(tabs.complaints, [])
})

for (const [what, colorScheme, width] of [['light', 'light', 1400], ['dark', 'dark', 1400], ['a phone', 'light', 380]] as const) {
  t.test(`is accessible: ${what}`, async t => {
    const { server, url } = await startServer(t)
    const tabs = await openTabs(t, browser, { bypassCSP: true, colorScheme, viewport: { width, height: 800 }, reducedMotion: 'reduce' })
    const show = async (view: string) => {
      const button = page.locator(`[data-show=${view}]`)
      if (await button.isVisible()) await button.click()
    }
    const check = async (state: string) => { t.strictSame(await violations(page), [], state) }
    const page = await tabs.open(httpOf(url))
    await page.getByText('Token', { exact: true }).first().click()
    await check('before')
    await page.getByRole('button', { name: 'Connect' }).click()
    await page.getByText(/^Online as/).waitFor()
    const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'], data: { status: 'here' } })
    bob.send({ type: 'event', name: 'doorbell', data: { pressed: true } })
    await show('chat')
    await said(page, 'doorbell').waitFor()
    await page.locator('[data-mode=json]').click()
    await page.getByLabel('Start from').selectOption('A faulty "to"')
    await page.locator('#send-json').click()
    await page.locator('.fault').waitFor()
    await check('the conversation')
    await page.getByLabel('Frame as JSON').fill('{')
    await check('an error in the editor')
    await show('frames')
    await page.locator('#frames summary').last().click()
    await check('frames')
    await show('people')
    await page.locator('#people button').waitFor()
    await check('people')
    t.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'nothing sticks out')
    await server.close()
    await page.getByText(/^Next attempt/).waitFor()
    await check('a lost connection')
  })
}
