import t from 'tap'
import { connect } from '../helper.js'
import { openTabs, startBrowser, violations } from './chromium.js'
import { chart, rows, search, signIn, start } from './console-page.js'

const browser = await startBrowser(t)

for (const [what, colorScheme, width] of [['light', 'light', 1400], ['dark', 'dark', 1400], ['a phone', 'light', 380]] as const) {
  t.test(`is accessible: ${what}`, async t => {
    const { origin, url, server } = await start(t)
    const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
    alice.send({ type: 'message', to: ['elsewhere'] })
    const tabs = await openTabs(t, browser, { bypassCSP: true, colorScheme, viewport: { width, height: 800 }, reducedMotion: 'reduce' })
    const page = await tabs.open(`${origin}/console`)
    await signIn(page, 'wrong-wrong-wrong-wrong-wrong-wrong')
    await page.getByText(/does not accept this key/).waitFor()
    t.strictSame(await violations(page), [], 'before')
    await signIn(page)
    await page.getByText('To a room that the sender is not in').waitFor()
    await chart(page, 'Messages').locator('summary').click()
    await search(page, 'User', 'alice')
    await page.locator('#peers .chip').waitFor()
    t.strictSame(await violations(page), [], 'the board')
    t.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'nothing sticks out')
    await rows(page).getByRole('button', { name: /^Disconnect/ }).click()
    t.strictSame(await violations(page), [], 'the question')
    await page.getByRole('button', { name: 'Cancel' }).click()
    await server.close()
    await page.getByText('Reconnecting…').waitFor()
    t.strictSame(await violations(page), [], 'a server that is away')
  })
}
