import type { Locator, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { connect, eventually, startServer } from '../helper.js'
import { openTabs, startBrowser } from './chromium.js'
import { enter as enterConsole, rows, search, start } from './console-page.js'
import { field, fill, httpOf, said } from './playground.js'

const browser = await startBrowser(t)

/** A small phone. */
const viewport = { width: 360, height: 640 }

/** Names as long as the server takes them, of letters that break nowhere. */
const long = (start: string) => start.padEnd(256, 'm')
const USER = long('user')
const ROOM = long('room')
const NAME = long('Name')
const PEER = { user: USER, name: NAME, rooms: [ROOM, 'lobby'], data: { status: long('status') } }

async function box (part: Locator): Promise<{ x: number, y: number, width: number, height: number }> {
  await part.waitFor()
  return (await part.boundingBox())!
}

/** That nothing goes beyond the window, on its side or, for what must be at hand, below. */
async function fits (t: Test, page: Page, ...parts: Locator[]): Promise<void> {
  t.equal(await page.evaluate('document.documentElement.scrollWidth'), viewport.width, 'nothing sticks out')
  for (const part of parts) {
    const { x, y, width, height } = await box(part)
    t.ok(x >= 0 && x + width <= viewport.width && y >= 0 && y + height <= viewport.height, String(part))
  }
}

/** How much of what is in it does not show. */
const cut = async (part: Locator) => await part.evaluate(element => element.scrollWidth - element.clientWidth)

/** Whether all of a field's placeholder shows. */
async function showsPlaceholder (input: Locator): Promise<boolean> {
  await input.fill(await input.getAttribute('placeholder') ?? '')
  const shows = await cut(input) <= 0
  await input.fill('')
  return shows
}

for (const width of [viewport.width, 800, 1400]) {
  t.test(`the playground has room for long names, ${width} pixels wide`, async t => {
    const { url } = await startServer(t)
    const tabs = await openTabs(t, browser, { viewport: { ...viewport, width } })
    const page = await tabs.open(httpOf(url))
    const state = page.locator('#state')
    const sticksOut = async () => await page.evaluate('document.documentElement.scrollWidth - innerWidth') as number
    t.equal(await cut(state), 0, 'a state that has no name in it is there in full')
    await fill(page, { User: USER, 'Display name optional': NAME, Rooms: `${ROOM}, lobby` })
    await page.getByRole('button', { name: 'Connect' }).click()
    await page.getByText(/^Online as/).waitFor()
    const bob = await connect(t, url, { ...PEER, user: long('other') })
    bob.send({ type: 'message', to: [ROOM], data: long('text') })
    const show = async (view: string) => {
      const button = page.locator(`[data-show=${view}]`)
      if (await button.isVisible()) await button.click()
    }

    await show('chat')
    await said(page, 'text').waitFor()
    await page.locator('.note').first().waitFor()
    t.equal(await sticksOut(), 0)
    t.equal(await state.getAttribute('title'), `Online as ${USER}`)
    t.equal(await page.evaluate('getComputedStyle(document.getElementById("state")).textOverflow'), 'ellipsis')
    const { x, width: size } = await box(state)
    t.ok(x + size <= width, 'the state is within the window')
    t.ok((await box(page.locator('.meta'))).height < 45, 'who wrote, to whom and when take two lines at most')
    t.equal(await page.locator('.meta b').getAttribute('title'), NAME)
    for (const note of await page.locator('.note').all()) t.ok((await box(note)).height < 80, await note.textContent() ?? '')
    t.equal(await page.locator('.note').first().getAttribute('title'), `${ROOM}, lobby`)

    await show('people')
    await page.locator('#people button').waitFor()
    const [own, room] = await page.locator('.chip').all()
    t.ok((await box(own!.locator('span'))).height < 25, '"you" is one word')
    t.equal(await own!.locator('span').evaluate(element => element.scrollWidth > element.clientWidth + 1), false)
    for (const chip of [own!, room!]) t.ok((await box(chip)).height < 40, 'a room is one line')
    t.equal(await room!.getAttribute('title'), ROOM)
    await room!.getByRole('button').click({ trial: true })
    t.ok((await box(page.locator('#people button'))).height < 70)
    const address = page.locator('.address')
    t.ok((await box(address)).height < 70)
    await address.press('End')
    await eventually(async () => await address.evaluate(element => element.scrollTop) > 0, 'the end of the address')
    for (const input of [field(page, 'Your status, which others see'), field(page, 'Room to join')]) t.ok(await showsPlaceholder(input))
    t.equal(await sticksOut(), 0)
    await show('frames')
    await page.locator('#frames summary').first().waitFor()
    t.equal(await sticksOut(), 0)
    t.strictSame(tabs.complaints, [])
  })
}

t.test('the console has room for long names on a phone', async t => {
  const { url, origin } = await start(t)
  const peers = [await connect(t, url, PEER), await connect(t, url, { ...PEER, name: USER })]
  const tabs = await openTabs(t, browser, { viewport })
  const page = await enterConsole(tabs, origin)
  const room = page.locator('#rooms').getByRole('button', { name: ROOM })
  await room.waitFor()
  t.ok((await box(room)).height < 50)
  t.match(await room.getAttribute('title'), ROOM)
  await search(page, 'User', USER)
  await page.locator('#peers .chip').nth(3).waitFor()
  await fits(t, page)
  t.ok((await box(page.locator('#query'))).width > 150, 'what is searched can be read')
  t.ok((await box(page.locator('#peers-what'))).height < 80)
  t.equal(await page.locator('#peers-what').getAttribute('title'), USER)

  for (const row of await rows(page).all()) {
    t.ok((await box(row)).height < 250, 'a peer is no screen')
    t.equal(await row.locator('.clamp').getAttribute('title').then(title => title?.startsWith(USER)), true)
    const button = await box(row.getByRole('button', { name: /^Disconnect/ }))
    t.ok(button.x + button.width <= viewport.width)
    for (const cell of await row.locator('th, td:not(.number)').all()) {
      const { x, y, width, height } = await box(cell)
      const apart = x + width <= button.x || y + height <= button.y || y >= button.y + button.height
      t.ok(apart, `nothing lies under the button: ${(await cell.textContent())?.slice(0, 20)}`)
    }
  }

  const name = rows(page).first().locator('.clamp')
  const { height } = await box(name)
  await name.press('Enter')
  t.ok((await box(name)).height > 2 * height, 'all of a name is there for whoever asks')

  const questions = [rows(page).first().getByRole('button', { name: /^Disconnect/ }), page.getByRole('button', { name: 'Disconnect all of them' })]
  for (const question of questions) {
    await question.click()
    await fits(t, page, page.locator('#confirm-no'), page.locator('#confirm-yes'), page.locator('#reason'))
    t.match(await page.locator('#confirm-title').getAttribute('title'), USER)
    await page.getByRole('button', { name: 'Cancel' }).click()
  }
  t.equal(peers.every(({ ws }) => ws.readyState === ws.OPEN), true)
  t.strictSame(tabs.complaints, [])
})
