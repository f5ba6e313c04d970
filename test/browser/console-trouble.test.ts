import t from 'tap'
import { connect, eventually } from '../helper.js'
import { openTabs, startBrowser } from './chromium.js'
import { chart, enter, FAILED, hold, KEY, rows, search, signIn, start } from './console-page.js'

const browser = await startBrowser(t)

t.test('a page is turned once, however often one clicks, and an empty one is not stayed on', async t => {
  const { origin, url } = await start(t)
  for (let n = 0; n < 21; n++) await connect(t, url, { user: 'alice' })
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, origin)
  await search(page, 'User', 'alice')
  const next = page.locator('#peers-next')
  const focused = async () => await page.evaluate('document.activeElement.id')
  const turned = async (number: number) => { await page.getByText(new RegExp(`^Page ${number}\\b.* of the user alice`)).waitFor() }
  await turned(1)

  const asked: string[] = []
  const release = await hold(page, /\/users\/alice\/peers.*cursor/, url => { asked.push(url) })
  await next.click()
  await eventually(() => asked.length === 1, 'it is asked for')
  t.ok(await next.isDisabled())
  await next.click({ force: true })
  await release()
  await turned(2)
  t.equal(await page.locator('#peers-what').textContent(), 'Page 2, the last: 1 peer of the user alice')
  t.equal(asked.length, 1)
  t.equal(await rows(page).count(), 1)
  await eventually(async () => await focused() === 'peers-back', 'the focus is not lost with the button')

  await rows(page).getByRole('button', { name: /^Disconnect/ }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Disconnect' }).click()
  await eventually(async () => await rows(page).count() === 20, 'the page before')
  await page.getByText('20 peers of the user alice').waitFor()

  t.comment('one that can not be read leaves all as it was, and can be asked for again')
  await connect(t, url, { user: 'alice' })
  await search(page, 'User', 'alice')
  await turned(1)
  await page.route(/cursor/, async route => { await route.abort() })
  await next.click()
  await page.getByText('The server can not be reached. Try again.').waitFor()
  t.equal(await rows(page).count(), 20)
  await page.unroute(/cursor/)
  await next.click()
  await turned(2)
  await page.getByRole('button', { name: 'Disconnect all of them' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Disconnect' }).click()
  await page.getByText('The user alice has no peer online.').waitFor()
  t.ok(await page.locator('#peers-pager').isHidden())
  t.strictSame(tabs.complaints.filter(complaint => !FAILED.test(complaint)), [])
})

t.test('answers that make no sense are said, and do not end it', async t => {
  const { origin } = await start(t)
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, origin)
  const answers = ['{}', 'null', '[]', '"', '{"nodes":1}']
  let asked = 0
  await page.route(/\/api\/stats/, async route => {
    await route.fulfill({ contentType: 'application/json', body: answers[asked++ % answers.length]! })
  })
  while (asked <= answers.length) {
    const before = asked
    // Else it would wait longer after each.
    await page.evaluate('dispatchEvent(new Event("online"))')
    await eventually(() => asked > before, 'it asks again')
    await page.locator('#notice').getByText(/makes no sense|Error 200/).waitFor()
  }
  t.equal(await page.locator('#state').textContent(), 'Reconnecting…')
  await page.unroute(/\/api\/stats/)
  await page.evaluate('dispatchEvent(new Event("online"))')
  await page.getByText('Live', { exact: true }).waitFor()
  t.ok(await page.locator('#notice').isHidden())
  t.strictSame(tabs.complaints, [])
})

t.test('whoever has signed out leaves nothing behind, not even by a late answer', async t => {
  const { origin, url, server } = await start(t)
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  alice.send({ type: 'message', to: ['elsewhere'] })
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, origin)
  await search(page, 'User', 'alice')
  await rows(page).getByRole('button', { name: 'lobby' }).waitFor()
  await page.locator('#drops rect').first().waitFor({ state: 'attached' })
  await chart(page, 'Peers').locator('summary').click()
  const words = async () => await page.locator('body').evaluate(body => body.outerHTML)
  const traces = ['alice', 'lobby', server.backplane.node]
  t.ok((await Promise.all(traces.map(async trace => (await words()).includes(trace)))).every(Boolean))

  const asked: string[] = []
  const release = await hold(page, /\/api\//, url => { asked.push(url) })
  await eventually(() => asked.length > 0, 'a round has begun')
  await rows(page).getByRole('button', { name: /^Disconnect/ }).click()
  await page.locator('#sign-out').dispatchEvent('click')
  await page.getByText('Signed out').waitFor()
  await release()
  await page.unrouteAll({ behavior: 'wait' })
  const left = await words()
  t.strictSame(traces.filter(trace => left.includes(trace)), [])
  t.equal(await page.locator('#charts path, #drops rect').count(), 0)
  t.strictSame([...new Set(await page.locator('.legend b').allTextContents())], ['–'])
  t.ok(await page.getByRole('dialog').isHidden())
  await signIn(page)
  await page.getByText('Live', { exact: true }).waitFor()
  t.strictSame(tabs.complaints, [])
})

t.test('paused, it promises nothing', async t => {
  const { origin, server } = await start(t)
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, origin)
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByText(/^Paused at/).waitFor()
  await server.close()
  await search(page, 'User', 'alice')
  await page.getByText('The server can not be reached. Try again.').waitFor()
  await page.getByRole('button', { name: 'All by name' }).click()
  await page.locator('#rooms-problem').getByText('Try again.').waitFor()
  t.ok(await page.locator('#notice').isHidden(), 'nothing is said to be tried again')
  t.match(await page.locator('#state').textContent(), /^Paused at/)
  t.equal(await page.getByRole('button', { name: 'Pause' }).getAttribute('aria-pressed'), 'true')
})

t.test('a server that is away is said, and found again', async t => {
  const first = await start(t)
  const tabs = await openTabs(t, browser)
  const page = await enter(tabs, first.origin)
  await first.server.close()
  await page.getByText('Reconnecting…').waitFor()
  await page.getByRole('alert').getByText(/can not be reached/).waitFor()
  const again = await start(t, { SYMPLE_PORT: String(first.port) })
  await page.getByText('Live', { exact: true }).waitFor()
  await page.locator('#nodes').getByText(again.server.backplane.node).waitFor()
  await again.server.close()
  await start(t, { SYMPLE_PORT: String(first.port), SYMPLE_CONSOLE_KEY: `${KEY}-changed` })
  await page.getByText(/does not accept this key/).waitFor()
})
